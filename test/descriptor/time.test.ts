import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as t from '../../src/descriptor/time.ts';
import { expectRefusal } from './expect-refusal.ts';

const HOUR = 3600;
const at = (text: string) => Date.parse(`${text}Z`) / 1000;
const V10 = t.testNetwork('v10', 10);
const V20 = t.testNetwork('v20', 20);
const networks = [t.TOR_NETWORK, V10, V20];

describe('time periods', () => {
  // rend-spec-v3 §2.2.1; tor, src/test/test_hs_common.c test_time_period
  test.each([
    ['2016-04-13T11:00:00', 16903],
    ['2016-04-13T11:59:59', 16903],
    ['2016-04-13T12:00:00', 16904],
  ])('%s lies in period %i of the public network', (moment, periodNum) => {
    expect(t.timePeriodAt(t.TOR_NETWORK, at(moment))).toEqual({
      periodNum,
      lengthMinutes: 1440,
      offsetSeconds: 12 * HOUR,
    });
  });

  test('period 16903 of the public network starts on 2016-04-12 at noon', () => {
    expect(t.periodStart(t.timePeriod(t.TOR_NETWORK, 16903))).toBe(at('2016-04-12T12:00:00'));
  });

  // tor, src/test/test_hs_common.c test_start_time_of_next_time_period
  test.each([
    ['2016-04-13T00:00:00', '2016-04-13T00:02:00'],
    ['2016-04-13T00:02:00', '2016-04-13T00:06:00'],
  ])('after %s the next period of a test network with V = 10 starts at %s', (moment, next) => {
    const { periodNum } = t.timePeriodAt(V10, at(moment));
    expect(t.periodStart(t.timePeriod(V10, periodNum + 1))).toBe(at(next));
  });

  test('a test network has periods of 24 voting intervals, moved by 12', () => {
    expect(t.timePeriod(V10, 7)).toEqual({ periodNum: 7, lengthMinutes: 4, offsetSeconds: 120 });
    expect(t.timePeriod(V20, 7)).toEqual({ periodNum: 7, lengthMinutes: 8, offsetSeconds: 240 });
  });

  test('a period contains its first second and not its end', () => {
    fc.assert(
      fc.property(fc.constantFrom(...networks), fc.nat(2 ** 31), (network, periodNum) => {
        const start = t.periodStart(t.timePeriod(network, periodNum));
        const end = start + network.periodLengthMinutes * 60;
        expect(t.timePeriodAt(network, start).periodNum).toBe(periodNum);
        expect(t.timePeriodAt(network, end - 1).periodNum).toBe(periodNum);
        expect(t.timePeriodAt(network, end).periodNum).toBe(periodNum + 1);
      }),
    );
  });

  test('a period number is whole and fits 32 bits', () => {
    for (const good of [0, 2 ** 32 - 1]) expect(t.timePeriod(V10, good).periodNum).toBe(good);
    for (const bad of [-1, 2 ** 32, 1.5, Number.NaN]) {
      expectRefusal('BAD_PERIOD', () => t.timePeriod(V10, bad));
    }
    expect(t.timePeriodAt(V10, 120).periodNum).toBe(0);
    expectRefusal('BAD_PERIOD', () => t.timePeriodAt(V10, 119));
    expectRefusal('BAD_PERIOD', () => t.timePeriodAt(V10, Number.NaN));
  });
});

describe('publication', () => {
  test('a period of the public network is published for 48 hours from midnight before its start', () => {
    const period = t.timePeriod(t.TOR_NETWORK, 20000);
    expect(t.publicationWindow(t.TOR_NETWORK, period)).toEqual({
      from: at('2024-10-04T00:00:00'),
      to: at('2024-10-06T00:00:00'),
    });
    expect(t.srvRunStart(t.TOR_NETWORK, period)).toBe(at('2024-10-04T00:00:00'));
  });

  test.each([
    ['2024-10-04T00:00:00', [19999, 20000]],
    ['2024-10-04T23:59:59', [19999, 20000]],
    ['2024-10-05T00:00:00', [20000, 20001]],
  ])('at %s the periods %j are published', (moment, expected) => {
    expect(t.publishablePeriods(t.TOR_NETWORK, at(moment)).map(p => p.periodNum)).toEqual(expected);
  });

  test('two neighbouring periods are published at any time, and the present one is among them', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...networks),
        fc.integer({ min: 10 ** 6, max: 2 ** 36 }),
        (network, now) => {
          const numbers = t.publishablePeriods(network, now).map(p => p.periodNum);
          expect(numbers).toHaveLength(2);
          expect((numbers[1] ?? 0) - (numbers[0] ?? 0)).toBe(1);
          expect(numbers).toContain(t.timePeriodAt(network, now).periodNum);
        },
      ),
    );
  });

  test('period 0 alone is published when there is none before it', () => {
    expect(t.publishablePeriods(V10, 120).map(p => p.periodNum)).toEqual([0]);
  });
});

describe('expiry of certificates', () => {
  test('type 08 expires 54 hours on, rounded up', () => {
    expect(t.certExpiryHours(100 * HOUR)).toBe(154);
    expect(t.certExpiryHours(100 * HOUR + 1)).toBe(155);
    expect(t.certExpiryHours(101 * HOUR)).toBe(155);
  });

  test('types 09 and 0B expire 54 hours after the hour that has begun', () => {
    expect(t.innerCertExpiryHours(100 * HOUR - 1)).toBe(153);
    expect(t.innerCertExpiryHours(100 * HOUR)).toBe(154);
    expect(t.innerCertExpiryHours(101 * HOUR - 1)).toBe(154);
  });

  test('a ladder on the public network has 49 rungs from the first to the last second of publication', () => {
    const period = t.timePeriod(t.TOR_NETWORK, 20000);
    const { from, to } = t.publicationWindow(t.TOR_NETWORK, period);
    const rungs = t.ladderHours(t.TOR_NETWORK, period);
    expect(rungs).toHaveLength(49);
    expect(rungs[0]).toBe(from / HOUR + 54);
    expect(rungs.at(-1)).toBe(to / HOUR + 54);
  });

  test('a ladder is exactly what its window can need', () => {
    fc.assert(
      fc.property(fc.constantFrom(V10, V20), fc.nat(10 ** 7), (network, periodNum) => {
        const period = t.timePeriod(network, periodNum);
        const { from, to } = t.publicationWindow(network, period);
        const needed = new Set<number>();
        for (let second = from; second < to; second++) needed.add(t.certExpiryHours(second));
        expect(t.ladderHours(network, period)).toEqual([...needed]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('network profiles', () => {
  test('the public network is as written in its specification', () => {
    expect(t.checkNetworkProfile(t.TOR_NETWORK)).toMatchObject({
      votingIntervalSeconds: 3600,
      periodLengthMinutes: 1440,
      evidenceMaxAgeSeconds: 10_800,
      evidenceMaxSkewSeconds: 300,
    });
  });

  test('a voting interval is a multiple of 5 from 10 to 3600 seconds', () => {
    for (const good of [10, 15, 3600]) expect(t.testNetwork('x', good).votingIntervalSeconds).toBe(good);
    for (const bad of [5, 9, 11, 3605, 10.5, Number.NaN, -10]) {
      expectRefusal('BAD_PERIOD', () => t.testNetwork('x', bad));
    }
  });

  test('a period that is not 24 voting intervals long is refused', () => {
    expect(t.checkNetworkProfile(V20)).toBe(V20);
    expectRefusal('BAD_PERIOD', () => t.checkNetworkProfile({ ...V20, periodLengthMinutes: 9 }));
  });

  test('the limits of evidence are whole and not negative', () => {
    expect(t.checkNetworkProfile({ ...V20, evidenceMaxAgeSeconds: 0, evidenceMaxSkewSeconds: 0 }).name).toBe(
      'v20',
    );
    for (const bad of [-1, 0.5, Number.POSITIVE_INFINITY]) {
      expectRefusal('BAD_PERIOD', () => t.checkNetworkProfile({ ...V20, evidenceMaxAgeSeconds: bad }));
      expectRefusal('BAD_PERIOD', () => t.checkNetworkProfile({ ...V20, evidenceMaxSkewSeconds: bad }));
    }
  });
});
