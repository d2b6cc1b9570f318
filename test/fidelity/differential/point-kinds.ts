import type { Bytes, CertifiedIntroductionPoint } from '../../../src/descriptor/index.ts';
import {
  CERT_TYPE,
  assembleCert,
  encodeCertBody,
  x25519ToEd25519,
} from '../../../src/descriptor/ed25519-cert.ts';
import { concat, encodeBase64 } from '../../../src/descriptor/bytes.ts';
import { ed25519Pair, makePoint, noise } from '../../descriptor/forge.ts';
import type { Context } from '../strictness-cases.ts';
import { descSigner } from './cert-kinds.ts';
import { LOW_ORDER, NOT_CANONICAL } from './layer-kinds.ts';
import { type Draw, type Kind, type Mutation, flipBits, littleEndian, pick, replace } from './mutant.ts';

const specifier = (type: number, length: number): Bytes =>
  concat(Uint8Array.of(type, length), noise(`specifier ${type}`, length));
const IPV4 = specifier(0, 6);
const IPV6 = specifier(1, 18);
const RSA = specifier(2, 20);
const ED25519 = specifier(3, 32);
const OTHER = specifier(99, 7);
const block = (...list: readonly Bytes[]): Bytes => concat(Uint8Array.of(list.length), ...list);

const links =
  (...blocks: readonly Bytes[]) =>
  (draw: Draw): Mutation => ({ point: point => ({ ...point, linkSpecifiers: pick(draw, blocks) }) });
const linksOf =
  (change: (bytes: Bytes, draw: Draw) => Bytes) =>
  (draw: Draw): Mutation => ({
    point: point => ({ ...point, linkSpecifiers: change(point.linkSpecifiers, draw) }),
  });
const section =
  (pattern: RegExp, by: (found: string, draw: Draw) => string) =>
  (draw: Draw): Mutation => ({ edit: text => replace(text, pattern, found => by(found, draw)) });
const key = (keyword: string, bytes: (draw: Draw) => Bytes) =>
  section(new RegExp(`(?<=^${keyword} ntor )\\S+`, 'mu'), (_, draw) => encodeBase64(bytes(draw)));

/** The certificate of type 0B again, over another key. */
const encCert =
  (change: (certified: Bytes, point: CertifiedIntroductionPoint, draw: Draw) => Bytes) =>
  (draw: Draw, context: Context): Mutation => ({
    point: point => {
      const { publicKey, sign } = descSigner(context);
      const body = encodeCertBody({
        certType: CERT_TYPE.encKey,
        expiryHours: Math.floor(context.at / 3600) + 54,
        certifiedKey: change(x25519ToEd25519(point.encKey), point, draw),
        signingKey: publicKey,
      });
      return { ...point, encKeyCert: assembleCert(body, sign(body)) };
    },
  });

const LEGACY_KEY = `legacy-key\n-----BEGIN RSA PUBLIC KEY-----\n${encodeBase64(noise('legacy', 48))}\n-----END RSA PUBLIC KEY-----\n`;
const LEGACY_CERT = `legacy-key-cert\n-----BEGIN CROSSCERT-----\n${encodeBase64(noise('cross', 48))}\n-----END CROSSCERT-----\n`;

const POINT: Readonly<Record<string, Kind['mutate']>> = {
  nothing: () => ({}),
  'link specifiers in another order': links(block(ED25519, RSA, IPV4), block(RSA, IPV4, ED25519)),
  'link specifiers with IPv6': links(block(IPV4, RSA, ED25519, IPV6), block(IPV4, IPV6, RSA, ED25519)),
  'link specifiers with an unknown one': links(
    block(IPV4, RSA, ED25519, OTHER),
    block(OTHER, IPV4, RSA, ED25519),
  ),
  'link specifiers without an address': links(block(RSA, ED25519), block(RSA), block(ED25519)),
  'link specifiers without IPv4': links(block(IPV6, RSA, ED25519)),
  'link specifiers without an identity': links(block(IPV4), block(IPV4, IPV6)),
  'link specifiers without RSA identity': links(block(IPV4, ED25519)),
  'link specifiers without Ed25519 identity': links(block(IPV4, RSA)),
  'two IPv4 addresses': links(block(IPV4, IPV4, RSA, ED25519)),
  'two RSA identities': links(block(IPV4, RSA, RSA, ED25519)),
  'two Ed25519 identities': links(block(IPV4, RSA, ED25519, ED25519)),
  'no link specifier': links(block(), new Uint8Array()),
  'more link specifiers than said': linksOf(bytes => bytes.with(0, 2)),
  'fewer link specifiers than said': linksOf((bytes, draw) => bytes.with(0, pick(draw, [4, 100, 255]))),
  'bytes behind the link specifiers': linksOf((bytes, draw) => concat(bytes, new Uint8Array(1 + draw(4)))),
  'link specifiers cut': linksOf((bytes, draw) => bytes.subarray(0, draw(bytes.length))),
  'length of a link specifier': links(
    ...[specifier(0, 5), specifier(0, 7), specifier(1, 17)].map(odd => block(odd, RSA, ED25519)),
    ...[specifier(2, 19), specifier(2, 21)].map(odd => block(IPV4, odd, ED25519)),
    ...[specifier(3, 31), specifier(3, 33), specifier(3, 0)].map(odd => block(IPV4, RSA, odd)),
  ),
  'unknown link specifier without data': links(block(IPV4, RSA, ED25519, Uint8Array.of(99, 0))),
  'address that routes nowhere': links(
    ...['000000000000', '7f0000010050', 'ffffffff0050', '0a0000010000'].map(hex =>
      block(Buffer.from(`0006${hex}`, 'hex'), RSA, ED25519),
    ),
  ),
  'identity of zeros': links(
    block(IPV4, RSA, concat(Uint8Array.of(3, 32), new Uint8Array(32))),
    block(IPV4, concat(Uint8Array.of(2, 20), new Uint8Array(20)), ED25519),
  ),
  'random byte of the link specifiers': linksOf((bytes, draw) =>
    flipBits(bytes, draw(bytes.length), 1 + draw(255)),
  ),
  'onion-key of low order': key('onion-key', draw => pick(draw, LOW_ORDER)),
  'onion-key that is not canonical': key('onion-key', () => NOT_CANONICAL),
  'length of the onion-key': key('onion-key', draw => noise('key', pick(draw, [0, 31, 33]))),
  'onion-key of another type': section(
    /^onion-key ntor/mu,
    (_, draw) => `onion-key ${pick(draw, ['x', 'tap', 'NTOR', 'ntor-v3'])}`,
  ),
  'onion-key of a second type': section(/^onion-key .*\n/mu, (found, draw) =>
    pick(draw, [`${found}onion-key x y\n`, `onion-key x y\n${found}`]),
  ),
  'onion-key twice': section(/^onion-key .*\n/mu, found => found.repeat(2)),
  'enc-key of low order': key('enc-key', draw => pick(draw, LOW_ORDER)),
  'enc-key that is not canonical': key('enc-key', () => NOT_CANONICAL),
  'length of the enc-key': key('enc-key', draw => noise('key', pick(draw, [0, 31, 33]))),
  'enc-key of another type': section(/^enc-key ntor/mu, (_, draw) => `enc-key ${pick(draw, ['x', 'NTOR'])}`),
  'enc-key twice': section(/^enc-key .*\n/mu, found => found.repeat(2)),
  'enc-key with its highest bit': section(/(?<=^enc-key ntor )\S+/mu, word =>
    encodeBase64(flipBits(Buffer.from(word, 'base64'), 31, 0x80)),
  ),
  'another enc-key': key('enc-key', draw => makePoint(`another ${draw(100)}`, ed25519Pair('x'), 1).encKey),
  'certificate 0B over another key': encCert((_, __, draw) => ed25519Pair(`another ${draw(100)}`).publicKey),
  'certificate 0B over the auth-key': encCert((_, point) => point.authKey),
  'certificate 0B with the sign bit': encCert(certified => flipBits(certified, 31, 0x80)),
  'certificates exchanged': () => ({
    point: point => ({ ...point, authKeyCert: point.encKeyCert, encKeyCert: point.authKeyCert }),
  }),
  'certificates of another descriptor': draw => ({
    point: point => ({
      ...makePoint(`foreign ${draw(100)}`, ed25519Pair('foreign'), 1_000_000),
      linkSpecifiers: point.linkSpecifiers,
    }),
  }),
  'auth-key of small order': (_, context) => ({
    point: point => {
      const { publicKey, sign } = descSigner(context);
      const expiryHours = Math.floor(context.at / 3600) + 54;
      const body = encodeCertBody({
        certType: CERT_TYPE.authKey,
        expiryHours,
        certifiedKey: littleEndian(1n),
        signingKey: publicKey,
      });
      return { ...point, authKeyCert: assembleCert(body, sign(body)) };
    },
  }),
  'legacy-key alone': () => ({ edit: text => text + LEGACY_KEY }),
  'legacy-key-cert alone': () => ({ edit: text => text + LEGACY_CERT }),
  'legacy-key and certificate': () => ({ edit: text => text + LEGACY_KEY + LEGACY_CERT }),
  'legacy-key of another object': () => ({
    edit: text => `${text}${LEGACY_KEY.replaceAll('RSA PUBLIC KEY', 'X')}${LEGACY_CERT}`,
  }),
  'keyword of the head': draw => ({
    edit: text =>
      text +
      pick(draw, [
        'create2-formats 2\n',
        'single-onion-service\n',
        'flow-control 1-2 31\n',
        'intro-auth-required ed25519\n',
        'caa 0 issue "x"\n',
        'pow-params v2 x\n',
      ]),
  }),
  'last LF missing': () => ({ edit: text => text.slice(0, -1) }),
  'the same point again': () => ({ edit: text => text + text }),
  'head of a point alone': draw => ({
    edit: text =>
      text + pick(draw, ['introduction-point AQAG\n', 'introduction-point\n', 'introduction-point x\n']),
  }),
};

/** Link specifiers, keys and lines of one introduction point. */
export const POINT_KINDS: readonly Kind[] = Object.entries(POINT).map(([name, mutate]) => ({
  name: `point: ${name}`,
  level: 'point',
  mutate,
}));
