import { describe, expect, test } from 'vitest';
import { CERT_TYPE, MAX_DESCRIPTOR_SIZE, parseKpHsDescSign } from '../../src/descriptor/index.ts';
import {
  MAX_POINT_CERTS,
  encodeEnter,
  encodeEntered,
  encodeId,
  encodePointCerts,
  encodeRecord,
  encodeSignatures,
  encodeUnsigned,
  parseEnter,
  parseEntered,
  parseId,
  parsePointCerts,
  parseRecord,
  parseSignatures,
  parseUnsigned,
} from '../../src/pkcs11/signing-messages.ts';
import { ed25519Pair, noise } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';

const id = noise('id', 16);
const record = { id, kpHsDescSign: parseKpHsDescSign(ed25519Pair('record').publicKey) };
const access = { modulePath: '/m.so', uri: 'pkcs11:token=a', pinSource: 'credential:pin' };
const certs = [CERT_TYPE.authKey, CERT_TYPE.encKey].map(certType => ({
  certType,
  expiryHours: 496_900,
  certifiedKey: noise(`certified ${certType}`, 32),
}));
const same = (read: (bytes: Uint8Array) => unknown, bytes: Uint8Array, value: unknown): void => {
  expect(read(bytes)).toEqual(value);
  for (let length = 0; length < bytes.length; length++)
    expectCode('FRAME_BAD', () => read(bytes.subarray(0, length)));
  expectCode('FRAME_BAD', () => read(Buffer.concat([bytes, Buffer.of(0)])));
};

describe('messages to the process that signs in a token', () => {
  test('are read as they were written, and neither cut nor longer', () => {
    const enter = { access, label: 'ours', known: [record] };
    same(parseEnter, encodeEnter(enter), enter);
    const entered = { tokenLabel: 'press', present: [true, false] };
    same(parseEntered, encodeEntered(entered), entered);
    same(parseRecord, encodeRecord(record), record);
    same(parseId, encodeId(id), id);
    const unsigned = noise('text', 100);
    same(parseUnsigned, encodeUnsigned(id, unsigned), { id, unsigned });
    same(parsePointCerts, encodePointCerts(id, certs), { id, certs });
    const signatures = [noise('one', 64), noise('two', 64)];
    same(bytes => parseSignatures(bytes, 2), encodeSignatures(signatures), signatures);
  });

  test('ask for no certificate but those of introduction points', () => {
    const bytes = Buffer.from(encodePointCerts(id, certs));
    for (const certType of [0x04, 0x08, 0x0a, 0x0c]) {
      bytes[17] = certType;
      expectCode('FRAME_BAD', () => parsePointCerts(bytes));
    }
    bytes[17] = CERT_TYPE.encKey;
    expect(parsePointCerts(bytes).certs[0]?.certType).toBe(CERT_TYPE.encKey);
  });

  test('have bounds', () => {
    const many = (count: number) =>
      encodePointCerts(
        id,
        Array.from({ length: count }, () => certs[0]).flatMap(each => each ?? []),
      );
    expect(parsePointCerts(many(MAX_POINT_CERTS)).certs).toHaveLength(MAX_POINT_CERTS);
    expectCode('FRAME_BAD', () => parsePointCerts(many(MAX_POINT_CERTS + 1)));
    const text = (length: number) => encodeUnsigned(id, new Uint8Array(length));
    expect(parseUnsigned(text(MAX_DESCRIPTOR_SIZE)).unsigned).toHaveLength(MAX_DESCRIPTOR_SIZE);
    expectCode('FRAME_BAD', () => parseUnsigned(text(MAX_DESCRIPTOR_SIZE + 1)));
    const flag = Buffer.from(encodeEntered({ tokenLabel: '', present: [true] }));
    flag[3] = 2;
    expectCode('FRAME_BAD', () => parseEntered(flag));
  });

  test('are answered with as many signatures as were asked for', () => {
    const bytes = encodeSignatures([noise('one', 64)]);
    for (const count of [0, 2]) expectCode('TOKEN_PROTOCOL', () => parseSignatures(bytes, count));
  });
});
