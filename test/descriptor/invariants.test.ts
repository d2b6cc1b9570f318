import { describe, expect, test } from 'vitest';
import {
  INVARIANTS,
  TOR_NETWORK,
  checkHorizon,
  checkIntroProvenance,
  checkOnePerSecond,
  checkPeriodWindow,
  checkPointUnique,
  proveEvidence,
  resolvePoints,
} from '../../src/descriptor/index.ts';
import { NOON, PERIOD, forge } from './forge.ts';

const { text, kpHsId } = forge();
const EVIDENCE = proveEvidence(text, { backend: kpHsId, profile: TOR_NETWORK, periods: [PERIOD] });
const PROVEN = new Map([[EVIDENCE.digest, EVIDENCE]]);
const from = NOON - 43_200;
const to = NOON + 129_600;

describe('INTRO-PROVENANCE', () => {
  const ref = (index: number, evidence = EVIDENCE.digest) => ({ evidence, index });

  test('points that stand in proven evidence are let through, in the order asked for', () => {
    expect(checkIntroProvenance([ref(2), ref(0)], PROVEN)).toBeUndefined();
    expect(resolvePoints([ref(2), ref(0)], PROVEN)).toEqual([EVIDENCE.points[2], EVIDENCE.points[0]]);
    expect(checkIntroProvenance([], PROVEN)).toBeUndefined();
  });

  test.each([
    ['an index past the end', ref(3)],
    ['a negative index', ref(-1)],
    ['a broken index', ref(0.5)],
    ['no number', ref(Number.NaN)],
    ['evidence that was not proven', ref(0, 'f'.repeat(64))],
    ['no evidence', ref(0, '')],
  ])('%s is denied', (_, bad) => {
    expect(checkIntroProvenance([ref(0), bad], PROVEN)).toMatchObject({
      rule: INVARIANTS.introProvenance,
      observed: expect.stringContaining('point 1 ') as string,
    });
  });
});

describe('POINT-UNIQUE', () => {
  const [a, b] = EVIDENCE.points;

  test('different points are let through, the same point twice is denied', () => {
    expect(checkPointUnique([a!, b!])).toBeUndefined();
    expect(checkPointUnique([a!, b!, { ...a! }])?.rule).toBe('POINT-UNIQUE');
  });

  test('points that differ in one field are different', () => {
    expect(checkPointUnique([a!, { ...a!, linkSpecifiers: b!.linkSpecifiers }])).toBeUndefined();
  });
});

describe('PERIOD-WINDOW', () => {
  test.each([from, NOON, to - 1])('second %i is in the window', second => {
    expect(checkPeriodWindow(TOR_NETWORK, PERIOD, second)).toBeUndefined();
  });

  test.each([from - 1, to, Number.NaN, Number.POSITIVE_INFINITY])('second %d is not', second => {
    expect(checkPeriodWindow(TOR_NETWORK, PERIOD, second)?.rule).toBe('PERIOD-WINDOW');
  });
});

describe('HORIZON', () => {
  const ahead = 3 * 86_400;

  test.each([from - ahead, from, to - 1])('at %i the period may be certified', now => {
    expect(checkHorizon(TOR_NETWORK, now, ahead, PERIOD)).toBeUndefined();
  });

  test.each([from - ahead - 1, to, Number.NaN])('at %d it may not', now => {
    expect(checkHorizon(TOR_NETWORK, now, ahead, PERIOD)?.rule).toBe('HORIZON');
  });
});

describe('ONE-PER-SECOND', () => {
  const spent = new Set([NOON]);

  test('a fresh second is let through, a spent one is denied', () => {
    expect(checkOnePerSecond(spent, NOON + 1)).toBeUndefined();
    expect(checkOnePerSecond(spent, NOON)?.rule).toBe('ONE-PER-SECOND');
  });

  test.each([NOON + 0.5, Number.NaN, 2 ** 60])('%d is no second', second => {
    expect(checkOnePerSecond(spent, second)?.rule).toBe('ONE-PER-SECOND');
  });
});
