import { ctr } from '@noble/ciphers/aes.js';
import { ED25519_TORSION_SUBGROUP, ed25519, x25519 } from '@noble/curves/ed25519.js';
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import { sha3_256 as nobleSha3, shake256 as nobleShake } from '@noble/hashes/sha3.js';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, concat, fromHex, toHex, u64be } from '../../src/descriptor/bytes.ts';
import { nobleVerify } from '../../src/descriptor/noble-verify.ts';
import * as p from '../../src/descriptor/primitives.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import blinding from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const { Point } = ed25519;
const L = Point.Fn.ORDER;
const P = 2n ** 255n - 19n;
const verifiers = [
  ['OpenSSL', p.ed25519Verify],
  ['@noble', nobleVerify],
] as const;
const le = (value: bigint) => fromHex(value.toString(16).padStart(64, '0')).reverse();
const number = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes.toReversed())}`);
const key32 = () => fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('hashes and cipher', () => {
  test('SHA3-256 and SHAKE-256 give their published values', () => {
    expect(toHex(p.sha3_256(asciiBytes('abc')))).toBe(
      '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532',
    );
    expect(toHex(p.shake256(asciiBytes('abc'), 32))).toBe(
      '483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739',
    );
  });

  // arti, crates/tor-hscrypto/src/ops.rs: the MAC of the layers
  test('H(length | key | message) is the MAC of the specification', () => {
    const key = asciiBytes("i'm from the past talking to the future.");
    const message = asciiBytes('i am in a library somewhere using my computer');
    expect(toHex(p.sha3_256(u64be(key.length), key, message))).toBe(
      '753fba6d87d49497238a512a3772dd291e55f7d1cd332c9fb5c967c7a10a13ca',
    );
  });

  test('they agree with @noble for any input, in one piece or several', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), fc.integer({ min: 1, max: 200 }), (x, y, length) => {
        const whole = concat(x, y);
        expect(p.sha3_256(whole)).toEqual(nobleSha3(whole));
        expect(p.sha3_256(x, y)).toEqual(nobleSha3(whole));
        expect(p.sha256(x, y)).toEqual(nobleSha256(whole));
        expect(p.sha512(x, y)).toEqual(nobleSha512(whole));
        expect(p.shake256(whole, length)).toEqual(nobleShake(whole, { dkLen: length }));
      }),
    );
  });

  test('AES-256-CTR agrees with @noble and is its own inverse', () => {
    const block = () => fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(key32(), block(), fc.uint8Array(), (key, iv, data) => {
        const out = p.aes256ctr(key, iv, data);
        expect(out).toEqual(ctr(key, iv).encrypt(data));
        expect(p.aes256ctr(key, iv, out)).toEqual(data);
      }),
    );
  });

  test('AES-256-CTR takes a key of 32 bytes and an IV of 16', () => {
    expect(p.aes256ctr(new Uint8Array(32), new Uint8Array(16), new Uint8Array(0))).toHaveLength(0);
    expectRefusal('BAD_LENGTH', () => p.aes256ctr(new Uint8Array(16), new Uint8Array(16), new Uint8Array(1)));
    expectRefusal('BAD_LENGTH', () => p.aes256ctr(new Uint8Array(32), new Uint8Array(12), new Uint8Array(1)));
  });

  test('results are plain byte arrays', () => {
    for (const bytes of [
      p.sha3_256(u64be(1)),
      p.shake256(u64be(1), 8),
      p.x25519PublicKey(new Uint8Array(32)),
    ]) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    }
  });
});

/** A signature that a key's owner can make with any R, A and scalar of his choice: S = r + k·a. */
function forge(options: { r: bigint; a: bigint; R?: Uint8Array; A?: Uint8Array; message?: Uint8Array }) {
  const { r, a, message = asciiBytes('message') } = options;
  const R = options.R ?? Point.BASE.multiplyUnsafe(r % L).toBytes();
  const A = options.A ?? Point.BASE.multiplyUnsafe(a % L).toBytes();
  const k = number(p.sha512(R, A, message)) % L;
  return { message, signature: concat(R, le((r + k * a) % L)), publicKey: A };
}

describe.each(verifiers)('Ed25519 verification by %s', (_name, verify) => {
  test('the signatures of the public vectors verify, and no other bytes do', () => {
    for (const { publicKey, selfSignature } of blinding.vectors) {
      const [key, signature] = [fromHex(publicKey), fromHex(selfSignature)];
      expect(verify(key, signature, key)).toBe(true);
      expect(verify(concat(key, Uint8Array.of(0)), signature, key)).toBe(false);
      expect(verify(key, signature.with(0, (signature[0] ?? 0) ^ 1), key)).toBe(false);
      expect(verify(key, signature.with(40, (signature[40] ?? 0) ^ 1), key)).toBe(false);
    }
  });

  test('a signature by a blinded key verifies', () => {
    const signature = fromHex(chain.emptyMessageSignature);
    expect(verify(new Uint8Array(0), signature, fromHex(chain.kpHsBlindId))).toBe(true);
    expect(verify(new Uint8Array(0), signature, fromHex(chain.kpHsId))).toBe(false);
  });

  test('other lengths are false, not an error', () => {
    const { message, signature, publicKey } = forge({ r: 5n, a: 7n });
    expect(verify(message, signature, publicKey)).toBe(true);
    expect(verify(message, signature.subarray(1), publicKey)).toBe(false);
    expect(verify(message, concat(signature, Uint8Array.of(0)), publicKey)).toBe(false);
    expect(verify(message, signature, publicKey.subarray(1))).toBe(false);
    expect(verify(message, new Uint8Array(0), new Uint8Array(0))).toBe(false);
  });

  test('S is taken below the group order only', () => {
    const { message, signature, publicKey } = forge({ r: 5n, a: 7n });
    const s = number(signature.subarray(32));
    expect(verify(message, signature, publicKey)).toBe(true);
    for (const other of [s + L, s + 2n * L]) {
      expect(verify(message, concat(signature.subarray(0, 32), le(other)), publicKey)).toBe(false);
    }
  });

  test('a key of small order verifies nothing', () => {
    for (const hex of ED25519_TORSION_SUBGROUP) {
      for (let message = 0; message < 16; message++) {
        const made = forge({ r: 5n, a: 0n, A: fromHex(hex), message: Uint8Array.of(message) });
        expect(verify(made.message, made.signature, made.publicKey)).toBe(false);
      }
    }
  });

  test('R is taken in its canonical encoding only', () => {
    // y = p + 3 and y = p + 4 encode the points with y = 3 and y = 4 a second time.
    const found = [3n, 4n, 5n, 6n].filter(y => p.isEd25519Point(le(y)));
    expect(found).not.toEqual([]);
    for (const y of found) {
      const other = forge({ r: 5n, a: 7n, R: le(P + y) });
      expect(verify(other.message, other.signature, other.publicKey)).toBe(false);
    }
  });

  test('an R of small order is refused in each encoding, although the equation holds for the identity', () => {
    const encodings = [...ED25519_TORSION_SUBGROUP.map(fromHex), le(P + 1n), le(1n + 2n ** 255n)];
    expect(toHex(forge({ r: 0n, a: 7n }).signature.subarray(0, 32))).toBe(toHex(le(1n)));
    for (const R of encodings) {
      const made = forge({ r: 0n, a: 7n, R });
      expect(verify(made.message, made.signature, made.publicKey)).toBe(false);
    }
    const control = forge({ r: 1n, a: 7n });
    expect(verify(control.message, control.signature, control.publicKey)).toBe(true);
  });

  test('A is taken in its canonical encoding only', () => {
    for (const A of [le(P + 1n), le(P), le(P - 1n + 2n ** 255n), le(P + 3n), le(2n)]) {
      const other = forge({ r: 5n, a: 0n, A });
      expect(verify(other.message, other.signature, other.publicKey)).toBe(false);
    }
  });

  test('a torsion part in R is refused', () => {
    for (const hex of ED25519_TORSION_SUBGROUP.filter(point => toHex(le(1n)) !== point)) {
      const R = Point.BASE.multiplyUnsafe(5n).add(Point.fromHex(hex)).toBytes();
      const made = forge({ r: 5n, a: 7n, R });
      expect(verify(made.message, made.signature, made.publicKey)).toBe(false);
    }
  });
});

test('OpenSSL and @noble give one verdict on keys with a torsion part', () => {
  const [, torsion] = ED25519_TORSION_SUBGROUP;
  if (torsion === undefined) throw new Error('no torsion point');
  const A = Point.BASE.multiplyUnsafe(7n).add(Point.fromHex(torsion)).toBytes();
  const verdicts = Array.from({ length: 64 }, (_, message) => {
    const made = forge({ r: 5n, a: 7n, A, message: Uint8Array.of(message) });
    const verdict = p.ed25519Verify(made.message, made.signature, made.publicKey);
    expect(nobleVerify(made.message, made.signature, made.publicKey)).toBe(verdict);
    return verdict;
  });
  expect(new Set(verdicts)).toEqual(new Set([true, false]));
});

test('OpenSSL and @noble give one verdict on altered signatures', () => {
  fc.assert(
    fc.property(key32(), fc.uint8Array(), fc.nat(63), fc.nat(255), (seed, message, place, mask) => {
      const publicKey = ed25519.getPublicKey(seed);
      const signature = ed25519.sign(message, seed);
      const altered = signature.with(place, (signature[place] ?? 0) ^ mask);
      expect(p.ed25519Verify(message, altered, publicKey)).toBe(mask === 0);
      expect(nobleVerify(message, altered, publicKey)).toBe(mask === 0);
    }),
    { numRuns: 40 },
  );
});

describe('points', () => {
  test('the points of small order are all known', () => {
    for (const hex of ED25519_TORSION_SUBGROUP) {
      expect(p.isSmallOrder(fromHex(hex))).toBe(true);
      expect(p.isEd25519Point(fromHex(hex))).toBe(true);
    }
    expect(p.isSmallOrder(Point.BASE.toBytes())).toBe(false);
    expect(p.isSmallOrder(new Uint8Array(31))).toBe(false);
  });

  test('only points of the prime-order group, and the identity element, are torsion-free', () => {
    expect(p.isTorsionFree(Point.BASE.toBytes())).toBe(true);
    expect(p.isTorsionFree(le(1n))).toBe(true);
    expect(p.isTorsionFree(le(0n))).toBe(false);
    expect(p.isTorsionFree(le(2n))).toBe(false);
  });

  test('a public product takes any 32-byte scalar and only a point', () => {
    const base = Point.BASE.toBytes();
    expect(p.multiplyPublicPoint(le(1n), base)).toEqual(base);
    expect(p.multiplyPublicPoint(le(L + 1n), base)).toEqual(base);
    expect(p.multiplyPublicPoint(le(L), base)).toEqual(le(1n));
    expectRefusal('BAD_KEY', () => p.multiplyPublicPoint(le(1n), le(2n)));
    expectRefusal('BAD_KEY', () => p.multiplyPublicPoint(le(1n), new Uint8Array(31)));
    p.multiplyPublicPoint(le(1n), base).fill(0);
    expect(p.multiplyPublicPoint(le(1n), base)).toEqual(base);
  });
});

describe('X25519', () => {
  test('keys and shared secrets agree with @noble, from both sides', () => {
    fc.assert(
      fc.property(key32(), key32(), (mine, theirs) => {
        const [myKey, theirKey] = [p.x25519PublicKey(mine), p.x25519PublicKey(theirs)];
        expect(myKey).toEqual(x25519.getPublicKey(mine));
        const secret = p.x25519SharedSecret(mine, theirKey);
        expect(secret).toEqual(x25519.getSharedSecret(mine, theirKey));
        expect(p.x25519SharedSecret(theirs, myKey)).toEqual(secret);
      }),
      { numRuns: 20 },
    );
  });

  test('every public key that @noble multiplies to zero is known to be of low order', () => {
    const lowOrder = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ];
    for (const hex of lowOrder) {
      expect(p.isX25519Public(fromHex(hex))).toBe(false);
      expect(() => x25519.getSharedSecret(new Uint8Array(32).fill(2), fromHex(hex))).toThrow();
      expectRefusal('BAD_KEY', () => p.x25519SharedSecret(new Uint8Array(32).fill(2), fromHex(hex)));
    }
  });

  test('a private key has 32 bytes', () => {
    expect(toHex(p.x25519PublicKey(new Uint8Array(32).fill(2)))).toBe(chain.x25519PublicKey);
    expectRefusal('BAD_LENGTH', () => p.x25519PublicKey(new Uint8Array(31)));
    expectRefusal('BAD_LENGTH', () =>
      p.x25519SharedSecret(new Uint8Array(33), fromHex(chain.x25519PublicKey)),
    );
  });
});
