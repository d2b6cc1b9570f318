import { describe, expect, test } from 'vitest';
import {
  INVARIANTS,
  TOR_NETWORK,
  checkCounterCeiling,
  checkHorizon,
  checkIntroProvenance,
  checkIntroShare,
  checkMinBackends,
  checkOnePerSecond,
  checkPeriodWindow,
  checkPointUnique,
  checkRunway,
  checkVariant,
  invariants,
  proveEvidence,
  resolvePoints,
  revisionCounterAt,
  srvRunStart,
} from '../../src/descriptor/index.ts';
import { NOON, PERIOD, forge, noise } from './forge.ts';

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

  test('points that differ in one field are different, but share no auth key', () => {
    expect(checkPointUnique([a!, { ...a!, authKey: b!.authKey }])).toBeUndefined();
    expect(checkPointUnique([a!, { ...a!, linkSpecifiers: b!.linkSpecifiers }])).toMatchObject({
      rule: 'POINT-UNIQUE',
      observed: 'the auth key of point 1 stands there before',
    });
  });
});

describe('limits on backends', () => {
  const other = forge({ label: 'another backend' });
  const second = proveEvidence(other.text, {
    backend: other.kpHsId,
    profile: TOR_NETWORK,
    periods: [PERIOD],
  });
  const both = new Map([...PROVEN, [second.digest, second] as const]);
  const refs = (own: number, others: number) => [
    ...Array.from({ length: own }, (_, index) => ({ evidence: EVIDENCE.digest, index })),
    ...Array.from({ length: others }, (_, index) => ({ evidence: second.digest, index })),
  ];

  test('MIN-BACKENDS counts the backends whose points are taken, not those that were proven', () => {
    expect(checkMinBackends(refs(2, 1), both, 2)).toBeUndefined();
    expect(checkMinBackends(refs(3, 0), both, 2)).toEqual({
      rule: 'MIN-BACKENDS',
      observed: '1',
      limit: 'at least 2',
    });
    expect(checkMinBackends(refs(2, 1), PROVEN, 2)?.observed).toBe('1');
  });

  test('INTRO-SHARE counts the points of each backend', () => {
    expect(checkIntroShare(refs(2, 2), both, 2)).toBeUndefined();
    expect(checkIntroShare(refs(1, 3), both, 2)).toMatchObject({ rule: 'INTRO-SHARE', limit: 'at most 2' });
    expect(checkIntroShare([], both, 1)).toBeUndefined();
  });
});

describe('EVIDENCE-AGE', () => {
  const rule = (now: number) => invariants.checkEvidencePeriod(EVIDENCE, TOR_NETWORK, now)?.rule;

  test('evidence counts while its period is published', () => {
    expect([from, to - 1].map(rule)).toEqual([undefined, undefined]);
    expect([from - 1, to, Number.NaN].map(rule)).toEqual(['EVIDENCE-AGE', 'EVIDENCE-AGE', 'EVIDENCE-AGE']);
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

test('VARIANT: there is one', () => {
  expect(checkVariant(0)).toBeUndefined();
  for (const variant of [1, -1, 0.5, Number.NaN, 65_535]) expect(checkVariant(variant)?.rule).toBe('VARIANT');
});

describe('RUNWAY', () => {
  test.each([NOON - 2, NOON, NOON + 60])('second %i may be signed for', second => {
    expect(checkRunway(second, NOON, 60)).toBeUndefined();
  });

  test.each([NOON - 3, NOON + 61, Number.NaN])('second %d may not', second => {
    expect(checkRunway(second, NOON, 60)?.rule).toBe('RUNWAY');
  });
});

describe('COUNTER-CEILING', () => {
  const rule = (counter: bigint) => checkCounterCeiling(TOR_NETWORK, PERIOD, counter)?.rule;
  const last = to - srvRunStart(TOR_NETWORK, PERIOD);

  test('every counter of the window is below it, with room for five deviations', () => {
    for (const label of ['a', 'b', 'c'])
      expect([1, 40_000, last].map(t => rule(revisionCounterAt(noise(label, 32), t)))).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
  });

  test('what would lock the period is beyond it', () => {
    const ceiling = BigInt(checkCounterCeiling(TOR_NETWORK, PERIOD, 0n)?.limit.split(' ').at(-1) ?? 0);
    expect([rule(ceiling), rule(ceiling + 1n)]).toEqual([undefined, 'COUNTER-CEILING']);
    expect(rule(2n ** 64n - 1n)).toBe('COUNTER-CEILING');
    expect(Number(ceiling) / (last * 32_768.5)).toBeLessThan(1.01);
  });
});
