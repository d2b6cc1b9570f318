import type { Bytes, CertifiedIntroductionPoint, TimePeriod } from '../../../src/descriptor/index.ts';
import { deriveKpHsBlindId } from '../../../src/descriptor/blinding.ts';
import { concat, wrapBase64 } from '../../../src/descriptor/bytes.ts';
import { ed25519Pair, identity, noise } from '../../descriptor/forge.ts';
import type { Context } from '../strictness-cases.ts';
import { type Draw, type Kind, flipBits, littleEndian, pick, replace } from './mutant.ts';

const BODY_LENGTH = 76;
const EXTENSION = 40;
/** ℓ, the order of the group: S and S + ℓ are two texts of one signature for a verifier without the bound. */
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const FIELD = 2n ** 255n - 19n;
/** Encodings that no honest key has: the identity element, a point of order 8, y = p + 1, off the curve. */
export const BAD_POINTS: readonly Bytes[] = [
  littleEndian(1n),
  Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'),
  littleEndian(FIELD + 1n),
  littleEndian(2n),
];

type Sign = (body: Bytes) => Bytes;
interface Material {
  readonly draw: Draw;
  readonly context: Context;
  readonly hours: number;
}
/** From the certificate of 140 bytes and its signer to another certificate. */
type CertEdit = (cert: Bytes, sign: Sign, material: Material) => Bytes;

/** Changes what is signed and signs it again. */
const body =
  (change: (body: Bytes, material: Material) => Bytes): CertEdit =>
  (cert, sign, material) => {
    const changed = change(cert.subarray(0, BODY_LENGTH), material);
    return concat(changed, sign(changed));
  };
const signature =
  (change: (signature: Bytes, material: Material) => Bytes): CertEdit =>
  (cert, _, material) =>
    concat(cert.subarray(0, BODY_LENGTH), change(cert.subarray(BODY_LENGTH), material));
const put = (bytes: Bytes, at: number, value: Bytes): Bytes =>
  concat(bytes.subarray(0, at), value, bytes.subarray(at + value.length));
const expiry = (hours: number): Bytes => {
  const field = Buffer.alloc(4);
  field.writeUInt32BE(hours);
  return field;
};
const extensions = (...list: Bytes[]) =>
  body(bytes =>
    concat(
      bytes.subarray(0, EXTENSION - 1),
      Uint8Array.of(list.length),
      ...list.map(each => (each.length === 0 ? bytes.subarray(EXTENSION) : each)),
    ),
  );
/** Stands for the extension that the certificate has. */
const OWN = new Uint8Array();
const unknownExtension = (flags: number, length = 5): Bytes =>
  concat(Uint8Array.of(0, length, 0x63, flags), noise('extension', length));

/** A signature scalar without its reduction. */
export function beyondOrder(signed: Bytes): Bytes {
  const scalar = BigInt(`0x${Buffer.from(signed.slice(32)).reverse().toString('hex')}`);
  return concat(signed.subarray(0, 32), littleEndian(scalar + GROUP_ORDER));
}

const EDITS: Readonly<Record<string, CertEdit>> = {
  version: body((bytes, { draw }) => put(bytes, 0, Uint8Array.of(pick(draw, [0, 2, 255])))),
  type: body((bytes, { draw }) =>
    put(
      bytes,
      1,
      Uint8Array.of(
        pick(
          draw,
          [0, 4, 5, 7, 8, 9, 10, 11, 255].filter(type => type !== bytes[1]),
        ),
      ),
    ),
  ),
  'type of key': body((bytes, { draw }) => put(bytes, 6, Uint8Array.of(pick(draw, [0, 2, 3, 255])))),
  expired: body((bytes, { draw, hours }) => put(bytes, 2, expiry(hours - 1 - draw(100)))),
  'expiry 0': body(bytes => put(bytes, 2, expiry(0))),
  'expiry far away': body((bytes, { draw, hours }) => put(bytes, 2, expiry(hours + 56 + draw(100_000)))),
  'expiry without end': body(bytes => put(bytes, 2, expiry(0xffff_ffff))),
  'expiry near': body((bytes, { draw, hours }) => put(bytes, 2, expiry(hours + 2 + draw(50)))),
  'no extension': body(bytes => concat(bytes.subarray(0, EXTENSION - 1), Uint8Array.of(0))),
  'signing key twice': extensions(OWN, OWN),
  'unknown extension': extensions(OWN, unknownExtension(0)),
  'unknown extension first': extensions(unknownExtension(0), OWN),
  'unknown empty extension': extensions(OWN, unknownExtension(0, 0)),
  'unknown extension that matters': extensions(OWN, unknownExtension(1)),
  'unknown extension with other flags': extensions(OWN, unknownExtension(0xfe)),
  'flag on the signing key': body((bytes, { draw }) =>
    put(bytes, EXTENSION + 3, Uint8Array.of(pick(draw, [1, 2, 255]))),
  ),
  'length of the extension': body((bytes, { draw }) =>
    put(bytes, EXTENSION, Uint8Array.of(0, pick(draw, [0, 31, 33, 96, 255]))),
  ),
  'short signing key': body(bytes => put(bytes.subarray(0, -1), EXTENSION + 1, Uint8Array.of(31))),
  'number of extensions': body((bytes, { draw }) =>
    put(bytes, EXTENSION - 1, Uint8Array.of(pick(draw, [0, 2, 255]))),
  ),
  'bytes behind the extension': body(bytes => concat(bytes, Uint8Array.of(0, 0, 0))),
  'certified key': body((bytes, { draw }) => put(bytes, 7, noise(`key ${draw(1000)}`, 32))),
  'certified key that is no key': body((bytes, { draw }) => put(bytes, 7, pick(draw, BAD_POINTS))),
  'random byte, signed': body((bytes, { draw }) => flipBits(bytes, draw(EXTENSION + 4), 1 + draw(255))),
  'random byte': (cert, _, { draw }) => flipBits(cert, draw(cert.length), 1 + draw(255)),
  'signature: R': signature((bytes, { draw }) => flipBits(bytes, draw(32), 1 << draw(8))),
  'signature: S': signature((bytes, { draw }) => flipBits(bytes, 32 + draw(32), 1 << draw(8))),
  'signature: S beyond the order': signature(beyondOrder),
  'signature: zeros': signature(() => new Uint8Array(64)),
  'signature: short': signature(bytes => bytes.subarray(0, 63)),
  'signature: long': signature(bytes => concat(bytes, Uint8Array.of(0))),
  'signature by a stranger': cert =>
    concat(cert.subarray(0, BODY_LENGTH), ed25519Pair('stranger').sign(cert.subarray(0, BODY_LENGTH))),
  'cut short': (cert, _, { draw }) => cert.subarray(0, draw(cert.length)),
};

const hoursOf = (at: number): number => Math.floor(at / 3600);

/** The certificates of a forgery's descriptor signing key, and of its points. */
export const CERT_KINDS: readonly Kind[] = [
  ...Object.entries(EDITS).flatMap(([name, edit]): Kind[] => [
    {
      name: `certificate 08: ${name}`,
      level: 'outer',
      mutate: (draw, context) => ({
        edit: editCert08(cert =>
          edit(cert, signBlinded(context), { draw, context, hours: hoursOf(context.at) }),
        ),
      }),
    },
    inPoint(`certificate 09: ${name}`, 'authKeyCert', edit),
    inPoint(`certificate 0B: ${name}`, 'encKeyCert', edit),
  ]),
  {
    name: 'certificate 08: by another blinded key',
    level: 'outer',
    elsewhere: true,
    mutate: (_, { label, period }) => ({
      edit: editCert08(cert => {
        const other = identity(`other ${label}`);
        const signed = concat(cert.subarray(0, EXTENSION + 4), deriveKpHsBlindId(other.kpHsId, period));
        return concat(signed, other.signBlinded(period, signed));
      }),
    }),
  },
  inPoint('certificate 09: by a stranger who names itself', 'authKeyCert', strangers),
  inPoint('certificate 0B: by a stranger who names itself', 'encKeyCert', strangers),
];

function strangers(cert: Bytes): Bytes {
  const stranger = ed25519Pair('stranger');
  const signed = concat(cert.subarray(0, EXTENSION + 4), stranger.publicKey);
  return concat(signed, stranger.sign(signed));
}

function inPoint(name: string, field: 'authKeyCert' | 'encKeyCert', edit: CertEdit): Kind {
  return {
    name,
    level: 'point',
    mutate: (draw, context) => ({
      point: (point: CertifiedIntroductionPoint) => ({
        ...point,
        [field]: edit(point[field], descSigner(context).sign, { draw, context, hours: hoursOf(context.at) }),
      }),
    }),
  };
}

/** The pair that signs a forgery. */
export function descSigner({
  label,
  period,
}: {
  label: string;
  period: TimePeriod;
}): ReturnType<typeof ed25519Pair> {
  return ed25519Pair(`${label} descriptor signing ${period.periodNum}`);
}

function signBlinded({ label, period }: Context): Sign {
  return signed => identity(label).signBlinded(period, signed);
}

/** Changes the bytes of the outer document's certificate. */
export function editCert08(change: (cert: Bytes) => Bytes): (text: string) => string {
  return text =>
    replace(text, /(?<=BEGIN ED25519 CERT-----\n)[^-]+(?=-----END)/u, found =>
      wrapBase64(change(Buffer.from(found, 'base64'))),
    );
}
