import { describe, expect, test } from 'vitest';
import {
  type CertifiedIntroductionPoint,
  type IntroductionPoint,
  encodeIntroductionPoint,
  encodeLinkSpecifiers,
  parseIntroductionPoint,
  parseLinkSpecifiers,
  pointKey,
  samePoint,
} from '../../src/descriptor/introduction-point.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/error.ts';
import { fromHex } from '../../src/descriptor/bytes.ts';
import { parseNetdoc } from '../../src/descriptor/netdoc.ts';
import { expectRefusal } from './expect-refusal.ts';
import { ed25519Pair, makePoint } from './forge.ts';

const POINT = makePoint('a', ed25519Pair('signer'), 500_000);
const OTHER = makePoint('b', ed25519Pair('signer'), 500_000);
const TEXT = encodeIntroductionPoint(POINT);

function read(text: string): CertifiedIntroductionPoint {
  return parseIntroductionPoint(parseNetdoc(Buffer.from(text)));
}

describe('link specifiers', () => {
  const ipv4 = '00067f0000012329';
  const rsa = `0214${'11'.repeat(20)}`;
  const ed25519 = `0320${'22'.repeat(32)}`;

  test('a block is read and written back', () => {
    const block = fromHex(`04${ipv4}${rsa}${ed25519}2a03aabbcc`);
    expect(parseLinkSpecifiers(block).map(({ type, data }) => [type, data.length])).toEqual([
      [0, 6],
      [2, 20],
      [3, 32],
      [42, 3],
    ]);
    expect(encodeLinkSpecifiers(parseLinkSpecifiers(block))).toEqual(block);
  });

  test.each([
    ['no block', ''],
    ['no specifier', '00'],
    ['fewer than counted', `02${ipv4}`],
    ['more than counted', `01${ipv4}${rsa}`],
    ['a byte after the last', `01${ipv4}00`],
    ['data cut off', '0100067f00'],
    ['a header cut off', '0100'],
    ['an IPv4 address of another length', '0100057f00000123'],
    ['an RSA identity of another length', `010213${'11'.repeat(19)}`],
    ['an Ed25519 identity of another length', `010321${'22'.repeat(33)}`],
    ['two RSA identities', `02${rsa}${rsa}`],
    ['two Ed25519 identities', `02${ed25519}${ed25519}`],
  ])('%s is refused', (_, hex) => {
    expectRefusal('BAD_LINK_SPECIFIER', () => parseLinkSpecifiers(fromHex(hex)));
  });

  test('a list that cannot be counted in a byte is refused', () => {
    const specifiers = Array.from({ length: 256 }, () => ({ type: 0, data: new Uint8Array(6) }));
    expect(encodeLinkSpecifiers(specifiers.slice(1))).toHaveLength(1 + 255 * 8);
    expectRefusal('BAD_LINK_SPECIFIER', () => encodeLinkSpecifiers(specifiers));
  });
});

describe('the section of an introduction point', () => {
  test('is written in the order of tor and read back', () => {
    expect(TEXT.match(/^[a-z-]+(?= |$)/gm)).toEqual([
      'introduction-point',
      'onion-key',
      'auth-key',
      'enc-key',
      'enc-key-cert',
    ]);
    expect(read(TEXT)).toMatchObject(POINT);
  });

  test('unpadded keys and unknown lines are taken', () => {
    const unpadded = TEXT.replaceAll(/^((?:onion|enc)-key ntor .*)=$/gm, '$1');
    expect(unpadded).not.toBe(TEXT);
    expect(read(`${unpadded}new-line x\n`)).toMatchObject(POINT);
  });

  test('an onion-key of an unknown type beside the known one is taken', () => {
    expect(read(TEXT.replace('onion-key ntor', 'onion-key other x\nonion-key ntor'))).toMatchObject(POINT);
  });

  test.each<[string, (text: string) => string, DescriptorErrorCode]>([
    ['no onion-key', t => t.replace(/^onion-key.*\n/m, ''), 'MISSING_ITEM'],
    ['an onion-key of unknown type only', t => t.replace('onion-key ntor', 'onion-key other'), 'BAD_POINT'],
    ['two onion-keys of type ntor', t => t.replace(/^(onion-key.*\n)/m, '$1$1'), 'BAD_POINT'],
    ['an enc-key of unknown type', t => t.replace('enc-key ntor', 'enc-key other'), 'BAD_POINT'],
    ['two enc-keys', t => t.replace(/^(enc-key ntor.*\n)/m, '$1$1'), 'DUPLICATE_ITEM'],
    ['no enc-key-cert', t => t.slice(0, t.indexOf('enc-key-cert')), 'MISSING_ITEM'],
    ['no object after auth-key', t => t.replace(/(?<=auth-key\n)-[^]*?(?=enc-key ntor)/, ''), 'BAD_SYNTAX'],
    ['a second argument of introduction-point', t => t.replace('\n', ' x\n'), 'BAD_SYNTAX'],
    ['a line of the head of the layer', t => `${t}flow-control 1-2 31\n`, 'BAD_SYNTAX'],
    ['a key that is too short', t => t.replace(/(?<=enc-key ntor ).*/, 'AAAA'), 'BAD_LENGTH'],
    ['a key of low order', t => t.replace(/(?<=enc-key ntor ).*/, `${'A'.repeat(43)}=`), 'BAD_KEY'],
    [
      'link specifiers that are none',
      t => t.replace(/(?<=introduction-point ).*/, 'AAAA'),
      'BAD_LINK_SPECIFIER',
    ],
    [
      'a legacy certificate alone',
      t => `${t}legacy-key-cert\n-----BEGIN CROSSCERT-----\nAAAA\n-----END CROSSCERT-----\n`,
      'BAD_POINT',
    ],
  ])('%s is refused', (_, change, code) => {
    expect(change(TEXT)).not.toBe(TEXT);
    expectRefusal(code, () => read(change(TEXT)));
  });
});

describe('comparing introduction points', () => {
  test('certificates do not matter', () => {
    const again = makePoint('a', ed25519Pair('another signer'), 500_001);
    expect(samePoint(POINT, again)).toBe(true);
    expect(pointKey(POINT)).toBe(pointKey(again));
    expect(pointKey(POINT)).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each<keyof IntroductionPoint>(['linkSpecifiers', 'onionKey', 'authKey', 'encKey'])(
    'another %s makes another point',
    field => {
      const mixed = { ...POINT, [field]: OTHER[field] };
      expect(samePoint(POINT, mixed)).toBe(false);
      expect(pointKey(POINT)).not.toBe(pointKey(mixed));
    },
  );
});
