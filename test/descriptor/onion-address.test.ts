import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, decodeBase32, encodeBase32, fromHex, toHex } from '../../src/descriptor/bytes.ts';
import { parseKpHsId } from '../../src/descriptor/keys.ts';
import { formatOnionAddress, parseOnionAddress } from '../../src/descriptor/onion-address.ts';
import { sha3_256 } from '../../src/descriptor/primitives.ts';
import blinding from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const GOOD = '25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid';

function addressOf(key: Uint8Array, version = 3): string {
  const sum = sha3_256(new TextEncoder().encode('.onion checksum'), key, Uint8Array.of(version));
  return encodeBase32(concat(key, sum.subarray(0, 2), Uint8Array.of(version)));
}

describe('onion addresses', () => {
  test.each([
    // tor, src/test/test_hs_common.c test_build_address
    ['d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', GOOD],
    // stem, test/unit/descriptor/hidden_service_v3.py
    [
      '92e680fa57552e7d484c9d2a3edb46fbc076e54ea90b77bb84e3e6d5657d52a1',
      'sltib6sxkuxh2scmtuvd5w2g7pahnzkovefxpo4e4ptnkzl5kkq5h2ad',
    ],
    // arti, crates/tor-keymgr/testdata/tor-service
    [
      'cd4eb1cbf39e2fd0d4a52231b22edbf986bc3b0e4a180f4a97f5239415ecb6f7',
      'zvhlds7ttyx5bvffeiy3elw37gdlyoyojima6sux6urzifpmw334cpid',
    ],
    [chain.kpHsId, chain.address],
  ])('the key %s has the address %s', (key, address) => {
    expect(formatOnionAddress(parseKpHsId(fromHex(key)))).toBe(`${address}.onion`);
    expect(toHex(parseOnionAddress(address))).toBe(key);
    expect(toHex(parseOnionAddress(`${address}.onion`))).toBe(key);
  });

  // tor, src/test/test_hs_common.c test_validate_address
  test.each([
    'l5satjgud6gucryazcyvyvhuxhr74u6ygigiuyixe3a6ysis67ororad',
    'btojiu7nu5y5iwut64eufevogqdw4wmqzugnoluw232r4t3ecsfv37ad',
  ])('an address with another checksum is refused: %s', text => {
    expectRefusal('BAD_ADDRESS', () => parseOnionAddress(text));
  });

  test.each([
    ['upper case', GOOD.toUpperCase()],
    ['a character too few', GOOD.slice(1)],
    ['a character too many', `a${GOOD}`],
    ['a name before it', `www.${GOOD}.onion`],
    ['a dot after it', `${GOOD}.onion.`],
    ['a suffix twice', `${GOOD}.onion.onion`],
    ['white space', `${GOOD}\n`],
    ['a digit that base32 lacks', `1${GOOD.slice(1)}`],
    ['nothing', ''],
  ])('an address with %s is refused', (_what, text) => {
    expectRefusal('BAD_ADDRESS', () => parseOnionAddress(text));
  });

  test('an address of another version is refused although its checksum matches', () => {
    const key = decodeBase32(GOOD).subarray(0, 32);
    expect(addressOf(key)).toBe(GOOD);
    expectRefusal('BAD_ADDRESS', () => parseOnionAddress(addressOf(key, 2)));
  });

  test('an address of a key that is no identity is refused although its checksum matches', () => {
    const identityElement = fromHex(`01${'00'.repeat(31)}`);
    const refusal = expectRefusal('BAD_ADDRESS', () => parseOnionAddress(addressOf(identityElement)));
    expect(refusal.cause).toMatchObject({ code: 'BAD_KEY' });
  });

  test('one wrong character anywhere is refused', () => {
    const other = fc.tuple(fc.nat(55), fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyz234567')));
    fc.assert(
      fc.property(other, ([place, digit]) => {
        fc.pre(GOOD[place] !== digit);
        const text = GOOD.slice(0, place) + digit + GOOD.slice(place + 1);
        expectRefusal('BAD_ADDRESS', () => parseOnionAddress(text));
      }),
    );
  });

  test('what is formatted is read back', () => {
    for (const { publicKey } of blinding.vectors) {
      const key = parseKpHsId(fromHex(publicKey));
      expect(parseOnionAddress(formatOnionAddress(key))).toEqual(key);
    }
  });

  test('no message repeats the address', () => {
    const refusal = expectRefusal('BAD_ADDRESS', () => parseOnionAddress(`${GOOD.slice(0, 55)}a`));
    expect(refusal.message).not.toContain(GOOD.slice(0, 8));
  });
});
