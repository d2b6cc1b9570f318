import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AvailablePoint,
  type ChoiceLimits,
  choosePoints,
  type Rng,
  sharingBackends,
} from '../../src/publisher/choose.ts';

const LIMITS: ChoiceLimits = { minPoints: 1, maxPoints: 20, minBackends: 1, maxPointsPerBackend: 20 };

function points(backend: string, count: number): AvailablePoint[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `${backend}-${index}`,
    authKey: `auth of ${backend}-${index}`,
    backend,
    evidence: backend,
    index,
  }));
}

/** A small linear congruential generator: the same numbers in every run. */
function seeded(seed: number): Rng {
  let state = seed;
  return below => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

function chosen(...arguments_: Parameters<typeof choosePoints>): readonly AvailablePoint[] {
  const choice = choosePoints(...arguments_);
  if (!choice.ok) throw new Error(choice.rule);
  return choice.points;
}

const perBackend = (choice: readonly AvailablePoint[]): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(choice, ({ backend }) => backend)].map(([name, all]) => [name, all.length]),
  );

describe('The choice of points', () => {
  it('takes all points where there is room.', () => {
    const all = [...points('a', 3), ...points('b', 3)];
    expect(new Set(chosen(all, [], LIMITS, seeded(1)))).toEqual(new Set(all));
  });

  it('gives every backend an equal share of the room.', () => {
    const all = [...points('a', 20), ...points('b', 20), ...points('c', 20)];
    const shares = Object.values(perBackend(chosen(all, [], LIMITS, seeded(1))));
    expect(shares.sort((a, b) => a - b)).toEqual([6, 7, 7]);
  });

  it('gives no backend more than its share because another has few.', () => {
    const all = [...points('a', 20), ...points('b', 1)];
    expect(perBackend(chosen(all, [], LIMITS, seeded(1)))).toEqual({ a: 10, b: 1 });
  });

  it('gives no backend more than policy allows one, where policy says so.', () => {
    const all = [...points('a', 20), ...points('b', 2)];
    const limits = { ...LIMITS, maxPointsPerBackend: 3 };
    expect(perBackend(chosen(all, [], limits, seeded(1)))).toEqual({ a: 3, b: 2 });
    const refused = choosePoints(all, [], { ...limits, minPoints: 6 }, seeded(1));
    expect(refused).toMatchObject({ ok: false, rule: 'POINT-COUNT', observed: 5 });
  });

  it('keeps what was published, in its order, when nothing is new.', () => {
    const all = [...points('a', 12), ...points('b', 12)];
    const first = chosen(all, [], LIMITS, seeded(1)).map(({ key }) => key);
    const second = chosen([...all].reverse(), first, LIMITS, seeded(99)).map(({ key }) => key);
    expect(second).toEqual(first);
  });

  it('replaces one lost point and leaves the others in their order.', () => {
    const all = [...points('a', 3), ...points('b', 3)];
    const first = chosen(all, [], LIMITS, seeded(1)).map(({ key }) => key);
    const changed = [...all.filter(({ key }) => key !== 'a-1'), { ...points('a', 9)[8]! }];
    const second = chosen(changed, first, LIMITS, seeded(2)).map(({ key }) => key);
    expect(second).toContain('a-8');
    expect(second.filter(key => key !== 'a-8')).toEqual(first.filter(key => key !== 'a-1'));
  });

  it('gives the same answer for the same random numbers, whatever the order of the input.', () => {
    const all = [...points('a', 20), ...points('b', 20)];
    expect(chosen([...all].reverse(), [], LIMITS, seeded(7))).toEqual(chosen(all, [], LIMITS, seeded(7)));
    expect(chosen(all, [], LIMITS, seeded(8))).not.toEqual(chosen(all, [], LIMITS, seeded(7)));
  });

  it('does not sort points by backend.', () => {
    const all = [...points('a', 5), ...points('b', 5)];
    const orders = new Set(
      Array.from({ length: 40 }, (_, seed) =>
        chosen(all, [], LIMITS, seeded(seed * 7919 + 1))
          .map(p => p.backend)
          .join(''),
      ),
    );
    expect(orders.size).toBeGreaterThan(20);
  });

  it('takes a point that stands twice only once.', () => {
    expect(chosen([...points('a', 2), ...points('a', 2)], [], LIMITS, seeded(1))).toHaveLength(2);
  });

  describe('with a backend that lists what others list', () => {
    const limits = { ...LIMITS, minBackends: 2 };
    /** The same points as if `thief` had signed for them; with `ending` their other keys are not the same. */
    const copied = (thief: string, victims: readonly AvailablePoint[], ending = ''): AvailablePoint[] =>
      victims.map((point, index) => ({
        ...point,
        key: `${point.key}${ending}`,
        backend: thief,
        evidence: thief,
        index: 10 + index,
      }));

    it.each(['a', 'z'])('leaves the others theirs, whatever it is called (%s).', thief => {
      const honest = [...points('m', 3), ...points('n', 3)];
      const all = [...honest, ...points(thief, 3), ...copied(thief, honest)];
      expect(perBackend(chosen(all, [], limits, seeded(1)))).toEqual({ m: 3, n: 3, [thief]: 3 });
    });

    it.each(['a', 'z'])('takes no auth key twice, and the keys of the others from them (%s).', thief => {
      const honest = [...points('m', 3), ...points('n', 3)];
      const all = [...points(thief, 3), ...copied(thief, honest, ' with another enc-key'), ...honest];
      const choice = chosen(all, [], limits, seeded(1));
      expect(new Set(choice.map(({ authKey }) => authKey)).size).toBe(choice.length);
      expect(choice.map(({ key }) => key).sort()).toEqual(
        [...honest, ...points(thief, 3)].map(({ key }) => key).sort(),
      );
    });

    it('keeps the point that was published before, even where the copy is one of few.', () => {
      const honest = points('m', 3);
      const thief = copied('a', honest.slice(0, 1), ' with another enc-key');
      const published = honest.map(({ key }) => key);
      const choice = chosen([...thief, ...honest], published, LIMITS, seeded(1));
      expect(choice.map(({ key }) => key)).toEqual(published);
    });

    it('says who they are, and nothing of backends that share nothing.', () => {
      const honest = [...points('m', 3), ...points('n', 3)];
      expect(sharingBackends(honest)).toEqual([]);
      expect(sharingBackends([...honest, ...points('m', 2)])).toEqual([]);
      expect(sharingBackends([...honest, ...copied('a', points('n', 1), ' changed')])).toEqual(['a', 'n']);
    });
  });

  it.each([
    [
      'too few backends',
      points('a', 3),
      { ...LIMITS, minBackends: 2 },
      { rule: 'MIN-BACKENDS', observed: 1, limit: 2 },
    ],
    ['no backend at all', [], LIMITS, { rule: 'MIN-BACKENDS', observed: 0, limit: 1 }],
    [
      'too few points',
      points('a', 2),
      { ...LIMITS, minPoints: 3 },
      { rule: 'POINT-COUNT', observed: 2, limit: 3 },
    ],
    [
      'no room for all backends that are wanted',
      [...points('a', 2), ...points('b', 2)],
      { minPoints: 1, maxPoints: 1, minBackends: 2 },
      { rule: 'MIN-BACKENDS', observed: 1, limit: 2 },
    ],
  ])('is none with %s.', (_, available, limits, denial) => {
    expect(choosePoints(available, [], limits, seeded(1))).toEqual({ ok: false, ...denial });
  });

  it('always fits the limits, has no point twice and invents none.', () => {
    const backend = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      count: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(
        fc.array(backend, { maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(),
        (backends, max, seed) => {
          const all = backends.flatMap(({ name, count }) => points(name, count));
          const limits = { minPoints: 1, maxPoints: max, minBackends: 1 };
          const choice = choosePoints(
            all,
            all.slice(0, 5).map(({ key }) => key),
            limits,
            seeded(seed + 1),
          );
          if (!choice.ok) return all.length === 0;
          const keys = choice.points.map(({ key }) => key);
          const shares = Object.values(perBackend(choice.points));
          return (
            keys.length <= max &&
            new Set(keys).size === keys.length &&
            keys.every(key => all.some(point => point.key === key)) &&
            Math.max(...shares) <= Math.ceil(max / new Set(all.map(point => point.backend)).size)
          );
        },
      ),
    );
  });
});
