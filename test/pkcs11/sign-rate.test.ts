import { describe, expect, test } from 'vitest';
import { TOR_NETWORK, testNetwork } from '../../src/descriptor/index.ts';
import type { KeyholderList, ListService } from '../../src/pkcs11/list.ts';
import { SignRate, rateLimits } from '../../src/pkcs11/sign-rate.ts';
import { identity } from '../descriptor/forge.ts';
import { OPEN_TO_ALL } from './keyholder-rig.ts';

const NOW = 1_800_000_000;
const service: ListService = {
  alias: 'frontpage',
  kpHsId: identity('frontpage').kpHsId,
  envelopePath: '/frontpage.age',
  singleOnion: false,
  enabled: true,
  minPoints: 1,
  maxPoints: 20,
  minBackends: 1,
  maxPointsPerBackend: 20,
  requestsPerHour: 60,
  pointSetsPerHour: 12,
  backends: [],
  ...OPEN_TO_ALL,
};
const list: KeyholderList = {
  serial: 1,
  profile: TOR_NETWORK,
  aheadSeconds: 3 * 86_400,
  runwaySeconds: 6 * 3600,
  deadlineMs: 10_000,
  tokens: [],
  pinSource: 'tty',
  retired: [],
  periodKeys: 'keyholder',
  lockedMemory: 'required',
  services: [service],
};

describe('SIGN-RATE of a service', () => {
  test('is what policy lets its publishers ask for: each request has a text for now and a shelf', () => {
    expect(rateLimits(list, service)).toEqual({ orders: 60, texts: 60 * 2 * 7 });
    expect(rateLimits({ ...list, runwaySeconds: 86_400 }, service)).toEqual({ orders: 240, texts: 3000 });
    const profile = testNetwork('test', 20);
    const short = { ...list, profile, runwaySeconds: 720 };
    // A request each second, all hour long.
    expect(rateLimits(short, { ...service, requestsPerHour: 3600 })).toEqual({
      orders: 3600 * 5,
      texts: 3600 * 74,
    });
  });

  test('counts orders and texts of the last hour, each by itself', () => {
    const rate = new SignRate();
    const limits = { orders: 3, texts: 20 };
    rate.note(14, NOW);
    expect(rate.check(limits, 6, NOW)).toBeUndefined();
    expect(rate.check(limits, 7, NOW)).toMatchObject({ rule: 'SIGN-RATE', limit: '3 orders and 20 texts' });
    rate.note(1, NOW + 1);
    rate.note(1, NOW + 2);
    expect(rate.check(limits, 1, NOW + 3)).toMatchObject({
      observed: '3 orders with 16 texts in the last hour',
    });
    expect(rate.check(limits, 1, NOW + 3539)?.rule).toBe('SIGN-RATE');
    expect(rate.check(limits, 18, NOW + 3540)).toBeUndefined();
  });

  test('goes on after a restart from what the marks know', () => {
    const rate = new SignRate();
    rate.restore([NOW + 1, NOW, NOW, NOW + 1, NOW]);
    expect(rate.check({ orders: 2, texts: 9 }, 1, NOW + 2)?.observed).toBe(
      '2 orders with 5 texts in the last hour',
    );
    expect(rate.check({ orders: 3, texts: 6 }, 1, NOW + 2)).toBeUndefined();
  });

  test('is not locked by a clock that went ahead and came back', () => {
    const rate = new SignRate();
    rate.note(14, NOW + 100_000);
    expect(rate.check({ orders: 1, texts: 14 }, 14, NOW)).toBeUndefined();
  });
});
