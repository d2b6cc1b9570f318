import { concat } from '../../src/descriptor/bytes.ts';
import { parseCert } from '../../src/descriptor/ed25519-cert.ts';
import type { Bytes, Ed25519Cert, NetworkProfile, OpenedDescriptor } from '../../src/descriptor/index.ts';
import { INNER_CONSTANT, MIDDLE_CONSTANT, decryptLayer } from '../../src/descriptor/layer-crypt.ts';
import { isTorsionFree, montgomeryToEdwards } from '../../src/descriptor/primitives.ts';
import { certExpiryHours, innerCertExpiryHours, srvRunStart } from '../../src/descriptor/time.ts';

/** One descriptor as somebody sees it who looks for differences. */
export interface Observed {
  /** Fields that a writer should always give one value. */
  readonly constants: Readonly<Record<string, string>>;
  /** Fields that are numbers of some distribution; one or more of each in every descriptor. */
  readonly numbers: Readonly<Record<string, readonly number[]>>;
  /** Fields that are one of a few values. */
  readonly categories: Readonly<Record<string, readonly string[]>>;
}

/** Whether a field shows to a directory, which knows blinded keys only, or to a client, who knows the address. */
export function viewOf(field: string): 'HSDir' | 'client' {
  return field.startsWith('outer ') ? 'HSDir' : 'client';
}

const SALT_LENGTH = 16;
const MAC_LENGTH = 32;
const STEP_MEAN = 32_768.5;
const STEP_DEVIATION = 65_536 / Math.sqrt(12);
/** Top bytes of ℓ, 2^252 and a little. */
const ORDER = 2 ** 252;

/** An opening with all keys, and the cookie of a restricted one. */
type OpenedWhole = OpenedDescriptor & { readonly descriptorCookie?: Bytes | undefined };

/** Takes a descriptor apart. `second` is that of its counter, Unix time. */
export function observe(text: Bytes, opened: OpenedWhole, second: number, profile: NetworkProfile): Observed {
  const { outer, middle, kpHsDescSign, kpHsBlindId } = opened;
  const points = opened.inner?.introductionPoints ?? [];
  const layers = plainLayers(opened);
  const pointCerts = points.flatMap(({ authCert, encCert }) => [authCert, encCert]);
  const t = second - srvRunStart(profile, opened.period) + 1;
  const clientFields = middle.authClients.flatMap(line => [line.clientId, line.iv, line.encryptedCookie]);
  return {
    constants: {
      'outer lines, widths and wrapping, end of text': skeleton(text),
      'outer descriptor-lifetime': String(outer.lifetimeMinutes),
      'outer size without the counter': String(text.length - outer.revisionCounter.toString().length),
      'outer size of the encrypted layer': String(outer.superencrypted.length),
      'outer certificate 08: all but keys, hour, signature': certHeader(outer.cert),
      'outer certificate 08: hours beyond ⌈t + 54 h⌉': String(
        outer.cert.expiryHours - certExpiryHours(second),
      ),
      'outer KP_hs_desc_sign has no torsion part': String(isTorsionFree(kpHsDescSign)),
      'middle lines, widths and wrapping, padding': skeleton(layers.middle),
      'middle count of client lines': String(middle.authClients.length),
      'middle client lines are all different': String(
        new Set(clientFields.map(field => Buffer.from(field).toString('hex'))).size === clientFields.length,
      ),
      'middle ephemeral key is on the curve': String(isOnCurve(middle.ephemeralKey)),
      'inner lines, widths and wrapping, create2 and flow-control': skeleton(layers.inner),
      'inner certificates 09 and 0B: all but keys, hour, signature': pointCerts.map(certHeader).join(' '),
      'inner certificates: hours beyond ⌊t⌋ + 54 h': pointCerts
        .map(cert => cert.expiryHours - innerCertExpiryHours(second))
        .join(' '),
    },
    numbers: {
      'outer revision counter, in deviations from 32768.5·T': [
        (Number(outer.revisionCounter) - STEP_MEAN * t) / (STEP_DEVIATION * Math.sqrt(t)),
      ],
      'outer S of the signature': [scalarOf(outer.signature)],
      'outer S of certificate 08': [scalarOf(outer.cert.signature)],
      'outer R of certificate 08': [fraction(outer.cert.signature)],
      'outer KP_hs_desc_sign': [fraction(kpHsDescSign)],
      'outer KP_hs_blind_id': [fraction(kpHsBlindId)],
      'outer salt': [fraction(outer.superencrypted.subarray(0, SALT_LENGTH))],
      'outer MAC': [fraction(outer.superencrypted.subarray(-MAC_LENGTH))],
      'middle ephemeral key': [fraction(middle.ephemeralKey)],
      'middle client lines': clientFields.map(fraction),
      'inner salt': [fraction(middle.encrypted.subarray(0, SALT_LENGTH))],
      'inner S of certificates 09 and 0B': pointCerts.map(cert => scalarOf(cert.signature)),
    },
    categories: {
      'outer digits of the counter': [String(outer.revisionCounter.toString().length)],
      'outer last digit of the counter': [outer.revisionCounter.toString().slice(-1)],
      'outer half-bytes of salt and MAC': halfBytes(
        outer.superencrypted.subarray(0, SALT_LENGTH),
        outer.superencrypted.subarray(-MAC_LENGTH),
      ),
      'outer half-bytes of the ciphertext, every 64th': halfBytes(
        outer.superencrypted.filter((_, at) => at % 64 === 20),
      ),
      'outer sign bits of R and keys': [
        outer.signature[31]!,
        outer.cert.signature[31]!,
        kpHsDescSign[31]!,
      ].map((byte, field) => `${field} ${byte >> 7}`),
      'middle half-bytes of client lines': halfBytes(...clientFields),
      'inner order of the points, by auth-key': [
        rankPattern(points.map(({ authKey }) => Buffer.from(authKey).toString('hex'))),
      ],
    },
  };
}

function plainLayers({ outer, middle, kpHsBlindId, subcredential, descriptorCookie }: OpenedWhole): {
  middle: Bytes;
  inner: Bytes;
} {
  const context = { secretData: kpHsBlindId, subcredential, revisionCounter: outer.revisionCounter };
  const secretData = concat(kpHsBlindId, descriptorCookie ?? new Uint8Array());
  return {
    middle: decryptLayer({ ...context, constant: MIDDLE_CONSTANT }, outer.superencrypted),
    inner: decryptLayer({ ...context, secretData, constant: INNER_CONSTANT }, middle.encrypted),
  };
}

/** The text with each value that varies replaced by its width: what remains is order, wrapping and end. */
function skeleton(bytes: Bytes): string {
  const lines: string[] = [];
  let inObject = false;
  const text = Buffer.from(bytes).toString('latin1');
  for (const line of text.replace(/\0+$/u, padding => `<${padding.length} NUL>`).split('\n')) {
    const isFrame = line.startsWith('-----');
    if (isFrame) inObject = line.startsWith('-----BEGIN');
    lines.push(inObject && !isFrame ? `<${line.length}>` : line.replaceAll(LONG_VALUE, withWidth));
  }
  return lines.join('\n');
}

/** Counters and keys; what is shorter, such as `flow-control 1-2 31`, stays. */
const LONG_VALUE = /(?<= )(?:[0-9]{4,}|[A-Za-z0-9+/]{11,}=*)$|(?<= )[A-Za-z0-9+/]{11,}=*(?= )/gu;

function withWidth(value: string): string {
  return /^[0-9]+$/u.test(value) ? '<counter>' : `<${value.length}>`;
}

/** Version, type, key type, number, length, type and flags of the extension. */
function certHeader({ bytes }: Ed25519Cert): string {
  const { body } = parseCert(bytes);
  return Buffer.concat([body.subarray(0, 2), body.subarray(6, 7), body.subarray(39, 44)]).toString('hex');
}

/** 32 little-endian bytes, or fewer of a salt, as a number from 0 to 1. */
function fraction(bytes: Bytes): number {
  const top = Buffer.from(bytes.subarray(0, 32)).reverse();
  return ((top[0]! & 0x7f) * 2 ** 40 + top.readUIntBE(1, 5)) / 2 ** 47;
}

/** S of a signature in parts of ℓ. */
function scalarOf(signature: Bytes): number {
  const top = Buffer.from(signature.subarray(32, 64)).reverse();
  return (top.readUIntBE(0, 6) * 2 ** 208) / ORDER;
}

function halfBytes(...fields: Bytes[]): string[] {
  return fields.flatMap(field => Buffer.from(field).toString('hex').split(''));
}

/** Which place each item takes among its like: `021` for the smallest, the largest, the middle one. */
function rankPattern(items: readonly string[]): string {
  const sorted = [...items].sort();
  return items.map(item => sorted.indexOf(item)).join('');
}

function isOnCurve(key: Bytes): boolean {
  try {
    return montgomeryToEdwards(key).length === 32;
  } catch {
    return false;
  }
}
