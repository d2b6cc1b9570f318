import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import * as blinding from '../../src/descriptor/blinding.ts';
import { fromHex, toHex } from '../../src/descriptor/bytes.ts';
import { parseKpHsBlindId, parseKpHsId } from '../../src/descriptor/keys.ts';
import { multiplyPublicPoint } from '../../src/descriptor/primitives.ts';
import { TOR_NETWORK, testNetwork, timePeriod } from '../../src/descriptor/time.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import raw from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const number = (hex: string) => BigInt(`0x${toHex(fromHex(hex).reverse())}`);

describe('blinding', () => {
  // tor, src/test/test_hs_common.c test_blinding_basics; arti, crates/tor-hscrypto/src/pk.rs key_blinding_testvec
  test('the chain of period 1234 is that of tor and arti', () => {
    const kpHsId = parseKpHsId(fromHex('833990b085c1a688c1d4c8b1f6b56afaf5a2eca674449e1d704f83765ccb7bc6'));
    const period = timePeriod(TOR_NETWORK, 1234);
    expect(toHex(blinding.blindingParam(kpHsId, period))).toBe(
      '379e50db31fee6775abd0af6fb7c371e060308f4f847db09fe4cfe13af602287',
    );
    const kpHsBlindId = blinding.deriveKpHsBlindId(kpHsId, period);
    expect(toHex(kpHsBlindId)).toBe('3a50bf210e8f9ee955ae0014f7a6917fb65ebf098a86305abb508d1a7291b6d5');
    expect(toHex(blinding.deriveSubcredential(kpHsId, kpHsBlindId))).toBe(
      '635d55907816e8d76398a675a50b1c2f3e36b42a5ca77ba3a0441285161ae07d',
    );
  });

  test('our own chain is reproduced from address to subcredential', () => {
    const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
    const period = timePeriod(TOR_NETWORK, chain.periodNum);
    const h = blinding.blindingParam(kpHsId, period);
    expect(toHex(h)).toBe(chain.blindingParam);
    expect(toHex(blinding.clampTweak(h))).toBe(chain.tweak);
    const kpHsBlindId = blinding.deriveKpHsBlindId(kpHsId, period);
    expect(toHex(kpHsBlindId)).toBe(chain.kpHsBlindId);
    expect(toHex(blinding.deriveCredential(kpHsId))).toBe(chain.nHsCred);
    expect(toHex(blinding.deriveSubcredential(kpHsId, kpHsBlindId))).toBe(chain.nHsSubcred);
  });

  // arti, crates/tor-netdoc/testdata/hsdesc2.txt
  test('the chain of period 19397 is that of a descriptor made by tor', () => {
    const kpHsId = parseKpHsId(fromHex('781d978ce6ce9caa8bca306f53e82d2c993e5c91346625f1c151dcfc56d753d3'));
    const period = timePeriod(TOR_NETWORK, 19397);
    expect(toHex(blinding.blindingParam(kpHsId, period))).toBe(
      'f073914e25dfe86d0933ecab710e2c740e6e18df75c24a7f8ace2b4b2dc5aded',
    );
    const kpHsBlindId = blinding.deriveKpHsBlindId(kpHsId, period);
    expect(toHex(kpHsBlindId)).toBe('706628758208395d461aa0f460a5e76e7b828c66b5e794768592b451302e961d');
    expect(toHex(blinding.deriveSubcredential(kpHsId, kpHsBlindId))).toBe(
      '24a133e905102bda9a6afe57f901366a1b8281865a91f1fe0853e4b50cc8b070',
    );
  });

  test.each(raw.vectors)('the public key $publicKey is blinded as tor does', vector => {
    const tweak = blinding.clampTweak(fromHex(vector.blindingParam));
    const blinded = multiplyPublicPoint(tweak, fromHex(vector.publicKey));
    expect(toHex(blinded)).toBe(vector.blindedPublicKey);
  });

  test.each([...raw.vectors, chain])('the product of points equals the product of scalars', vector => {
    const scalar = number(vector.blindedSecret.slice(0, 64));
    const expected = 'kpHsBlindId' in vector ? vector.kpHsBlindId : vector.blindedPublicKey;
    expect(ed25519.Point.BASE.multiply(scalar).toHex()).toBe(expected);
  });

  test('period number, period length and identity each change the blinded key', () => {
    const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
    const other = parseKpHsId(fromHex(raw.vectors[0]?.publicKey ?? ''));
    const keys = [
      blinding.deriveKpHsBlindId(kpHsId, timePeriod(TOR_NETWORK, 4)),
      blinding.deriveKpHsBlindId(kpHsId, timePeriod(TOR_NETWORK, 5)),
      blinding.deriveKpHsBlindId(kpHsId, timePeriod(testNetwork('x', 10), 4)),
      blinding.deriveKpHsBlindId(other, timePeriod(TOR_NETWORK, 4)),
    ];
    expect(new Set(keys.map(toHex)).size).toBe(4);
    for (const key of keys) expect(parseKpHsBlindId(key)).toEqual(key);
  });

  test('a tweak is a clamped copy of 32 bytes', () => {
    const ones = new Uint8Array(32).fill(0xff);
    const tweak = blinding.clampTweak(ones);
    expect([tweak[0], tweak[1], tweak[31]]).toEqual([0xf8, 0xff, 0x7f]);
    expect(blinding.clampTweak(new Uint8Array(32))[31]).toBe(0x40);
    expect(ones[0]).toBe(0xff);
    expectRefusal('BAD_LENGTH', () => blinding.clampTweak(new Uint8Array(31)));
    expectRefusal('BAD_LENGTH', () => blinding.clampTweak(new Uint8Array(33)));
  });
});
