import { describe, expect, it } from 'vitest';
import { type Ed25519Verify, createCachingVerify, ed25519Verify } from '../../src/descriptor/index.ts';
import { ed25519Pair, noise } from './forge.ts';

const signer = ed25519Pair('caching verify');
const body = noise('a certificate', 76);
const signature = signer.sign(body);

/** A caching verifier, and how often it asked the one behind it. */
function counted(): { verify: Ed25519Verify; asked: () => number } {
  let count = 0;
  const verify = createCachingVerify((...input) => {
    count += 1;
    return ed25519Verify(...input);
  });
  return { verify, asked: () => count };
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

describe('verdicts on certificates are remembered', () => {
  it('the same bytes are verified once', () => {
    const { verify, asked } = counted();
    expect([verify(body, signature, signer.publicKey), verify(body, signature, signer.publicKey)]).toEqual([
      true,
      true,
    ]);
    expect(asked()).toBe(1);
  });

  it('a change of any bit of body, signature or key is verified, and refused', () => {
    const { verify, asked } = counted();
    expect(verify(body, signature, signer.publicKey)).toBe(true);
    for (let at = 0; at < 76; at++)
      expect(verify(flipped(body, at), signature, signer.publicKey)).toBe(false);
    for (let at = 0; at < 64; at++)
      expect(verify(body, flipped(signature, at), signer.publicKey)).toBe(false);
    for (let at = 0; at < 32; at++)
      expect(verify(body, signature, flipped(signer.publicKey, at))).toBe(false);
    expect(asked()).toBe(1 + 76 + 64 + 32);
  });

  it('a bad verdict is not remembered', () => {
    const { verify, asked } = counted();
    const bad = flipped(signature, 0);
    expect([verify(body, bad, signer.publicKey), verify(body, bad, signer.publicKey)]).toEqual([
      false,
      false,
    ]);
    expect(asked()).toBe(2);
  });

  it('bytes that move from one input to another are another input', () => {
    const { verify, asked } = counted();
    expect(verify(body, signature, signer.publicKey)).toBe(true);
    const shifted = Uint8Array.from([...signature.subarray(63), ...body]);
    expect(verify(shifted, signature.subarray(0, 63), signer.publicKey)).toBe(false);
    expect(asked()).toBe(2);
  });

  it('the signature of a longer message, such as a whole descriptor, is verified each time', () => {
    const { verify, asked } = counted();
    const text = noise('a descriptor', 77);
    const own = signer.sign(text);
    expect([verify(text, own, signer.publicKey), verify(text, own, signer.publicKey)]).toEqual([true, true]);
    expect(asked()).toBe(2);
  });
});
