import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, fromHex } from '../../src/descriptor/bytes.ts';
import { aes256ctr } from '../../src/descriptor/primitives.ts';
import {
  MAX_T,
  counterTimeInterval,
  createRevisionCounter,
  revisionCounterAt,
} from '../../src/descriptor/revision-counter.ts';
import { TOR_NETWORK, srvRunStart, testNetwork, timePeriod } from '../../src/descriptor/time.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import torVectors from '../vectors/tor-revision-counter.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const KEY = asciiBytes('A fixed key, chosen arbitrarily.');

/** The definition, word by word. */
function counterByDefinition(key: Uint8Array, t: number): bigint {
  const stream = aes256ctr(key, new Uint8Array(16), new Uint8Array(2 * t));
  let sum = 0n;
  for (let i = 0; i < t; i++) sum += BigInt((stream[2 * i] ?? 0) + 256 * (stream[2 * i + 1] ?? 0)) + 1n;
  return sum;
}

describe('revision counters', () => {
  test('the 40 pairs of tor are reproduced, in any order and from one cache', () => {
    const key = fromHex(torVectors.key);
    const cached = createRevisionCounter(key);
    expect(torVectors.counters).toHaveLength(40);
    for (const [t, counter] of torVectors.counters) {
      expect(revisionCounterAt(key, Number(t))).toBe(BigInt(counter ?? ''));
      expect(cached.at(Number(t))).toBe(BigInt(counter ?? ''));
    }
  });

  test.each(chain.revisionCounters)('the counters under the key that $maker derives are reproduced', row => {
    for (const [t, counter] of row.counters) {
      expect(revisionCounterAt(fromHex(row.key), Number(t))).toBe(BigInt(counter ?? ''));
    }
  });

  // the places that tor, src/test/test_crypto_ope.c test_crypto_ope_consistency looks at
  test.each([1, 5, 500, 1023, 1024, 1025, 2046, 2047, 2048, 2049, 10000, MAX_T])(
    'second %i has the sum that the definition gives',
    t => {
      expect(revisionCounterAt(KEY, t)).toBe(counterByDefinition(KEY, t));
    },
  );

  test('asking twice, forwards or backwards, gives the same', () => {
    const cached = createRevisionCounter(KEY);
    const second = fc.integer({ min: 1, max: 20_000 });
    fc.assert(
      fc.property(second, second, (x, y) => {
        const [low, high] = [Math.min(x, y), Math.max(x, y)];
        expect(cached.at(high)).toBe(counterByDefinition(KEY, high));
        expect(cached.at(low)).toBe(revisionCounterAt(KEY, low));
        expect(cached.at(low) < cached.at(high)).toBe(low < high);
      }),
      { numRuns: 50 },
    );
  });

  test('seconds 1 to 262144 have a counter and no others', () => {
    expect(revisionCounterAt(KEY, 1) >= 1n).toBe(true);
    expect(revisionCounterAt(KEY, MAX_T) > revisionCounterAt(KEY, MAX_T - 1)).toBe(true);
    for (const t of [0, -1, MAX_T + 1, 1.5, Number.NaN]) {
      expectRefusal('COUNTER_OUT_OF_RANGE', () => revisionCounterAt(KEY, t));
    }
  });

  test('a key has 32 bytes', () => {
    expect(createRevisionCounter(KEY).at(1)).toBe(counterByDefinition(KEY, 1));
    expectRefusal('BAD_LENGTH', () => createRevisionCounter(KEY.subarray(1)));
    expectRefusal('BAD_LENGTH', () => revisionCounterAt(new Uint8Array(33), 1));
  });
});

describe('the time that a counter tells', () => {
  const period = timePeriod(TOR_NETWORK, 20000);
  const origin = srvRunStart(TOR_NETWORK, period);

  test('it contains the second for which the counter was made', () => {
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(key, fc.integer({ min: 1, max: 172_800 }), (k, t) => {
        const { from, to } = counterTimeInterval(TOR_NETWORK, period, revisionCounterAt(k, t));
        expect(from).toBeLessThanOrEqual(origin + t - 1);
        expect(to).toBeGreaterThanOrEqual(origin + t);
      }),
    );
  });

  test('it is 2.9·√T wide on each side', () => {
    const t = 86_400;
    const { from, to } = counterTimeInterval(TOR_NETWORK, period, BigInt(Math.round(t * 32_768.5)));
    const margin = 2.9 * Math.sqrt(t);
    expect(from - origin).toBeCloseTo(t - 1 - margin, -1);
    expect(to - origin).toBeCloseTo(t + margin, -1);
  });

  test('it starts at the shared random run of the period, in test networks too', () => {
    const v10 = testNetwork('v10', 10);
    const testPeriod = timePeriod(v10, 5_000_000);
    expect(counterTimeInterval(v10, testPeriod, 1n)).toEqual({
      from: srvRunStart(v10, testPeriod),
      to: srvRunStart(v10, testPeriod) + 1,
    });
  });

  test('it leaves out seconds that no keystream could give', () => {
    // 65537 is more than one step and less than 65538 of them.
    expect(counterTimeInterval(TOR_NETWORK, period, 65_536n).from).toBe(origin);
    expect(counterTimeInterval(TOR_NETWORK, period, 65_537n).from).toBe(origin + 1);
    expect(counterTimeInterval(TOR_NETWORK, period, 3n).to).toBe(origin + 3);
  });

  test('the largest counter is five standard deviations beyond the last second', () => {
    const largest = BigInt(Math.floor((MAX_T + 2.9 * Math.sqrt(MAX_T)) * 32_768.5));
    expect(counterTimeInterval(TOR_NETWORK, period, largest - 1n).to).toBe(origin + MAX_T);
    expectRefusal('COUNTER_OUT_OF_RANGE', () => counterTimeInterval(TOR_NETWORK, period, largest + 1n));
    for (const beyond of [2n ** 34n, 2n ** 53n + 1n, 2n ** 64n]) {
      expectRefusal('COUNTER_OUT_OF_RANGE', () => counterTimeInterval(TOR_NETWORK, period, beyond));
    }
  });

  test('a counter that no second has is refused', () => {
    const last = BigInt(Math.round(MAX_T * 32_768.5));
    expect(counterTimeInterval(TOR_NETWORK, period, last).to).toBe(origin + MAX_T);
    for (const counter of [0n, -1n, 2n * last, 2n ** 64n - 1n]) {
      expectRefusal('COUNTER_OUT_OF_RANGE', () => counterTimeInterval(TOR_NETWORK, period, counter));
    }
  });
});
