import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testNetwork } from '../../src/descriptor/time.ts';
import { type TorNetwork, startTorNetwork } from '../tor-network/tor-network.ts';
import { differ } from './differential/differ.ts';
import { type Verdicts, disagreementsOf, explain } from './differential/disagree.ts';
import { KINDS } from './differential/make.ts';
import { REASONS, formatRow } from './differential/reasons.ts';

// DIFFERENTIAL_MUTANTS: how many; every kind once when not given. DIFFERENTIAL_SEED: which.
const { DIFFERENTIAL_MUTANTS = String(KINDS.length), DIFFERENTIAL_SEED = 'differential' } = process.env;
const VOTING_INTERVAL = 10;
const LONG = 600_000;
const VERY_LONG = 3_600_000;

describe('Mutants of descriptors before stock tor, stem and our reader', () => {
  let network: TorNetwork;
  let all: Verdicts[];

  beforeAll(async () => {
    network = await startTorNetwork({
      backends: 0,
      votingIntervalSeconds: VOTING_INTERVAL,
      consensusParams: 'sparse',
    });
    const profile = testNetwork('private', VOTING_INTERVAL);
    ({ all } = await differ(network, profile, DIFFERENTIAL_SEED, Number(DIFFERENTIAL_MUTANTS)));
  }, VERY_LONG);
  afterAll(async () => network.stop(), LONG);

  test('are judged differently for known reasons only', () => {
    expect(all).toHaveLength(Number(DIFFERENTIAL_MUTANTS));
    expect(explain(all, REASONS).unexplained).toEqual([]);
  });

  test('are taken by all three, or by none, where nothing or everything is wrong', () => {
    const verdictsOf = (kind: string) => all.filter(each => each.kind === kind);
    for (const { tor, stem, ours } of verdictsOf('outer: nothing')) {
      expect({ tor, stem: stem.whole, ours: ours.whole }).toEqual({
        tor: { outer: true, whole: true, point: undefined },
        stem: true,
        ours: 'taken',
      });
    }
    for (const { tor } of verdictsOf('point: nothing'))
      expect(tor).toMatchObject({ whole: true, point: true });
    for (const { tor, stem, ours } of verdictsOf('signature: by a stranger')) {
      expect({ tor: tor.outer, stem: stem.outer, ours: ours.outer }).toEqual({
        tor: false,
        stem: false,
        ours: 'BAD_SIGNATURE',
      });
    }
    // Tor's client sees what its directories cannot, and of points what it does not tell.
    for (const { tor } of verdictsOf('middle: no client line'))
      expect(tor).toMatchObject({ outer: true, whole: false });
    for (const { tor } of verdictsOf('certificate 09: by a stranger who names itself'))
      expect(tor).toMatchObject({ whole: true, point: false });
    const agreed = all.filter(each => disagreementsOf(each).length === 0);
    expect(agreed.filter(({ ours }) => ours.whole === 'taken').length).toBeGreaterThan(all.length / 20);
    expect(agreed.filter(({ ours }) => ours.whole !== 'taken').length).toBeGreaterThan(all.length / 5);
  });

  test('lose their explanation with any reason that occurs', () => {
    const { counts } = explain(all, REASONS);
    const occurring = REASONS.filter(({ id }) => (counts.get(id) ?? 0) > 0);
    expect(occurring.length).toBeGreaterThan(REASONS.length / 2);
    for (const { id } of occurring) {
      // Another reason, listed later, may explain some of them as well; it then counts more.
      const without = explain(
        all,
        REASONS.filter(each => each.id !== id),
      );
      expect(
        [...without.counts].filter(([other, count]) => count !== counts.get(other)).length +
          without.unexplained.length,
        id,
      ).toBeGreaterThan(0);
    }
  });
});

describe('The judge of disagreements', () => {
  const agreeing: Verdicts = {
    serial: 0,
    kind: 'outer: lifetime below 30',
    tor: { outer: true, whole: true, point: undefined },
    stem: { outer: true, whole: true },
    ours: { outer: 'taken', whole: 'taken' },
  };
  const refusing = { ...agreeing, ours: { outer: 'BAD_INTEGER', whole: 'BAD_INTEGER' } } as const;

  test('finds none where all agree', () => {
    expect(disagreementsOf(agreeing)).toEqual([]);
    const none = { outer: false, whole: undefined, point: undefined };
    expect(disagreementsOf({ ...refusing, tor: none, stem: { outer: false, whole: false } })).toEqual([]);
  });

  test.each<[string, Partial<Verdicts>]>([
    ['tor refuses, we take', { tor: { outer: false, whole: undefined, point: undefined } }],
    ['tor refuses, we take', { tor: { outer: true, whole: false, point: undefined } }],
    ['tor refuses, we take', { tor: { outer: true, whole: true, point: false } }],
    ['stem refuses, we take', { stem: { outer: true, whole: false } }],
    ['stem refuses, we take', { stem: { outer: false, whole: false } }],
  ])('finds that %s, and no reason for it: %#', (relation, verdicts) => {
    const found = disagreementsOf({ ...agreeing, ...verdicts });
    expect(found.map(each => each.relation)).toEqual([relation]);
    expect(explain([{ ...agreeing, ...verdicts }], REASONS).unexplained).toHaveLength(1);
  });

  test('explains what a reason covers, by its kind and code alone', () => {
    expect(explain([refusing], REASONS).unexplained).toEqual([]);
    expect(explain([refusing], []).unexplained).toHaveLength(2);
    // What stem takes is explained without a code.
    expect(explain([{ ...refusing, kind: 'outer: nothing' }], REASONS).unexplained).toHaveLength(1);
    const other = { ...refusing, ours: { outer: 'BAD_MAC', whole: 'BAD_MAC' } } as const;
    expect(explain([other], REASONS).unexplained).toHaveLength(1);
  });
});

describe('The table of reasons', () => {
  test('names each reason once, and each kind of mutants', () => {
    expect(new Set(REASONS.map(({ id }) => id)).size).toBe(REASONS.length);
    expect(new Set(KINDS.map(({ name }) => name)).size).toBe(KINDS.length);
    for (const { id, kinds } of REASONS)
      expect(
        KINDS.some(({ name }) => kinds.test(name)),
        id,
      ).toBe(true);
  });

  test('has what tor refuses and we take by name only', () => {
    const lax = REASONS.filter(({ relation }) => relation === 'tor refuses, we take');
    expect(lax.map(({ id }) => id)).toEqual(['sendme-inc', 'legacy-keys']);
  });

  test('stands in docs/fidelity.md', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/fidelity.md'), 'utf8');
    const rows = page.split('\n').filter(line => /^\| `[a-z-]+` \|/u.test(line));
    const withoutCount = rows.map(row => row.replace(/(?<=\|) \d+ \|$/u, ''));
    expect(withoutCount).toEqual(REASONS.map(reason => formatRow(reason)));
  });
});
