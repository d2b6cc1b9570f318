import * as noble from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import type { Ed25519Verify } from './primitives.ts';

noble.hashes.sha512 = sha512;

/**
 * The second implementation of Ed25519 verification: @noble alone, strict encodings (`zip215: false`).
 * @noble multiplies by the cofactor, which accepts signatures whose R or A has a torsion part; tor and OpenSSL do
 * not; and OpenSSL refuses an R of small order. Both are asked as well, the first as the exact equation
 * S·B = R + k·A, so that the two implementations give one verdict (RFC 8032 §5.1.7). Does not throw.
 */
export const nobleVerify: Ed25519Verify = (message, signature, publicKey) => {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  if (!noble.verify(signature, message, publicKey, { zip215: false })) return false;
  const r = noble.Point.fromBytes(signature.subarray(0, 32));
  if (r.isSmallOrder()) return false;
  const a = noble.Point.fromBytes(publicKey);
  const s = littleEndian(signature.subarray(32));
  const challenge = sha512(noble.etc.concatBytes(signature.subarray(0, 32), publicKey, message));
  const k = noble.etc.mod(littleEndian(challenge), noble.Point.CURVE().n);
  return noble.Point.BASE.multiply(s, false).equals(r.add(a.multiply(k, false)));
};

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${noble.etc.bytesToHex(bytes.toReversed())}`);
}
