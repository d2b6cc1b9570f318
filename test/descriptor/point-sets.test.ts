import { expect, test } from 'vitest';
import {
  PointSets,
  TOR_NETWORK,
  pointSetName,
  proveEvidence,
  testNetwork,
} from '../../src/descriptor/index.ts';
import { PERIOD, forge } from './forge.ts';

const { text, kpHsId } = forge();
const { points } = proveEvidence(text, { backend: kpHsId, profile: TOR_NETWORK, periods: [PERIOD] });
const NOW = 1_750_000_000;

test('a set has one name whatever its order, and another for each other set', () => {
  expect(pointSetName(points.toReversed())).toBe(pointSetName(points));
  const names = [points, points.slice(1), points.slice(0, 1), []].map(pointSetName);
  expect(new Set(names).size).toBe(4);
});

test('as many sets as the limit are let through in an hour, and each of them again', () => {
  const sets = new PointSets(TOR_NETWORK);
  for (const name of ['a', 'b']) {
    expect(sets.check(name, 2, NOW)).toBeUndefined();
    sets.note(name, NOW);
  }
  expect(sets.check('c', 2, NOW + 3599)).toMatchObject({ rule: 'CONTENT-CHURN', limit: '2/h' });
  expect(sets.check('c', 3, NOW + 3599)).toBeUndefined();
  expect(sets.check('a', 2, NOW + 3599)).toBeUndefined();
  sets.note('a', NOW + 3599);
  expect(sets.check('c', 2, NOW + 3600)).toBeUndefined();
  expect(sets.check('c', 1, NOW + 3600)?.rule).toBe('CONTENT-CHURN');
});

test('what was refused is not counted, and a clock that steps back locks nothing', () => {
  const sets = new PointSets(TOR_NETWORK);
  sets.note('a', NOW);
  for (let i = 0; i < 5; i += 1) expect(sets.check('b', 1, NOW)?.rule).toBe('CONTENT-CHURN');
  expect(sets.check('b', 2, NOW)).toBeUndefined();
  expect(sets.check('b', 1, NOW - 1)).toBeUndefined();
});

test('an hour of a test network is its voting interval', () => {
  const sets = new PointSets(testNetwork('lab', 20));
  sets.note('a', NOW);
  expect(sets.check('b', 1, NOW + 19)?.rule).toBe('CONTENT-CHURN');
  expect(sets.check('b', 1, NOW + 20)).toBeUndefined();
});
