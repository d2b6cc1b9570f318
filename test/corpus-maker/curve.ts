// Points and signatures that no honest program makes.

import { ed25519 } from '@noble/curves/ed25519.js';
import { concat } from '../../src/descriptor/bytes.ts';
import { type Bytes, sha512 } from '../../src/descriptor/index.ts';

const { Point } = ed25519;
/** ℓ, the order of the base point. */
export const ORDER = Point.Fn.ORDER;

/** Numbers below 2^256, 32 bytes. */
export function littleEndianBytes(value: bigint): Bytes {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse());
}

export function littleEndian(bytes: Bytes): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

const MIXED = Point.fromBytes(littleEndianBytes(3n));
/** A point of order 8: ℓ times a point of no subgroup. */
export const TORSION = MIXED.multiplyUnsafe(ORDER - 1n).add(MIXED);

/** Canonical encodings of the eight points whose order divides 8, the identity first. */
export const SMALL_ORDER: readonly Bytes[] = Array.from({ length: 8 }, (_, i) =>
  (i === 0 ? Point.ZERO : TORSION.multiplyUnsafe(BigInt(i))).toBytes(),
);

/** The point with the one of order 8 added. */
export function withTorsion(point: Bytes): Bytes {
  return Point.fromBytes(point).add(TORSION).toBytes();
}

/** What a signature is made of: the equation S·B = R + k·A holds up to what is added to R and A. */
export interface RawSignature {
  readonly secret: bigint;
  readonly nonce: bigint;
  readonly message: Bytes;
  readonly torsionInR?: boolean;
  readonly torsionInA?: boolean;
}

/** Public key (32 bytes), signature (64) and k, for a signer that is free to choose everything. */
export function rawSignature({ secret, nonce, message, torsionInR, torsionInA }: RawSignature): {
  readonly publicKey: Bytes;
  readonly signature: Bytes;
  readonly k: bigint;
} {
  const plain = (scalar: bigint): Bytes => Point.BASE.multiply(scalar).toBytes();
  const r = torsionInR === true ? withTorsion(plain(nonce)) : plain(nonce);
  const publicKey = torsionInA === true ? withTorsion(plain(secret)) : plain(secret);
  const k = littleEndian(sha512(r, publicKey, message)) % ORDER;
  const s = (nonce + k * secret) % ORDER;
  return { publicKey, signature: concat(r, littleEndianBytes(s)), k };
}

/** S + ℓ at the end of a signature (64 bytes), or of what ends with one: a second text of it. */
export function withOrderAdded(signed: Bytes): Bytes {
  const at = signed.length - 32;
  return concat(signed.subarray(0, at), littleEndianBytes(littleEndian(signed.subarray(at)) + ORDER));
}
