import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/descriptor/bytes.ts';
import * as r from '../../src/descriptor/hsdir-ring.ts';
import {
  type KpHsBlindId,
  parseKpHsBlindId,
  parseRelayEd25519Id,
  parseRelayFingerprint,
  parseSharedRandomValue,
} from '../../src/descriptor/keys.ts';
import { sha256 } from '../../src/descriptor/primitives.ts';
import {
  TOR_NETWORK,
  currentRunStart,
  periodStart,
  testNetwork,
  timePeriod,
  timePeriodAt,
} from '../../src/descriptor/time.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const PERIOD_42 = timePeriod(TOR_NETWORK, 42);
const srv = parseSharedRandomValue(new Uint8Array(32).fill(0x43));
const kpHsBlindId = parseKpHsBlindId(fromHex(chain.kpHsBlindId));

describe('indices', () => {
  // tor, src/test/test_hs_common.c test_hs_indexes; arti, crates/tor-netdir/src/hsdir_ring.rs.
  // The vector's key is 32 times 42 (hexadecimal); the cast stands in for a parser, which asks for a point.
  test('the public vector of both indices is reproduced', () => {
    const vectorKey = new Uint8Array(32).fill(0x42) as KpHsBlindId;
    expect(toHex(r.hsIndex(vectorKey, 1, PERIOD_42))).toBe(
      '37e5cbbd56a22823714f18f1623ece5983a0d64c78495a8cfab854245e5f9a8a',
    );
    const id = parseRelayEd25519Id(new Uint8Array(32).fill(0x42));
    expect(toHex(r.hsdirIndex(id, srv, PERIOD_42))).toBe(
      'db475361014a09965e7e5e4d4a25b8f8d4b8f16cb1d8a7e95eed50249cc1a2d5',
    );
  });

  test('our own indices are reproduced', () => {
    const period = timePeriod(TOR_NETWORK, chain.periodNum);
    const indices = [1, 2].map(replica => toHex(r.hsIndex(kpHsBlindId, replica, period)));
    expect(indices).toEqual(chain.hsIndex);
  });

  // tor, src/test/test_shared_random.c, test_hs_common.c test_disaster_srv
  test('the disaster value of period 1 is that of tor', () => {
    expect(toHex(r.disasterSrv(timePeriod(TOR_NETWORK, 1)))).toBe(
      'f8a4948707653837fa44abb5bbc75a12f6f101e7f8faf699b9715f4965d3507d',
    );
  });
});

describe('which shared random value', () => {
  const current = parseSharedRandomValue(new Uint8Array(32).fill(1));
  const previous = parseSharedRandomValue(new Uint8Array(32).fill(2));
  const at = (text: string) => Date.parse(`${text}Z`) / 1000;
  const ring = (periodNum: number, validAfter: number) =>
    r.ringSrvFor(timePeriod(TOR_NETWORK, periodNum), {
      validAfter,
      srvCurrent: current,
      srvPrevious: previous,
      profile: TOR_NETWORK,
    });

  test.each([
    ['2024-10-04T00:00:00', 19999, 20000],
    ['2024-10-04T11:00:00', 19999, 20000],
    ['2024-10-04T12:00:00', 19999, 20000],
    ['2024-10-04T23:00:00', 19999, 20000],
    ['2024-10-05T00:00:00', 20000, 20001],
  ])('at %s period %i has the previous value and %i the current one', (moment, first, second) => {
    expect(ring(first, at(moment))).toEqual(previous);
    expect(ring(second, at(moment))).toEqual(current);
    expectRefusal('WRONG_PERIOD', () => ring(first - 1, at(moment)));
    expectRefusal('WRONG_PERIOD', () => ring(second + 1, at(moment)));
  });

  test('the rule is the table of the specification: N is the first period start after the run start', () => {
    const profile = fc.constantFrom(TOR_NETWORK, testNetwork('v10', 10), testNetwork('v20', 20));
    fc.assert(
      fc.property(profile, fc.integer({ min: 10 ** 5, max: 10 ** 6 }), (network, round) => {
        const v = network.votingIntervalSeconds;
        const validAfter = round * v;
        const runStart = validAfter - (round % 24) * v;
        expect(currentRunStart(network, validAfter)).toBe(runStart);
        const tp = timePeriodAt(network, validAfter).periodNum;
        const nextStart = periodStart(timePeriod(network, timePeriodAt(network, runStart).periodNum + 1));
        const betweenTpAndSrv = !(runStart <= validAfter && validAfter < nextStart);
        const [first, second] = betweenTpAndSrv ? [tp - 1, tp] : [tp, tp + 1];
        const consensus = { validAfter, srvCurrent: current, srvPrevious: previous, profile: network };
        expect(r.ringSrvFor(timePeriod(network, first), consensus)).toEqual(previous);
        expect(r.ringSrvFor(timePeriod(network, second), consensus)).toEqual(current);
      }),
    );
  });

  test('where the consensus has no value the disaster value of the wanted period stands in', () => {
    const consensus = { validAfter: at('2024-10-04T12:00:00'), profile: TOR_NETWORK };
    const [first, second] = [timePeriod(TOR_NETWORK, 19999), timePeriod(TOR_NETWORK, 20000)];
    expect(r.ringSrvFor(first, { ...consensus, srvCurrent: current })).toEqual(r.disasterSrv(first));
    expect(r.ringSrvFor(second, { ...consensus, srvPrevious: previous })).toEqual(r.disasterSrv(second));
    expect(r.ringSrvFor(second, { ...consensus, srvCurrent: current })).toEqual(current);
  });
});

describe('responsible relays', () => {
  const relay = (n: number): r.HsDirNode => ({
    fingerprint: parseRelayFingerprint(sha256(Uint8Array.of(1, n >> 8, n & 255)).subarray(0, 20)),
    ed25519Id: parseRelayEd25519Id(sha256(Uint8Array.of(2, n >> 8, n & 255))),
  });
  const nodes = Array.from({ length: 60 }, (_, n) => relay(n));
  const query = { nodes, kpHsBlindId, period: PERIOD_42, srv, replicas: 2, spread: 4 };
  const hex = (list: readonly Uint8Array[]) => list.map(toHex);

  /** The rule as a walk around the clock, one distance at a time. */
  function byDistance({ nodes: all, replicas, spread }: r.RingQuery): string[] {
    const chosen: string[] = [];
    const turn = 2n ** 256n;
    for (let replica = 1; replica <= replicas; replica++) {
      const from = BigInt(`0x${toHex(r.hsIndex(kpHsBlindId, replica, PERIOD_42))}`);
      const walk = all
        .map(node => {
          const place = BigInt(`0x${toHex(r.hsdirIndex(node.ed25519Id, srv, PERIOD_42))}`);
          return { id: toHex(node.fingerprint), distance: (place - from + turn) % turn };
        })
        .filter(({ id }) => !chosen.includes(id))
        .sort((a, b) => (a.distance < b.distance ? -1 : 1));
      chosen.push(...walk.slice(0, spread).map(({ id }) => id));
    }
    return chosen;
  }

  test('each replica takes the next relays around the ring that no earlier one took', () => {
    const sizes = fc.record({
      nodes: fc.shuffledSubarray(nodes, { minLength: 1 }),
      replicas: fc.integer({ min: 1, max: 16 }),
      spread: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(sizes, size => {
        const sized = { ...query, ...size };
        expect(hex(r.responsibleHsDirs(sized))).toEqual(byDistance(sized));
      }),
    );
  });

  test('the order in which the consensus lists relays does not matter', () => {
    expect(r.responsibleHsDirs({ ...query, nodes: nodes.toReversed() })).toEqual(r.responsibleHsDirs(query));
    expect(r.responsibleHsDirs(query)).toHaveLength(8);
  });

  test('a small ring gives every relay once, an empty one none', () => {
    const few = nodes.slice(0, 5);
    expect(hex(r.responsibleHsDirs({ ...query, nodes: few })).sort()).toEqual(
      hex(few.map(node => node.fingerprint)).sort(),
    );
    expect(r.responsibleHsDirs({ ...query, nodes: [] })).toEqual([]);
    expect(r.responsibleHsDirs({ ...query, nodes: [...few, ...few] })).toHaveLength(5);
  });

  test('replicas are 1 to 16 and the spread is 1 to 128', () => {
    expect(r.responsibleHsDirs({ ...query, replicas: 16, spread: 128 })).toHaveLength(60);
    expect(r.responsibleHsDirs({ ...query, replicas: 1, spread: 1 })).toHaveLength(1);
    for (const replicas of [0, 17, 1.5]) {
      expectRefusal('BAD_INTEGER', () => r.responsibleHsDirs({ ...query, replicas }));
    }
    for (const spread of [0, 129, Number.NaN]) {
      expectRefusal('BAD_INTEGER', () => r.responsibleHsDirs({ ...query, spread }));
    }
  });
});
