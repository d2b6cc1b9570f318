import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encodeTokenList, parseTokenList } from '../../src/pkcs11/administration-messages.ts';
import { type KeyholderStatus, encodeStatus, parseStatus } from '../../src/pkcs11/keyholder-status.ts';
import { RECORD_BYTES, encodeMark, isIntact, parseMark } from '../../src/pkcs11/mark-records.ts';
import { encodeOpenAnswer, parseOpenAnswer } from '../../src/pkcs11/token-messages.ts';
import { WireWriter } from '../../src/pkcs11/wire.ts';
import { ed25519Pair, identity } from '../descriptor/forge.ts';
import { parseKpHsDescSign } from '../../src/descriptor/index.ts';
import { expectCode } from './expect-code.ts';

const { publicKey } = ed25519Pair('status');
const status: KeyholderStatus = {
  startedAt: 1,
  uid: 2,
  listSerial: 3,
  listDigest: new Uint8Array(32).fill(9),
  network: 'tor',
  isolation: 'same user',
  isMemoryLocked: true,
  stateProtection: 'file of mode 0400',
  periodKeys: 'token',
  signingToken: { state: 'up', pid: 77, tokenLabel: 'press', errorCode: '', downSince: 0, nextTry: 0 },
  tokens: [
    {
      name: 'pkcs11:token=press',
      openedAt: 5,
      seenAt: 6,
      errorCode: '',
      errorSince: 0,
      strangerTo: ['frontpage'],
    },
  ],
  breaker: { isOpen: true, since: 7, nextTry: 9, code: 'TOKEN_DEAD' },
  checkpointVkey: 'key',
  checkpointSize: 4n,
  aheadSeconds: 5,
  runwaySeconds: 6,
  services: [
    {
      alias: 'frontpage',
      kpHsId: identity('status').kpHsId,
      enabled: true,
      latched: true,
      frozen: true,
      origin: 'born',
      certifiedUntil: 7,
      lastError: '',
      lastErrorAt: 0,
      opened: { by: 'pkcs11:token=press', at: 5 },
      evidence: 0,
      clients: 0,
      settingsSerial: 1,
      vouching: '',
      periods: [
        {
          periodNum: 8,
          kpHsDescSign: parseKpHsDescSign(publicKey),
          from: 9,
          to: 10,
          exposureEnd: 11,
          floor: 7,
          lead: 3,
          inToken: true,
          isUsable: true,
        },
      ],
    },
  ],
};

/** `bytes` with `piece` at the one place where `at` stands. */
function withPiece(bytes: Uint8Array, at: Uint8Array, piece: Uint8Array): Uint8Array {
  const out = Buffer.from(bytes);
  const place = out.indexOf(at);
  expect(place).toBeGreaterThan(0);
  out.set(piece, place);
  return out;
}

describe('the status of the keyholder', () => {
  const bytes = encodeStatus(status);

  test('is read as it was written', () => {
    expect(parseStatus(bytes)).toEqual(status);
  });

  test('with a descriptor signing key that is none is a bad frame, and nothing else', () => {
    expectCode('FRAME_BAD', () => parseStatus(withPiece(bytes, publicKey, new Uint8Array(32))));
  });

  test('with a flag that nobody knows is refused', () => {
    const place = Buffer.from([...identity('status').kpHsId, 7]);
    const spoilt = Buffer.from([...identity('status').kpHsId, 8]);
    expect(parseStatus(withPiece(bytes, place, place))).toEqual(status);
    expectCode('FRAME_BAD', () => parseStatus(withPiece(bytes, place, spoilt)));
  });
});

test('whether a token has RSA-OAEP and AES-GCM is 0 or 1', () => {
  const names = { uri: '', label: '', manufacturer: '', model: '', serial: '', flags: 0 };
  const token = { ...names, hasRsaOaep: true, hasAesGcm: true };
  for (const [hasRsaOaep, hasAesGcm] of [
    [false, true],
    [true, false],
  ] as const) {
    const list = { tokens: [{ ...names, hasRsaOaep, hasAesGcm }], failing: [] };
    expect(parseTokenList(encodeTokenList(list))).toEqual(list);
  }
  const bytes = encodeTokenList({ tokens: [token], failing: [] });
  // The number of failing slots is behind them.
  for (const back of [3, 4]) {
    const spoilt = Uint8Array.from(bytes);
    spoilt[bytes.length - back] = 2;
    expectCode('FRAME_BAD', () => parseTokenList(spoilt));
  }
});

test('an opening without an error has no CKR number', () => {
  const opened = {
    sealedServiceSecret: new Uint8Array(80),
    origin: 'born',
    ladders: [],
    vouching: new Uint8Array(64),
  } as const;
  const bytes = encodeOpenAnswer([opened]);
  expect(parseOpenAnswer(bytes)).toEqual([opened]);
  const head = new WireWriter().u16(1).str8('').u32(0).finish();
  expect(Buffer.from(bytes.subarray(0, head.length)).equals(head)).toBe(true);
  bytes[head.length - 1] = 5;
  expectCode('FRAME_BAD', () => parseOpenAnswer(bytes));
});

test('a mark with something in its padding is none, though its checksum is right', () => {
  const record = Buffer.from(encodeMark({ kind: 'floor', second: 5 }));
  expect(parseMark(record)).toEqual({ kind: 'floor', second: 5 });
  record[55] = 1;
  hash('sha256', record.subarray(0, 56), 'buffer').copy(record, 56, 0, 8);
  expect([record.length, isIntact(record)]).toEqual([RECORD_BYTES, true]);
  expectCode('STATE_CORRUPT', () => parseMark(record));
});
