import sodium from 'sodium-native';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type Bytes,
  CERT_TYPE,
  type IntroductionPoint,
  MAX_T,
  TOR_NETWORK,
  innerCertExpiryHours,
  parseCert,
  srvRunStart,
  verifyCert,
} from '../../src/descriptor/index.ts';
import { SeedSigningKey } from '../../src/pkcs11/desc-signing-key.ts';
import { Secret } from '../../src/pkcs11/locked-memory.ts';
import { PeriodKey } from '../../src/pkcs11/period-keys.ts';
import { NOON, PERIOD, ed25519Pair, identity, makePoint, noise } from '../descriptor/forge.ts';

const HOUR = 3600;
const { periodNum, lengthMinutes, offsetSeconds } = PERIOD;

function periodKey(): PeriodKey {
  const secret = (label: string) => Secret.copyOf(noise(label, 32));
  const seed = secret('seed');
  const record = {
    periodNum,
    lengthMinutes,
    offsetSeconds,
    key: { kind: 'seed', seed } as const,
    secret: secret('secret'),
  };
  const { kpHsId } = identity('ours');
  return new PeriodKey({
    kpHsId,
    profile: TOR_NETWORK,
    record: { ...record, ladder: [] },
    signing: new SeedSigningKey(seed),
  });
}

const certify = async (key: PeriodKey, point: IntroductionPoint, second: number) => {
  const [certified] = await key.certifyPoints([point], second);
  if (certified === undefined) throw new Error('nothing was certified');
  return certified;
};
const pointNo = (n: number) => makePoint(`point ${n}`, ed25519Pair('a backend'), 500_000);
const signatures = vi.spyOn(sodium, 'crypto_sign_detached');
afterEach(() => signatures.mockClear());

describe('certificates of introduction points', () => {
  test('are signed once while point and hour are the same', async () => {
    const key = periodKey();
    const first = await certify(key, pointNo(1), NOON);
    expect(signatures).toHaveBeenCalledTimes(2);
    for (const second of [NOON, NOON + 1, NOON + HOUR - 1]) {
      const again = await certify(key, pointNo(1), second);
      expect([again.authKeyCert, again.encKeyCert]).toEqual([first.authKeyCert, first.encKeyCert]);
    }
    expect(signatures).toHaveBeenCalledTimes(2);
  });

  test('are signed anew for another point, and in another hour', async () => {
    const key = periodKey();
    const made = [await certify(key, pointNo(1), NOON), await certify(key, pointNo(2), NOON)];
    expect(signatures).toHaveBeenCalledTimes(4);
    const later = await certify(key, pointNo(1), NOON + HOUR);
    expect(signatures).toHaveBeenCalledTimes(6);
    const expiries = [...made, later].map(point => parseCert(point.authKeyCert).expiryHours);
    const [now, next] = [innerCertExpiryHours(NOON), innerCertExpiryHours(NOON + HOUR)];
    expect(expiries).toEqual([now, now, next]);
  });

  test('all of one descriptor are remembered at once, for every hour of a shelf', async () => {
    const key = periodKey();
    const points = Array.from({ length: 20 }, (_, n) => pointNo(n));
    const hours = [0, 1, 2, 3, 4, 5];
    const certifyAll = async () => {
      for (const hour of hours) await key.certifyPoints(points, NOON + hour * HOUR);
    };
    await certifyAll();
    expect(signatures).toHaveBeenCalledTimes(2 * points.length * hours.length);
    await certifyAll();
    expect(signatures).toHaveBeenCalledTimes(2 * points.length * hours.length);
  });

  test('remembered or not, they verify under the key of the period, and only there', async () => {
    const key = periodKey();
    await certify(key, pointNo(1), NOON);
    const { authKeyCert, encKeyCert } = await certify(key, pointNo(1), NOON);
    const verify = (bytes: Bytes, certType: 9 | 11, signingKey: Bytes) =>
      verifyCert(parseCert(bytes), { certType, signingKey, nowSeconds: NOON });
    verify(authKeyCert, CERT_TYPE.authKey, key.kpHsDescSign);
    verify(encKeyCert, CERT_TYPE.encKey, key.kpHsDescSign);
    expect(() => verify(authKeyCert, CERT_TYPE.authKey, ed25519Pair('x').publicKey)).toThrow(
      expect.objectContaining({ code: 'WRONG_KEY' }),
    );
  });

  test('are forgotten with the key', async () => {
    const key = periodKey();
    await certify(key, pointNo(1), NOON);
    key.wipe();
    await expect(certify(key, pointNo(1), NOON)).rejects.toThrow(
      expect.objectContaining({ code: 'SECRET_WIPED' }),
    );
  });
});

describe('revision counters of a period', () => {
  test('begin with its first published second and end with the 262,144th', () => {
    const key = periodKey();
    const first = srvRunStart(TOR_NETWORK, PERIOD);
    expect(key.revisionCounterAt(first) >= 1n).toBe(true);
    expect(key.revisionCounterAt(first + MAX_T - 1) > key.revisionCounterAt(first + MAX_T - 2)).toBe(true);
    for (const second of [first - 1, first + MAX_T]) {
      expect(() => key.revisionCounterAt(second)).toThrow(
        expect.objectContaining({ code: 'COUNTER_OUT_OF_RANGE' }),
      );
    }
  });
});
