import {
  type KeyObject,
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hash,
  verify,
} from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { DescriptorError } from './error.ts';
import { RecentMap } from './recent-map.ts';
import { toKey } from './text-encodings.ts';

/** Verdict on an Ed25519 signature: true or false, for any input of any length. */
export type Ed25519Verify = (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean;

const { Point } = ed25519;
const { Fp } = Point;

/** ℓ, the prime order of the base point. */
const GROUP_ORDER = Point.Fn.ORDER;
/** Little-endian, as in keys and signatures. */
const GROUP_ORDER_BYTES = littleEndianBytes(GROUP_ORDER);
const FIELD_PRIME_BYTES = littleEndianBytes(Fp.ORDER);

/** DER around a raw 32-byte key (RFC 8410): SubjectPublicKeyInfo and PKCS #8. */
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** y of the eight points of small order, sign bit cleared. */
const SMALL_ORDER_Y = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** u of the X25519 points of low order, canonical encodings. */
const LOW_ORDER_U = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

// Public points come again with every descriptor, and their arithmetic is the dearest part of reading one. Good
// results are kept by the whole input; what is no point is computed, and refused, anew each time.
const points = new RecentMap<true>(8192);
const torsionFree = new RecentMap<boolean>(2048);
const edwardsForms = new RecentMap<Uint8Array>(8192);
const factors = new RecentMap<InstanceType<typeof Point>>(512);
const products = new RecentMap<Uint8Array>(2048);
const verifyingKeys = new RecentMap<KeyObject>(1024);

/** H of the specification: SHA3-256, 32 bytes. */
export function sha3_256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha3-256', parts);
}

/** SHA-256 of the joined parts (FIPS 180-4), 32 bytes. Does not throw. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha256', parts);
}

/** SHA-256 of one string of bytes (FIPS 180-4) as 64 lower-case hexadecimal digits. Does not throw. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** SHA-256 as a string of 32 characters: names long values in a map. */
export function sha256Key(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'binary');
}

/** SHA-512 of the joined parts (FIPS 180-4), 64 bytes. Does not throw. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha512', parts);
}

/** KDF of the specification: the first `length` bytes of SHAKE-256. */
export function shake256(data: Uint8Array, length: number): Uint8Array {
  if (!(isShakeAtOnce ??= hasShakeAtOnce()))
    return plain(createHash('shake256', { outputLength: length }).update(data).digest());
  // A Hash keeps its last block, which may be a secret, until it is collected.
  return plain(hash('shake256', data, { outputEncoding: 'buffer', outputLength: length }));
}

/** Node has the length since 24.4; one of before reads no settings there and throws, or leaves it unread. */
let isShakeAtOnce: boolean | undefined;

function hasShakeAtOnce(): boolean {
  try {
    return hash('shake256', '', { outputEncoding: 'buffer', outputLength: 80 }).length === 80;
  } catch {
    return false;
  }
}

/** STREAM of the specification: AES-256-CTR with a 16-byte initial counter block, big-endian increment. */
export function aes256ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  if (key.length !== 32 || iv.length !== 16) {
    throw new DescriptorError('BAD_LENGTH', 'AES-256-CTR takes a key of 32 bytes and an IV of 16');
  }
  // As a KeyObject: Node finds out that a plain array is none by an exception, ten times as dear as the cipher.
  return plain(createCipheriv('aes-256-ctr', createSecretKey(key), iv).update(data));
}

/**
 * Verifies an Ed25519 signature (RFC 8032, without cofactor) with OpenSSL. Stricter than OpenSSL: R and A must be
 * canonical, S < ℓ, and neither R nor A of small order, so that no signature and no key has a second encoding and
 * the second implementation (noble-verify.ts) gives the same verdict. Does not throw.
 */
export const ed25519Verify: Ed25519Verify = (message, signature, publicKey) => {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  const r = signature.subarray(0, 32);
  if (!isBelow(signature.subarray(32), GROUP_ORDER_BYTES) || !isCanonicalY(r) || isSmallOrder(r))
    return false;
  try {
    const key = verifyingKeys.getOrMake(toKey(publicKey), () => importVerifyingKey(publicKey));
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
};

/** Whether 32 bytes are the canonical encoding of a point on the curve (RFC 8032 §5.1.3). Public data only. */
export function isEd25519Point(bytes: Uint8Array): boolean {
  const name = toKey(bytes);
  if (points.get(name) === true) return true;
  const isPoint = decodePoint(bytes) !== undefined;
  if (isPoint) points.set(name, true);
  return isPoint;
}

/** Whether 32 bytes encode a point whose order divides 8, with either sign. */
export function isSmallOrder(bytes: Uint8Array): boolean {
  return SMALL_ORDER_Y.has(withoutSign(bytes));
}

/** Whether ℓ times the encoded point is the identity (true of the identity too). False for what is no point. */
export function isTorsionFree(bytes: Uint8Array): boolean {
  return torsionFree.getOrMake(toKey(bytes), () => decodePoint(bytes)?.isTorsionFree() ?? false);
}

/**
 * `scalar`·`point` for a public scalar (32 bytes, little-endian, any value) and a public, torsion-free point.
 * Not constant-time: never call it with a secret. Throws BAD_KEY when `point` is no point.
 */
export function multiplyPublicPoint(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  const product = products.getOrMake(`${scalar.length} ${toKey(scalar)}${toKey(point)}`, () => {
    const factor = factors.getOrMake(toKey(point), () => {
      const decoded = decodePoint(point);
      if (decoded !== undefined) return decoded;
      throw new DescriptorError('BAD_KEY', 'the key must be a canonical Ed25519 point');
    });
    const bytes = factor.multiplyUnsafe(littleEndian(scalar) % GROUP_ORDER).toBytes();
    points.set(toKey(bytes), true); // it need not be decoded to be known as one
    return bytes;
  });
  return new Uint8Array(product);
}

/** Whether 32 bytes are a canonical u-coordinate (< p, top bit clear) that is not of low order. */
export function isX25519Public(bytes: Uint8Array): boolean {
  if (bytes.length !== 32 || !isBelow(bytes, FIELD_PRIME_BYTES)) return false;
  return !LOW_ORDER_U.has(hexOf(bytes));
}

/**
 * The Ed25519 form of an X25519 public key: y = (u−1)/(u+1) with the sign bit clear (proposal 228, appendix A).
 * Throws BAD_KEY when the key is not canonical, of low order, or on the twist.
 */
export function montgomeryToEdwards(u: Uint8Array): Uint8Array {
  const edwards = edwardsForms.getOrMake(toKey(u), () => {
    if (isX25519Public(u)) {
      const value = littleEndian(u);
      const y = Fp.toBytes(Fp.div(Fp.sub(value, 1n), Fp.add(value, 1n)));
      if (isEd25519Point(y)) return y;
    }
    throw new DescriptorError(
      'BAD_KEY',
      'the X25519 key must be canonical, on the curve and not of low order',
    );
  });
  return new Uint8Array(edwards);
}

/** The X25519 public key (32 bytes) of a 32-byte private key (RFC 7748 §6.1). Throws BAD_LENGTH. */
export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
  const spki = createPublicKey(importX25519Private(privateKey)).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(SPKI_X25519.length));
}

/**
 * The 32-byte X25519 shared secret (RFC 7748 §6.1). It lies in ordinary memory: overwrite it after use.
 * Throws BAD_LENGTH, and BAD_KEY when the public key is not canonical or of low order.
 */
export function x25519SharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  if (!isX25519Public(publicKey)) {
    throw new DescriptorError('BAD_KEY', 'the X25519 public key must be canonical and not of low order');
  }
  const key = createPublicKey({ key: Buffer.concat([SPKI_X25519, publicKey]), format: 'der', type: 'spki' });
  return plain(diffieHellman({ privateKey: importX25519Private(privateKey), publicKey: key }));
}

function importX25519Private(privateKey: Uint8Array): ReturnType<typeof createPrivateKey> {
  if (privateKey.length !== 32) throw new DescriptorError('BAD_LENGTH', 'an X25519 private key has 32 bytes');
  const der = Buffer.concat([PKCS8_X25519, privateKey]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return plain(hash(algorithm, only, 'buffer'));
  const state = createHash(algorithm);
  for (const part of parts) state.update(part);
  return plain(state.digest());
}

function decodePoint(bytes: Uint8Array): InstanceType<typeof Point> | undefined {
  if (bytes.length !== 32) return undefined;
  try {
    return Point.fromBytes(bytes, false);
  } catch {
    return undefined;
  }
}

/** OpenSSL's form of a key, when it is canonical and not of small order; throws otherwise. */
function importVerifyingKey(publicKey: Uint8Array): KeyObject {
  if (!isCanonicalY(publicKey) || isSmallOrder(publicKey))
    throw new DescriptorError('BAD_KEY', 'the key must be canonical and not of small order');
  return createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: 'der', type: 'spki' });
}

/** Of the 255 bits of y; the sign of x is not looked at. */
function isCanonicalY(bytes: Uint8Array): boolean {
  return isBelow(bytes, FIELD_PRIME_BYTES, 0x7f);
}

/** Whether one little-endian number is below another of the same length; public data only. */
function isBelow(bytes: Uint8Array, limit: Uint8Array, topMask = 0xff): boolean {
  for (let at = limit.length - 1; at >= 0; at--) {
    const digit = (bytes[at] ?? 0) & (at === limit.length - 1 ? topMask : 0xff);
    const bound = limit[at] ?? 0;
    if (digit !== bound) return digit < bound;
  }
  return false;
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

function littleEndianBytes(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse());
}

function withoutSign(bytes: Uint8Array): string {
  const copy = Buffer.from(bytes);
  if (copy.length === 32) copy[31] = (copy[31] ?? 0) & 0x7f;
  return copy.toString('hex');
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** A Buffer's bytes as a plain Uint8Array, not copied. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
