import { describe, expect, test } from 'vitest';
import {
  INNER_CONSTANT,
  type LayerContext,
  MIDDLE_CONSTANT,
  decryptLayer,
  encryptLayer,
  padMiddle,
  unpadMiddle,
} from '../../src/descriptor/layer-crypt.ts';
import { asciiBytes, decodeUtf8 } from '../../src/descriptor/bytes.ts';
import { parseNHsSubcred } from '../../src/descriptor/keys.ts';
import { NOBLE_OPENING } from '../../src/descriptor/second-opinion.ts';
import { expectRefusal } from './expect-refusal.ts';
import { noise } from './forge.ts';

const CONTEXT: LayerContext = {
  secretData: noise('blinded', 32),
  subcredential: parseNHsSubcred(noise('subcredential', 32)),
  revisionCounter: 42n,
  constant: MIDDLE_CONSTANT,
};
const SALT = noise('salt', 16);
const PLAINTEXT = asciiBytes('text');

describe('the encryption of a layer', () => {
  const blob = encryptLayer(CONTEXT, SALT, PLAINTEXT);

  test('puts salt before and MAC behind the ciphertext, and opens with both implementations', () => {
    expect(blob).toHaveLength(16 + 4 + 32);
    expect(blob.subarray(0, 16)).toEqual(SALT);
    expect(decodeUtf8(decryptLayer(CONTEXT, blob))).toBe('text');
    expect(decodeUtf8(decryptLayer(CONTEXT, blob, NOBLE_OPENING))).toBe('text');
  });

  test.each<[string, Partial<LayerContext>]>([
    ['other secret data', { secretData: noise('other', 32) }],
    [
      'a cookie that is not there',
      { secretData: new Uint8Array([...CONTEXT.secretData, ...noise('c', 16)]) },
    ],
    ['another subcredential', { subcredential: parseNHsSubcred(noise('other', 32)) }],
    ['another counter', { revisionCounter: 43n }],
    ['the constant of the other layer', { constant: INNER_CONSTANT }],
  ])('%s opens nothing', (_, change) => {
    for (const crypto of [undefined, NOBLE_OPENING]) {
      expectRefusal('BAD_MAC', () => decryptLayer({ ...CONTEXT, ...change }, blob, crypto));
    }
  });

  test('each changed byte is noticed', () => {
    for (let at = 0; at < blob.length; at++) {
      const spoilt = blob.map((byte, i) => (i === at ? byte ^ 0x80 : byte));
      expectRefusal('BAD_MAC', () => decryptLayer(CONTEXT, spoilt));
    }
  });

  test('a layer must have at least one byte', () => {
    const one = encryptLayer(CONTEXT, SALT, PLAINTEXT.subarray(0, 1));
    expect(decryptLayer(CONTEXT, one)).toEqual(PLAINTEXT.subarray(0, 1));
    expectRefusal('BAD_LAYER', () => decryptLayer(CONTEXT, encryptLayer(CONTEXT, SALT, new Uint8Array())));
    expectRefusal('BAD_LAYER', () => decryptLayer(CONTEXT, new Uint8Array()));
  });

  test.each([0, 15, 17])('a salt of %i bytes is refused', length => {
    expectRefusal('BAD_LENGTH', () => encryptLayer(CONTEXT, new Uint8Array(length), PLAINTEXT));
  });
});

describe('padding of the middle layer', () => {
  test.each([
    [1, 10_000],
    [9_999, 10_000],
    [10_000, 10_000],
    [10_001, 20_000],
    [30_000, 30_000],
  ])('%i bytes become %i and the same again', (length, padded) => {
    const text = new Uint8Array(length).fill(0x61);
    expect(padMiddle(text)).toHaveLength(padded);
    expect(unpadMiddle(padMiddle(text))).toEqual(text);
  });

  test('nothing may hide behind the first NUL', () => {
    expect(unpadMiddle(Uint8Array.of(1, 2, 0, 0))).toEqual(Uint8Array.of(1, 2));
    expectRefusal('BAD_LAYER', () => unpadMiddle(Uint8Array.of(1, 2, 0, 3)));
  });
});
