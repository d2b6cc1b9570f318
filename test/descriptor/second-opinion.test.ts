import { describe, expect, test } from 'vitest';
import { OPENSSL_OPENING } from '../../src/descriptor/open.ts';
import { NOBLE_OPENING, openDescriptorWithNoble } from '../../src/descriptor/second-opinion.ts';
import { parseKpHssNtor } from '../../src/descriptor/keys.ts';
import { x25519PublicKey } from '../../src/descriptor/primitives.ts';
import { TOR_NETWORK, timePeriod } from '../../src/descriptor/time.ts';
import { expectRefusal } from './expect-refusal.ts';
import { PERIOD, ed25519Pair, forge, identity, noise } from './forge.ts';

describe('the second implementation agrees with the first', () => {
  const sizes = [0, 1, 15, 16, 17, 135, 136, 137, 1000, 30_000];

  test('on hashes, with the input in one part or several', () => {
    for (const size of sizes) {
      const [a, b] = [noise('a', size), noise('b', 33)];
      expect(NOBLE_OPENING.sha3_256(a, b)).toEqual(OPENSSL_OPENING.sha3_256(a, b));
      expect(NOBLE_OPENING.sha3_256(a)).toEqual(OPENSSL_OPENING.sha3_256(a));
      expect(NOBLE_OPENING.shake256(a, 80)).toEqual(OPENSSL_OPENING.shake256(a, 80));
    }
  });

  test('on the cipher, also where the counter block overflows', () => {
    const key = noise('key', 32);
    for (const iv of [noise('iv', 16), new Uint8Array(16).fill(255)]) {
      for (const size of sizes) {
        const data = noise('data', size);
        expect(NOBLE_OPENING.aes256ctr(key, iv, data)).toEqual(OPENSSL_OPENING.aes256ctr(key, iv, data));
      }
    }
  });

  test('on signatures', () => {
    const pair = ed25519Pair('pair');
    for (const size of sizes) {
      const message = noise('message', size);
      const signature = pair.sign(message);
      for (const verify of [NOBLE_OPENING.verify, OPENSSL_OPENING.verify]) {
        expect(verify(message, signature, pair.publicKey)).toBe(true);
        expect(verify(noise('other', 10), signature, pair.publicKey)).toBe(false);
      }
    }
  });

  test('on blinded keys and subcredentials', () => {
    for (let i = 0; i < 20; i++) {
      const { kpHsId } = identity(`identity ${i}`);
      const period = timePeriod(TOR_NETWORK, 20_000 + i);
      const kpHsBlindId = OPENSSL_OPENING.deriveKpHsBlindId(kpHsId, period);
      expect(NOBLE_OPENING.deriveKpHsBlindId(kpHsId, period)).toEqual(kpHsBlindId);
      expect(NOBLE_OPENING.deriveSubcredential(kpHsId, kpHsBlindId)).toEqual(
        OPENSSL_OPENING.deriveSubcredential(kpHsId, kpHsBlindId),
      );
    }
  });

  test('on the Ed25519 form of enc-keys, those on the twist included', () => {
    let twisted = 0;
    for (let i = 0; i < 40; i++) {
      // Clearing the top bit makes most strings of 32 bytes a u-coordinate; half of them lie on the twist.
      const key =
        i < 10
          ? x25519PublicKey(noise(`enc ${i}`, 32))
          : noise(`u ${i}`, 32).map((b, at) => (at === 31 ? b & 0x7f : b));
      const encKey = parseKpHssNtor(key);
      try {
        expect(NOBLE_OPENING.x25519ToEd25519(encKey)).toEqual(OPENSSL_OPENING.x25519ToEd25519(encKey));
      } catch {
        twisted++;
        for (const crypto of [NOBLE_OPENING, OPENSSL_OPENING]) {
          expectRefusal('BAD_KEY', () => crypto.x25519ToEd25519(encKey));
        }
      }
    }
    expect(twisted).toBeGreaterThan(5);
    expect(twisted).toBeLessThan(25);
  });
});

test('the verifier that the first implementation is given does not reach the second', () => {
  const { text, kpHsId } = forge({ signDescriptor: ed25519Pair('stranger').sign });
  const options = { kpHsId, periods: [PERIOD], verify: () => true };
  expectRefusal('BAD_SIGNATURE', () => openDescriptorWithNoble(text, options));
  expect(openDescriptorWithNoble(forge().text, { ...options, verify: () => false }).period).toEqual(PERIOD);
});
