import { describe, expect, test } from 'vitest';
import {
  fromHex,
  parseEd25519Public,
  parseKpHsDescSign,
  parseKpHsId,
  parseX25519Public,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import {
  encodeOpenAnswer,
  encodeOpenRequest,
  type OpenRequest,
  parseOpenAnswer,
  parseOpenRequest,
} from '../../src/pkcs11/token-messages.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { expectCode } from './expect-code.ts';

const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
const kpHsDescSign = parseKpHsDescSign(fromHex(chain.kpHsDescSign));
const access = { modulePath: '/m.so', uri: 'pkcs11:token=a', pinSource: 'tty' };

const request = (periods: number, openings = 1): OpenRequest => ({
  access,
  profile: { ...TOR_NETWORK, name: 'requested' },
  horizonSeconds: 0xffff_ffff,
  boxPublicKey: parseX25519Public(fromHex(chain.x25519PublicKey)),
  checkpointKey: parseEd25519Public(fromHex(chain.kpHsId)),
  openings: Array.from({ length: openings }, () => ({
    kpHsId,
    envelope: Uint8Array.of(1, 2, 3),
    periods: Array.from({ length: periods }, (_, i) => ({ periodNum: 20_000 + i, kpHsDescSign })),
  })),
});

describe('the request to open', () => {
  test('reads back as it was written', () => {
    expect(parseOpenRequest(encodeOpenRequest(request(2, 3)))).toEqual(request(2, 3));
  });

  test('is refused at every shorter length and with a byte more', () => {
    const bytes = encodeOpenRequest(request(1));
    for (let length = 0; length < bytes.length; length += 1) {
      expectCode('FRAME_BAD', () => parseOpenRequest(bytes.subarray(0, length)));
    }
    expectCode('FRAME_BAD', () => parseOpenRequest(Buffer.concat([bytes, Buffer.of(0)])));
  });

  test('carries at most 1024 services and periods', () => {
    expect(parseOpenRequest(encodeOpenRequest(request(1023))).openings[0]?.periods).toHaveLength(1023);
    expectCode('FRAME_BAD', () => parseOpenRequest(encodeOpenRequest(request(1024))));
    expectCode('FRAME_BAD', () => parseOpenRequest(encodeOpenRequest(request(0, 1025))));
  });

  test('is refused with a key that is none', () => {
    const bytes = Buffer.from(encodeOpenRequest(request(1)));
    const at = bytes.indexOf(Buffer.from(chain.kpHsId, 'hex'));
    expectCode('FRAME_BAD', () => parseOpenRequest(bytes.fill(0, at, at + 32)));
  });
});

test('the answer to open reads back as it was written, failures beside ladders', () => {
  const rungs = [{ expiryHours: 480_060, signature: new Uint8Array(64).fill(1) }];
  const good = {
    sealedServiceSecret: new Uint8Array(80).fill(2),
    origin: 'born' as const,
    ladders: [{ periodNum: 20_000, rungs }],
    vouching: new Uint8Array(64).fill(3),
  };
  const bytes = encodeOpenAnswer([good]);
  expect(parseOpenAnswer(bytes)).toEqual([good]);
  expectCode('FRAME_BAD', () => parseOpenAnswer(bytes.subarray(1)));
});
