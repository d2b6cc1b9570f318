import { describe, expect, test } from 'vitest';
import { CERTAIN_T, SUSPICIOUS_T, TimingTest, worstOf } from '../../bench/timing-test.ts';

/** Times as a machine gives them: a floor, a little jitter, and now and then an interruption; the same in every run. */
function* times(): Generator<number, never> {
  let state = 88_172_645_463_325_252n;
  const random = (): number => {
    state ^= (state << 13n) & 0xffff_ffff_ffff_ffffn;
    state ^= state >> 7n;
    state ^= (state << 17n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
  for (;;) yield 70_000 + 2000 * random() + (random() < 0.02 ? 4_000_000 * random() : 0);
}

/** The verdict on two classes, of which the second is what `change` makes of a time. */
function verdictOn(change: (time: number) => number, samples = 20_000) {
  const source = times();
  const calibration = Array.from({ length: 2000 }, () => source.next().value);
  const timing = new TimingTest(calibration, 1000);
  for (let i = 0; i < samples; i += 1) {
    timing.add(0, source.next().value);
    timing.add(1, change(source.next().value));
  }
  return timing.verdict;
}

describe('the comparison of two classes of times', () => {
  test('sees nothing where there is nothing', () => {
    const verdict = verdictOn(time => time);
    expect(verdict.counts).toEqual([20_000, 20_000]);
    expect(worstOf(verdict)).toBeLessThan(SUSPICIOUS_T);
  });

  test('sees a difference of one part in two thousand among interruptions that hide it from a plain mean', () => {
    const verdict = verdictOn(time => time + 35);
    expect(Math.abs(verdict.t)).toBeLessThan(SUSPICIOUS_T);
    expect(verdict.croppedT).toBeLessThan(-SUSPICIOUS_T);
    expect(verdict.croppedPart).toBeLessThan(1);
  });

  test('sees a difference of the spread alone', () => {
    const verdict = verdictOn((time, middle = 71_000) => middle + 1.2 * (time - middle));
    expect(worstOf(verdict)).toBeGreaterThan(CERTAIN_T);
  });

  test('says nothing of few samples', () => {
    expect(worstOf(verdictOn(time => 2 * time, 500))).toBe(0);
  });
});
