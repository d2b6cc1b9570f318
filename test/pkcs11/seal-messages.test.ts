import { describe, expect, test } from 'vitest';
import { fromHex, parseKpHsId } from '../../src/descriptor/index.ts';
import {
  encodeCopyRequest,
  encodeResealRequest,
  encodeSealRequest,
  encodeVerifyRequest,
  parseCopyRequest,
  parseResealRequest,
  parseSealRequest,
  parseVerifyRequest,
  type SealSource,
  type VerifyRequest,
} from '../../src/pkcs11/seal-messages.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { expectCode } from './expect-code.ts';

const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
const access = { modulePath: '/m.so', uri: 'pkcs11:token=a', pinSource: 'tty' };
const file = Uint8Array.of(1, 2);

describe('the request to seal', () => {
  const sources: SealSource[] = [
    { kind: 'new' },
    { kind: 'import', path: '/k' },
    { kind: 'import', path: '' },
    { kind: 'backup', file, key: { kind: 'paper', path: '/k' } },
    { kind: 'backup', file, key: { kind: 'passphrase', source: 'tty' } },
  ];

  test.each(sources)('reads back as it was written: $kind', source => {
    const seal = { tokens: [access], ageRecipients: ['age1'], source };
    expect(parseSealRequest(encodeSealRequest(seal))).toEqual(seal);
  });

  test('names at most 16 tokens and 16 age recipients, and a known source', () => {
    const encode = (tokens: number, ages: number) =>
      encodeSealRequest({
        tokens: Array.from({ length: tokens }, () => access),
        ageRecipients: Array.from({ length: ages }, () => 'age1'),
        source: { kind: 'new' },
      });
    expect(parseSealRequest(encode(16, 16)).tokens).toHaveLength(16);
    expectCode('FRAME_BAD', () => parseSealRequest(encode(17, 0)));
    expectCode('FRAME_BAD', () => parseSealRequest(encode(0, 17)));
    const unknown = Buffer.from(encode(0, 0));
    expectCode('FRAME_BAD', () => parseSealRequest(unknown.fill(9, unknown.length - 1)));
  });
});

describe('the requests about a sealed identity', () => {
  const of = { envelope: file, kpHsId };
  const ways: VerifyRequest['by'][] = [
    { kind: 'token', access },
    { kind: 'paper', path: '/k' },
    { kind: 'passphrase', source: 'file:/p' },
  ];

  test.each(ways)('reads back as it was written: verify by $kind', by => {
    expect(parseVerifyRequest(encodeVerifyRequest({ ...of, by }))).toEqual({ ...of, by });
  });

  test('reads back as it was written: reseal and copy', () => {
    const reseal = {
      ...of,
      tokens: [access, access],
      added: [access],
      ageRecipients: ['age1'],
      remove: ['age1x', 'tag'],
    };
    expect(parseResealRequest(encodeResealRequest(reseal))).toEqual(reseal);
    const copy = { ...of, access, passphraseSource: 'tty' };
    expect(parseCopyRequest(encodeCopyRequest(copy))).toEqual(copy);
  });

  test('are refused at every shorter length', () => {
    const reseal = encodeResealRequest({
      ...of,
      tokens: [access],
      added: [],
      ageRecipients: [],
      remove: ['x'],
    });
    const verify = encodeVerifyRequest({ ...of, by: { kind: 'token', access } });
    const copy = encodeCopyRequest({ ...of, access, passphraseSource: 'tty' });
    for (const [bytes, parse] of [
      [reseal, parseResealRequest],
      [verify, parseVerifyRequest],
      [copy, parseCopyRequest],
    ] as const) {
      for (let length = 0; length < bytes.length; length += 1)
        expectCode('FRAME_BAD', () => parse(bytes.subarray(0, length)));
      expectCode('FRAME_BAD', () => parse(Buffer.concat([bytes, Buffer.of(0)])));
    }
  });

  test('name one of the known ways to open', () => {
    const bytes = Buffer.from(encodeVerifyRequest({ ...of, by: { kind: 'paper', path: '' } }));
    const at = bytes.length - 3;
    expect(bytes[at]).toBe(0);
    expectCode('FRAME_BAD', () => parseVerifyRequest(bytes.fill(3, at, at + 1)));
  });
});
