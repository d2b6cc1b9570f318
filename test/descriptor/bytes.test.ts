import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as b from '../../src/descriptor/bytes.ts';
import { expectRefusal } from './expect-refusal.ts';

const anyBytes = () => fc.uint8Array({ maxLength: 100 });

describe('text encodings', () => {
  test('every byte string survives each encoding', () => {
    fc.assert(
      fc.property(anyBytes(), bytes => {
        expect(b.fromHex(b.toHex(bytes))).toEqual(bytes);
        expect(b.decodeBase64(b.encodeBase64(bytes))).toEqual(bytes);
        expect(b.decodeBase64(b.encodeBase64Unpadded(bytes), 'unpadded')).toEqual(bytes);
        expect(b.decodeBase64(b.encodeBase64(bytes), 'either')).toEqual(bytes);
        expect(b.decodeBase64(b.encodeBase64Unpadded(bytes), 'either')).toEqual(bytes);
        expect(b.decodeBase32(b.encodeBase32(bytes))).toEqual(bytes);
        expect(b.decodeBase64(b.wrapBase64(bytes).replaceAll('\n', ''))).toEqual(bytes);
      }),
    );
  });

  test('a decoder takes one text only for each byte string', () => {
    const text = fc.string({ unit: fc.constantFrom(...Array.from('abAB27+/=-_ \n')), maxLength: 12 });
    fc.assert(
      fc.property(text, candidate => {
        for (const [decode, encode] of [
          [b.decodeBase64, b.encodeBase64],
          [(t: string) => b.decodeBase64(t, 'unpadded'), b.encodeBase64Unpadded],
          [b.decodeBase32, b.encodeBase32],
          [b.fromHex, b.toHex],
        ] as const) {
          let bytes: Uint8Array | undefined;
          try {
            bytes = decode(candidate);
          } catch {
            continue;
          }
          expect(encode(bytes)).toBe(candidate);
        }
      }),
    );
  });

  test('base64 takes padding as the form says', () => {
    expect(b.decodeBase64('Zg==')).toEqual(Uint8Array.of(0x66));
    expect(b.decodeBase64('Zg', 'unpadded')).toEqual(Uint8Array.of(0x66));
    expectRefusal('BAD_BASE64', () => b.decodeBase64('Zg'));
    expectRefusal('BAD_BASE64', () => b.decodeBase64('Zg==', 'unpadded'));
    expectRefusal('BAD_BASE64', () => b.decodeBase64('Zg=', 'either'));
  });

  test.each(['Zh==', 'Zg==\n', ' Zg==', 'Zm9-', 'Zm9_', 'Z', 'Zm9v=', 'Zg==Zg==', 'Zmé='])(
    'base64 refuses %j',
    text => {
      expect(b.decodeBase64('Zm9v')).toHaveLength(3);
      expectRefusal('BAD_BASE64', () => b.decodeBase64(text, 'either'));
    },
  );

  test.each(['A', 'a', 'ab', 'MY', 'mz', 'my======', 'm1', 'my a', 'mzxw6ytbo'])(
    'base32 refuses %j',
    text => {
      expect(b.decodeBase32('my')).toEqual(Uint8Array.of(0x66));
      expectRefusal('BAD_BASE32', () => b.decodeBase32(text));
    },
  );

  test('base32 encodes the examples of RFC 4648', () => {
    const rows = {
      '': '',
      f: 'my',
      fo: 'mzxq',
      foo: 'mzxw6',
      foob: 'mzxw6yq',
      fooba: 'mzxw6ytb',
      foobar: 'mzxw6ytboi',
    };
    for (const [plain, text] of Object.entries(rows)) {
      expect(b.encodeBase32(b.asciiBytes(plain))).toBe(text);
      expect(b.decodeBase32(text)).toEqual(b.asciiBytes(plain));
    }
  });

  test.each(['0', 'AA', '0g', '00 ', 'é0'])('hexadecimal refuses %j', text => {
    expect(b.fromHex('0a')).toEqual(Uint8Array.of(10));
    expectRefusal('BAD_HEX', () => b.fromHex(text));
  });

  test('an object body has lines of 64 columns, each ended by LF', () => {
    expect(
      b
        .wrapBase64(new Uint8Array(140))
        .split('\n')
        .map(line => line.length),
    ).toEqual([64, 64, 60, 0]);
    expect(b.wrapBase64(new Uint8Array(48))).toBe(`${'A'.repeat(64)}\n`);
    expect(b.wrapBase64(new Uint8Array(0))).toBe('');
  });

  test('ASCII refuses the first character beyond it', () => {
    expect(b.asciiBytes('a\x7f\0')).toEqual(Uint8Array.of(0x61, 0x7f, 0));
    expect(expectRefusal('BAD_SYNTAX', () => b.asciiBytes('a\x80')).offset).toBe(1);
  });

  test('UTF-8 is read strictly and keeps a byte order mark', () => {
    expect(b.decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0xc3, 0xa9))).toBe('\ufeffé');
    expectRefusal('BAD_UTF8', () => b.decodeUtf8(Uint8Array.of(0xc3)));
    expectRefusal('BAD_UTF8', () => b.decodeUtf8(Uint8Array.of(0xc0, 0x80)));
  });
});

describe('integers', () => {
  test.each([
    ['u8', b.u8, b.readU8, 0xff],
    ['u16be', b.u16be, b.readU16be, 0xffff],
    ['u32be', b.u32be, b.readU32be, 0xffff_ffff],
  ] as const)('%s takes 0 to its greatest value and nothing else', (_name, encode, read, max) => {
    for (const value of [0, 1, max - 1, max]) expect(read(encode(value))).toBe(value);
    for (const value of [-1, max + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expectRefusal('BAD_INTEGER', () => encode(value));
    }
  });

  test('u64be takes 0 to 2^64 - 1, and numbers while they are exact', () => {
    for (const value of [0n, 1n, 2n ** 53n, 2n ** 64n - 1n]) expect(b.readU64be(b.u64be(value))).toBe(value);
    expect(b.u64be(258)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2));
    for (const value of [-1n, 2n ** 64n, -1, 2 ** 53, 0.5]) {
      expectRefusal('BAD_INTEGER', () => b.u64be(value));
    }
  });

  test('integers are big-endian and read inside a view', () => {
    const view = Uint8Array.of(9, 9, 1, 2, 3, 4, 5, 6, 7, 8).subarray(1);
    expect(b.readU16be(view, 1)).toBe(0x0102);
    expect(b.readU32be(view, 1)).toBe(0x01020304);
    expect(b.readU64be(view, 1)).toBe(0x0102030405060708n);
    expect(b.readU8(view, 8)).toBe(8);
  });

  test('reading past either end is refused', () => {
    const four = new Uint8Array(8).subarray(2, 6);
    expect(b.readU32be(four, 0)).toBe(0);
    expectRefusal('BAD_LENGTH', () => b.readU32be(four, 1));
    expectRefusal('BAD_LENGTH', () => b.readU8(four, 4));
    expectRefusal('BAD_LENGTH', () => b.readU8(four, -1));
    expectRefusal('BAD_LENGTH', () => b.readU16be(four, Number.NaN));
  });
});

describe('byte strings', () => {
  test('concat joins in order', () => {
    expect(b.concat()).toEqual(new Uint8Array(0));
    expect(b.concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(
      Uint8Array.of(1, 2, 3),
    );
  });

  test('fixedBytes copies the right length and refuses its neighbours', () => {
    const source = Uint8Array.of(1, 2);
    const copy = b.fixedBytes(source, 2, 'x');
    source.fill(0);
    expect(copy).toEqual(Uint8Array.of(1, 2));
    expectRefusal('BAD_LENGTH', () => b.fixedBytes(source, 1, 'x'));
    expectRefusal('BAD_LENGTH', () => b.fixedBytes(source, 3, 'x'));
  });

  test('equalBytes compares content and length', () => {
    fc.assert(
      fc.property(anyBytes(), anyBytes(), (x, y) => {
        expect(b.equalBytes(x, y)).toBe(b.toHex(x) === b.toHex(y));
        expect(b.equalBytes(x, new Uint8Array(x))).toBe(true);
      }),
    );
  });
});
