import { CustodyError } from './error.ts';
import { sha256Into, withScratch } from './locked-memory.ts';

/** HMAC-SHA-256 (RFC 2104) of the parts in a row into `out` (32 bytes), key of any length. */
export function hmacSha256Into(out: Uint8Array, key: Uint8Array, ...parts: readonly Uint8Array[]): void {
  withScratch(64 + 64 + 32, scratch => {
    const block = scratch.subarray(0, 64);
    const pad = scratch.subarray(64, 128);
    const inner = scratch.subarray(128, 160);
    if (key.length > 64) sha256Into(block.subarray(0, 32), key);
    else block.set(key);
    for (const [i, byte] of block.entries()) pad[i] = byte ^ 0x36;
    sha256Into(inner, pad, ...parts);
    for (const [i, byte] of block.entries()) pad[i] = byte ^ 0x5c;
    sha256Into(out, pad, inner);
  });
}

/** HKDF-SHA-256 (RFC 5869), extract and one block of expand: `out` is at most 32 bytes. */
export function hkdfSha256Into(out: Uint8Array, ikm: Uint8Array, salt: Uint8Array, info: Uint8Array): void {
  if (out.length > 32) throw new CustodyError('CRYPTO');
  withScratch(64, scratch => {
    const prk = scratch.subarray(0, 32);
    const block = scratch.subarray(32, 64);
    hmacSha256Into(prk, salt, ikm);
    hmacSha256Into(block, prk, info, Uint8Array.of(1));
    out.set(block.subarray(0, out.length));
  });
}
