import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, fromHex, toHex } from '../../src/descriptor/bytes.ts';
import {
  type RingConsensus,
  disasterSrv,
  responsibleHsDirs,
  ringSrvFor,
} from '../../src/descriptor/hsdir-ring.ts';
import {
  parseKpHsBlindId,
  parseRelayEd25519Id,
  parseRelayFingerprint,
  parseSharedRandomValue,
} from '../../src/descriptor/keys.ts';
import { sha256 } from '../../src/descriptor/primitives.ts';
import * as t from '../../src/descriptor/time.ts';
import lengths from '../vectors/period-lengths.json' with { type: 'json' };
import rings from '../vectors/hash-ring.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const PYTHON = '/usr/bin/python3';
const label = (text: string) => sha256(asciiBytes(text));
const srvOf = (text: string) => parseSharedRandomValue(label(text));

/** What the generator beside a file of vectors makes now. */
function regenerate(name: string): unknown {
  const script = fileURLToPath(new URL(`../vectors/${name}.py`, import.meta.url));
  const run = spawnSync(PYTHON, [script], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`install python3: ${run.stderr}`);
  return JSON.parse(run.stdout);
}

test.each([
  ['hash-ring', rings],
  ['period-lengths', lengths],
])('%s.json is what its generator makes', (name, vectors) => {
  expect(regenerate(name)).toEqual(vectors);
});

describe.each(rings.networks)('V = $votingInterval s, a period of $periodLength min', network => {
  const profile = t.ringNetwork('x', network.votingInterval, network.periodLength);
  const kpHsBlindId = parseKpHsBlindId(fromHex(rings.blindedKey));
  const nodes = Array.from({ length: rings.nodes }, (_, n) => ({
    fingerprint: parseRelayFingerprint(new Uint8Array(20).fill(n)),
    ed25519Id: parseRelayEd25519Id(label(`node ${n}`)),
  }));

  test.each(network.moments)('is read as by another implementation at $validAfter', moment => {
    const { validAfter, first, second, replicas, spread } = moment;
    const [firstPeriod, secondPeriod] = [first, second].map(n => t.timePeriod(profile, n));
    const consensus: RingConsensus = {
      profile,
      validAfter,
      srvCurrent: srvOf(`current ${validAfter}`),
      srvPrevious: srvOf(`previous ${validAfter}`),
    };
    const stored = (period: t.TimePeriod, said: RingConsensus) =>
      responsibleHsDirs({
        nodes,
        kpHsBlindId,
        period,
        srv: ringSrvFor(period, said),
        replicas,
        spread,
      }).map(([n]) => n);

    expect(t.timePeriodAt(profile, validAfter).periodNum).toBe(moment.now);
    expect(t.periodStart(t.timePeriod(profile, moment.now))).toBe(moment.start);
    expect(t.publishablePeriods(profile, validAfter)).toEqual([firstPeriod, secondPeriod]);
    // Clients ask for the period of now, wherever it stands.
    expect(moment.asked).toBe(moment.now);
    expect(stored(firstPeriod!, consensus)).toEqual(moment.onFirst);
    expect(stored(secondPeriod!, consensus)).toEqual(moment.onSecond);
    expect(toHex(disasterSrv(secondPeriod!))).toBe(moment.disaster);
    expect(stored(secondPeriod!, { ...consensus, srvCurrent: undefined })).toEqual(moment.onDisaster);
    for (const n of [first - 1, second + 1]) {
      expectRefusal('WRONG_PERIOD', () => ringSrvFor(t.timePeriod(profile, n), consensus));
    }
  });
});

describe('any length', () => {
  const minutes = fc.oneof(fc.constantFrom(4, 14_400), fc.integer({ min: 4, max: 14_400 }));
  const interval = fc.integer({ min: 2, max: 720 }).map(n => 5 * n);

  test('a period contains its first second and not its end, and two neighbours are published', () => {
    fc.assert(
      fc.property(interval, minutes, fc.nat(2 ** 25), (v, length, periodNum) => {
        const network = t.ringNetwork('x', v, length);
        const start = t.periodStart(t.timePeriod(network, periodNum));
        expect(t.timePeriodAt(network, start).periodNum).toBe(periodNum);
        expect(t.timePeriodAt(network, start + length * 60 - 1).periodNum).toBe(periodNum);
        expect(t.timePeriodAt(network, start + length * 60).periodNum).toBe(periodNum + 1);
        const published = t.publishablePeriods(network, start).map(p => p.periodNum);
        expect(published).toContain(periodNum);
        expect(published.at(-1)! - published[0]!).toBe(periodNum === 0 && published.length === 1 ? 0 : 1);
      }),
    );
  });

  test('from 4 to 14,400 whole minutes makes a network to read, and nothing else', () => {
    for (const length of [4, 5, 1440, 14_400]) {
      expect(t.ringNetwork('x', 3600, length)).toMatchObject({ name: 'x', periodLengthMinutes: length });
    }
    for (const length of [3, 14_401, 4.5, 0, -1440, Number.NaN]) {
      expectRefusal('BAD_PERIOD', () => t.ringNetwork('x', 3600, length));
    }
    for (const v of [10, 3600]) expect(t.ringNetwork('x', v, 60).votingIntervalSeconds).toBe(v);
    for (const v of [5, 12, 3605, Number.NaN]) {
      expectRefusal('BAD_PERIOD', () => t.ringNetwork('x', v, 60));
    }
  });
});

describe('signing', () => {
  const network = (minutes: number) => t.ringNetwork('x', lengths.votingInterval, minutes);

  test('is for the one length at which clients always find a service; at half and double of it many do not', () => {
    const missed = new Map(lengths.lengths.map(row => [row.periodLength, row.missed]));
    expect(missed.get(1440)).toBe(0);
    expect(t.checkNetworkProfile(network(1440)).periodLengthMinutes).toBe(1440);
    expect(missed.get(720)).toBeGreaterThan(0.4);
    expect(missed.get(2880)).toBeGreaterThan(0.2);
    for (const [minutes, share] of missed) {
      expect(share > 0).toBe(minutes !== 1440);
      if (minutes !== 1440) expectRefusal('BAD_PERIOD', () => t.checkNetworkProfile(network(minutes)));
    }
  });

  test('other lengths have no publication window, and nothing that is counted from it', () => {
    const period = (minutes: number) => t.timePeriod(network(minutes), 100);
    for (const of of [t.publicationWindow, t.srvRunStart, t.ladderHours]) {
      expect(of(network(1440), period(1440))).toBeDefined();
      for (const minutes of [720, 1439, 2880]) {
        expectRefusal('BAD_PERIOD', () => of(network(minutes), period(minutes)));
      }
    }
  });
});
