// The small readers of src/descriptor: encodings, keys, certificates, link specifiers, times.

import { decodeBase32, encodeBase32 } from '../../../src/descriptor/bytes.ts';
import {
  CERT_TYPE,
  assembleCert,
  counterTimeInterval,
  decodeBase64,
  ed25519Verify,
  encodeBase64,
  encodeBase64Unpadded,
  encodeCertBody,
  encodeLinkSpecifiers,
  fromHex,
  nobleVerify,
  parseCert,
  parseEd25519Public,
  parseKpHsId,
  parseLinkSpecifiers,
  parseX25519Public,
  publishablePeriods,
  testNetwork,
  timePeriod,
  toHex,
  TOR_NETWORK,
  x25519ToEd25519,
} from '../../../src/descriptor/index.ts';
import { NOBLE_OPENING } from '../../../src/descriptor/second-opinion.ts';
import { PERIOD, ed25519Pair, forge, identity, noise } from '../../descriptor/forge.ts';
import { CURVE_EDGES } from '../mutate-bytes.ts';
import { utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes, demandEqual, verdictOf } from '../target.ts';

const descriptor = (target: Omit<Target, 'area' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  area: 'descriptor',
  name: `descriptor/${target.name}`,
});
const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
const point = () => forge({ label: 'fuzz parts', points: 1 }).inner.introductionPoints[0]!;

const encodings: readonly Target[] = [
  descriptor({
    name: 'base64',
    codes: ['BAD_BASE64'],
    shapes: ['bytes', 'objects', 'lines'],
    seeds: () => [0, 1, 2, 3, 32, 200].map(length => utf8(encodeBase64(noise('base64', length)))),
    run: input => {
      const [padded, unpadded, either] = (['padded', 'unpadded', 'either'] as const).map(form =>
        verdictOf('descriptor', () => decodeBase64(text(input), form)),
      );
      const taken = [padded, unpadded].find(verdict => verdict !== undefined && 'taken' in verdict);
      demandEqual(either, taken ?? either, 'either form takes what one of the forms takes');
      const isTaken = either !== undefined && 'taken' in either;
      demand(isTaken === (taken !== undefined), 'either form takes no more than both');
      const bytes = decodeBase64(text(input), 'either');
      const spellings = [encodeBase64(bytes), encodeBase64Unpadded(bytes)];
      demand(spellings.includes(text(input)), 'base64 has one spelling for each form');
    },
  }),
  descriptor({
    name: 'base32',
    codes: ['BAD_BASE32'],
    shapes: ['bytes', 'lines'],
    seeds: () => [0, 1, 5, 35].map(length => utf8(encodeBase32(noise('base32', length)))),
    run: input => demand(encodeBase32(decodeBase32(text(input))) === text(input), 'base32 has one spelling'),
  }),
  descriptor({
    name: 'hex',
    codes: ['BAD_HEX'],
    shapes: ['bytes', 'lines'],
    seeds: () => [0, 1, 32].map(length => utf8(toHex(noise('hex', length)))),
    run: input => demand(toHex(fromHex(text(input))) === text(input), 'hexadecimal has one spelling'),
  }),
];

const points: readonly Target[] = [
  descriptor({
    name: 'keys',
    codes: ['BAD_LENGTH', 'BAD_KEY'],
    shapes: ['bytes'],
    cost: 10,
    seeds: () => [identity('a').kpHsId, point().encKey, point().onionKey, ...CURVE_EDGES],
    run: input => {
      const edwards = verdictOf('descriptor', () => parseEd25519Public(input));
      const id = verdictOf('descriptor', () => parseKpHsId(input));
      demand('taken' in edwards || 'code' in id, 'an identity is an Ed25519 key besides');
      if ('taken' in id) {
        const blinded = NOBLE_OPENING.deriveKpHsBlindId(id.taken, PERIOD);
        demand('taken' in verdictOf('descriptor', () => parseKpHsId(blinded)), 'a blinded key is a key');
      }
      const key = parseX25519Public(input);
      demandBytes(key, input, 'a key is its bytes');
      const first = verdictOf('descriptor', () => x25519ToEd25519(key));
      const second = verdictOf('descriptor', () => NOBLE_OPENING.x25519ToEd25519(key));
      demandEqual(second, first, 'both implementations find one Ed25519 form, or none');
    },
  }),
  // Public key (32 bytes), signature (64), message.
  descriptor({
    name: 'signature',
    codes: [],
    shapes: ['bytes'],
    cost: 20,
    seeds: signatureSeeds,
    run: input => {
      const [key, signature, message] = [input.subarray(0, 32), input.subarray(32, 96), input.subarray(96)];
      const verdict = ed25519Verify(message, signature, key);
      demand(nobleVerify(message, signature, key) === verdict, 'both implementations give one verdict');
    },
  }),
  descriptor({
    name: 'cert',
    codes: ['BAD_CERT', 'UNKNOWN_VERSION', 'TRAILING_DATA'],
    shapes: ['cert', 'bytes'],
    seeds: () => [
      point().authKeyCert,
      point().encKeyCert,
      forge({ label: 'fuzz parts' }).parts.descSigningKeyCert,
    ],
    run: input => {
      const cert = parseCert(input);
      demandBytes(cert.bytes, input, 'a certificate keeps its bytes');
      demandBytes(
        Buffer.concat([cert.body, cert.signature]),
        input,
        'body and signature are the certificate',
      );
      const certType = Object.values(CERT_TYPE).find(type => type === cert.certType);
      // The only form that is written: one extension, which names the signing key.
      if (certType === undefined || cert.certifiedKeyType !== 1 || input.length !== 140 || input[39] !== 1)
        return;
      const body = encodeCertBody({ ...cert, certType });
      demandBytes(assembleCert(body, cert.signature), input, 'a certificate is written back');
    },
  }),
  descriptor({
    name: 'link-specifiers',
    codes: ['BAD_LINK_SPECIFIER'],
    shapes: ['links', 'bytes'],
    seeds: () => [
      point().linkSpecifiers,
      Uint8Array.of(1, 9, 0),
      Uint8Array.of(2, 0, 6, 1, 2, 3, 4, 5, 6, 4, 1, 9),
    ],
    run: input =>
      demandBytes(encodeLinkSpecifiers(parseLinkSpecifiers(input)), input, 'a block is written back'),
  }),
];

const moments: readonly Target[] = [
  // A counter of 8 bytes, a period of 4, a moment as a float of 8, a voting interval of 2.
  descriptor({
    name: 'times',
    codes: ['COUNTER_OUT_OF_RANGE', 'BAD_PERIOD'],
    shapes: ['bytes'],
    seeds: () => [momentSeed(30_000_000n, 20_700, 1_788_000_000, 3600), momentSeed(1n, 0, 43_200, 10)],
    run: input => {
      const bytes = Buffer.alloc(22);
      bytes.set(input.subarray(0, 22));
      const [counter, moment] = [bytes.readBigUInt64BE(0), bytes.readDoubleBE(12)];
      const profile = testNetwork('fuzz', bytes.readUInt16BE(20));
      const period = timePeriod(profile, bytes.readUInt32BE(8));
      const { from, to } = counterTimeInterval(
        TOR_NETWORK,
        timePeriod(TOR_NETWORK, period.periodNum),
        counter,
      );
      demand(Number.isFinite(from) && from <= to, 'a counter was made in some interval');
      const published = publishablePeriods(profile, moment);
      demand(published.length >= 1 && published.length <= 2, 'one or two periods are published');
    },
  }),
];

function momentSeed(counter: bigint, period: number, moment: number, interval: number): Uint8Array {
  const bytes = Buffer.alloc(22);
  bytes.writeBigUInt64BE(counter, 0);
  bytes.writeUInt32BE(period, 8);
  bytes.writeDoubleBE(moment, 12);
  bytes.writeUInt16BE(interval, 20);
  return new Uint8Array(bytes);
}

function signatureSeeds(): Uint8Array[] {
  const pair = ed25519Pair('fuzz signature');
  const good = Buffer.concat([pair.publicKey, pair.sign(utf8('message')), utf8('message')]);
  const spoilt = CURVE_EDGES.flatMap(edge =>
    [0, 32, 64].map(at => Buffer.concat([good.subarray(0, at), edge, good.subarray(at + 32)])),
  );
  const small = CURVE_EDGES.map(edge => Buffer.concat([edge, edge, new Uint8Array(32), utf8('m')]));
  return [good, ...spoilt, ...small].map(bytes => new Uint8Array(bytes));
}

export const DESCRIPTOR_PARTS: readonly Target[] = [...encodings, ...points, ...moments];
