import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, encodeBase32, encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import * as s from '../../src/descriptor/secret-text.ts';

const bytes = fc.uint8Array({ maxLength: 100 });

describe.each([
  ['base64', s.encodeBase64Into, s.decodeBase64Into, encodeBase64Unpadded, /[A-Za-z0-9+/]/],
  ['base32', s.encodeBase32Into, s.decodeBase32Into, encodeBase32, /[A-Za-z2-7]/],
] as const)('%s from buffer to buffer', (name, encodeInto, decodeInto, encode, alphabet) => {
  const digitsOf = (data: Uint8Array) => asciiBytes(encode(data));

  test('writes what the function for strings writes, and reads it back', () => {
    fc.assert(
      fc.property(bytes, data => {
        const digits = new Uint8Array(digitsOf(data).length);
        encodeInto(digits, data);
        expect(digits).toEqual(digitsOf(data));
        const out = new Uint8Array(data.length);
        expect(decodeInto(out, digits)).toBe(true);
        expect(out).toEqual(data);
      }),
    );
  });

  test('takes exactly its digits, at every place', () => {
    const data = Uint8Array.from({ length: 30 }, (_, i) => i * 9);
    const good = digitsOf(data);
    for (let at = 0; at < good.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const isDigit = alphabet.test(String.fromCharCode(byte));
        expect(decodeInto(new Uint8Array(30), good.with(at, byte))).toBe(isDigit);
      }
    }
  });

  test('refuses set bits beyond the last byte, a digit too many, and another length', () => {
    const data = new Uint8Array(name === 'base64' ? 31 : 32).fill(0xff);
    const good = digitsOf(data);
    const out = new Uint8Array(data.length);
    expect(decodeInto(out, good)).toBe(true);
    const last = good[good.length - 1] ?? 0;
    expect(decodeInto(out, good.with(good.length - 1, last + 1))).toBe(false);
    expect(decodeInto(out, good.subarray(1))).toBe(false);
    expect(decodeInto(out, asciiBytes(`${encode(data)}A`))).toBe(false);
    expect(decodeInto(out.subarray(1), good)).toBe(false);
    expect(decodeInto(new Uint8Array(data.length + 1), good)).toBe(false);
  });
});

test('base32 is read in either case, as tor reads it', () => {
  const out = new Uint8Array(5);
  expect(s.decodeBase32Into(out, asciiBytes('MZXW6YTB'))).toBe(true);
  expect(out).toEqual(asciiBytes('fooba'));
  expect(s.decodeBase32Into(out, asciiBytes('mzxw6ytb'))).toBe(true);
  expect(out).toEqual(asciiBytes('fooba'));
});
