import { describe, expect, it } from 'vitest';
import { TOR_NETWORK } from '../../src/descriptor/index.ts';
import {
  planServing,
  planSigning,
  planUploads,
  type ServingInput,
  type SignInput,
} from '../../src/publisher/plan.ts';
import type { ShelfEntry } from '../../src/publisher/shelf.ts';
import {
  type HsDirRecord,
  newServiceState,
  type PeriodState,
  type Serving,
} from '../../src/publisher/state.ts';
import { HSDIR_KEEPS_SECONDS, timingOf } from '../../src/publisher/timing.ts';

const TIMING = timingOf(TOR_NETWORK);
const NOW = 1_800_000_000;
const [A, B, C] = ['A', 'B', 'C'].map(letter => letter.repeat(40)) as [string, string, string];

function entry(
  more: {
    periodNum?: number;
    useFrom?: number;
    counter?: number;
    points?: string;
    signedAt?: number;
    variant?: number;
  } = {},
): ShelfEntry {
  const { periodNum = 1, useFrom = NOW, counter = 100, points = 'p', signedAt = NOW, variant = 0 } = more;
  const period = { periodNum, lengthMinutes: 1440, offsetSeconds: 43_200 };
  return {
    descriptor: { period, variant, useFrom, revisionCounter: `${counter}`, text: 'x' },
    points,
    settings: 1,
    signedAt,
  };
}

function service(more: Partial<ReturnType<typeof newServiceState>> = {}) {
  const description = {
    service: 'frontpage',
    address: `${'a'.repeat(56)}.onion`,
    network: { name: 'tor', votingIntervalSeconds: 3600, periodLengthMinutes: 1440 },
    backends: [],
    limits: { minPoints: 1, maxPoints: 20, minBackends: 1, maxPointsPerBackend: 20 },
    runwaySeconds: 21_600,
    settings: 1,
  };
  return { ...newServiceState('unix:/s', description), ...more };
}

const serving = (more: Partial<Serving> = {}): Serving => ({
  useFrom: NOW,
  counter: '100',
  points: 'p',
  since: NOW,
  nextAt: NOW + 3600,
  reason: 'first',
  ...more,
});

describe('The signer is asked', () => {
  const signed = { signedAt: NOW - 600, pointsDigest: 'p', settings: 1 };
  const ask = (more: Partial<SignInput> = {}) =>
    planSigning({
      now: NOW,
      published: [1],
      entries: [entry()],
      state: service(signed),
      chosen: 'p',
      timing: TIMING,
      ...more,
    });

  it('for the first text.', () => {
    expect(ask({ state: service(), entries: [] })).toBe('first');
  });

  it('when the points have changed, and not while they are the same.', () => {
    expect(ask({ chosen: 'q' })).toBe('points-changed');
    expect(ask()).toBeUndefined();
  });

  it('at once when policy has changed what texts carry, and not while it is the same.', () => {
    const state = service({ ...signed, signedAt: NOW });
    expect(ask({ state: { ...state, description: { ...state.description, settings: 2 } } })).toBe(
      'settings-changed',
    );
    expect(ask({ state })).toBeUndefined();
  });

  it('when a published period has no text that may be used yet.', () => {
    expect(ask({ published: [1, 2] })).toBe('rotation');
    expect(ask({ published: [1, 2], entries: [entry(), entry({ periodNum: 2, useFrom: NOW + 1 })] })).toBe(
      'rotation',
    );
    expect(ask({ published: [1, 2], entries: [entry(), entry({ periodNum: 2 })] })).toBeUndefined();
  });

  it('when the re-upload time has come, once.', () => {
    const period = { ring: [], hsdirs: {}, until: NOW + 9999, serving: serving({ nextAt: NOW }) };
    expect(ask({ state: service({ ...signed, periods: { 1: period } }) })).toBe('re-upload');
    const later = { ...period, serving: serving({ nextAt: NOW + 1 }) };
    expect(ask({ state: service({ ...signed, periods: { 1: later } }) })).toBeUndefined();
    expect(
      ask({ now: NOW + 90, state: service({ ...signed, signedAt: NOW + 1, periods: { 1: period } }) }),
    ).toBeUndefined();
  });

  it('neither without a choice of points nor before its pause is over.', () => {
    expect(ask({ chosen: undefined, state: service() })).toBeUndefined();
    expect(ask({ chosen: 'q', state: service({ ...signed, notBefore: NOW + 1 }) })).toBeUndefined();
    expect(ask({ chosen: 'q', state: service({ ...signed, notBefore: NOW }) })).toBe('points-changed');
  });

  it('not at every round for a period that it does not sign for.', () => {
    const state = service({ ...signed, signedAt: NOW - TIMING.signGap + 1 });
    expect(ask({ published: [1, 2], state })).toBeUndefined();
    expect(ask({ published: [1, 2], state, now: NOW + 1 })).toBe('rotation');
  });
});

describe('The served text', () => {
  const serve = (more: Partial<ServingInput> = {}) =>
    planServing({
      now: NOW,
      periodNum: 1,
      entries: [entry()],
      serving: undefined,
      points: 'p',
      attemptedAt: undefined,
      timing: TIMING,
      random: () => 0.5,
      ...more,
    });
  const older = serving({ counter: '50', useFrom: NOW - 5000, since: NOW - 5000, nextAt: NOW });

  it('is the newest one whose time has come.', () => {
    const entries = [
      entry({ counter: 1, useFrom: NOW - 9 }),
      entry({ counter: 2, useFrom: NOW }),
      entry({ counter: 3, useFrom: NOW + 1 }),
    ];
    expect(serve({ entries })).toMatchObject({ counter: '2', reason: 'first' });
    expect(serve({ entries, now: NOW + 1 })).toMatchObject({ counter: '3' });
  });

  it('is none while the shelf has nothing for this period, and never another variant.', () => {
    expect(serve({ periodNum: 2 })).toBeUndefined();
    expect(serve({ entries: [entry({ useFrom: NOW + 1 })] })).toBeUndefined();
    expect(serve({ entries: [entry({ variant: 1 })] })).toBeUndefined();
  });

  it('is replaced after 60 to 120 minutes.', () => {
    expect(serve({ random: () => 0 })?.nextAt).toBe(NOW + 3600);
    expect(serve({ random: () => 0.999_999 })?.nextAt).toBeCloseTo(NOW + 7200, 1);
  });

  it('stays until its re-upload time although a newer one is there.', () => {
    const current = { ...older, nextAt: NOW + 1 };
    expect(serve({ serving: current })).toBe(current);
    expect(serve({ serving: older })).toMatchObject({ counter: '100', reason: 're-upload' });
  });

  it('is replaced at once when its points are no longer those of the signer’s newest answer.', () => {
    const current = serving({ counter: '50', points: 'old', nextAt: NOW + 999 });
    expect(serve({ serving: current })).toMatchObject({ counter: '100', reason: 'points-changed' });
  });

  it('prefers the newest points to a higher counter.', () => {
    const entries = [entry({ points: 'old', counter: 101 }), entry({ points: 'p', counter: 100 })];
    expect(serve({ entries })).toMatchObject({ counter: '100', points: 'p' });
  });

  it('comes from the shelf when the signer was asked in vain or a grace has passed, and not before.', () => {
    const entries = [entry({ signedAt: NOW - 5000 })];
    expect(serve({ entries, serving: older })).toBe(older);
    expect(serve({ entries, serving: older, attemptedAt: NOW - 1 })).toBe(older);
    expect(serve({ entries, serving: older, attemptedAt: NOW })).toMatchObject({
      reason: 'shelf',
      counter: '100',
    });
    const late = { entries, serving: older, now: NOW + TIMING.shelfGrace };
    expect(serve(late)).toMatchObject({ reason: 'shelf' });
    expect(serve({ ...late, now: late.now - 1 })).toBe(older);
  });

  it('never goes back to a lower or equal counter.', () => {
    expect(serve({ serving: serving({ counter: '100', nextAt: NOW }) })?.since).toBe(NOW);
    const current = serving({ counter: '101', nextAt: NOW, points: 'old' });
    expect(serve({ serving: current })).toBe(current);
    const long = serving({ counter: '99999999999999999999', nextAt: NOW, points: 'old' });
    expect(serve({ serving: long, entries: [entry({ counter: 9 })] })).toBe(long);
  });
});

describe('Uploads', () => {
  const record = (more: Partial<HsDirRecord> = {}): HsDirRecord => ({
    counter: '100',
    at: NOW,
    result: 'uploaded',
    failures: 0,
    retryAt: NOW,
    accepted: { counter: '100', at: NOW },
    ...more,
  });
  const period = (more: Partial<PeriodState> = {}): PeriodState => ({
    serving: serving(),
    ring: [A, B],
    hsdirs: {},
    until: NOW + 9999,
    ...more,
  });
  const plan = (periods: Record<string, PeriodState>, inFlight: string[] = [], now = NOW) =>
    planUploads(service({ periods }), Object.keys(periods).map(Number), new Set(inFlight), now);

  it('go to every responsible HSDir the first time.', () => {
    expect(plan({ 1: period() })).toEqual([
      { periodNum: 1, fingerprint: A, counter: '100', reason: 'first' },
      { periodNum: 1, fingerprint: B, counter: '100', reason: 'first' },
    ]);
  });

  it('are none where the served text is held, and for a period without one.', () => {
    expect(plan({ 1: period({ hsdirs: { [A]: record(), [B]: record() } }) })).toEqual([]);
    expect(plan({ 1: { ring: [A], hsdirs: {}, until: NOW } })).toEqual([]);
  });

  it('go out when the text has changed, for the reason that changed it.', () => {
    const before = { [A]: record({ counter: '50', accepted: { counter: '50', at: NOW } }) };
    const changed = period({ ring: [A], serving: serving({ reason: 'points-changed' }), hsdirs: before });
    expect(plan({ 1: changed })).toMatchObject([{ fingerprint: A, reason: 'points-changed' }]);
  });

  it('go to an HSDir that became responsible.', () => {
    const changed = period({ ring: [A, C], hsdirs: { [A]: record(), [B]: record() } });
    expect(plan({ 1: changed })).toMatchObject([{ fingerprint: C, reason: 'hsdirs-changed' }]);
  });

  it('are repeated after a failure when the pause is over.', () => {
    const { accepted, ...failed } = record({ result: 'failed', failures: 1, retryAt: NOW + 30 });
    void accepted;
    const waiting = { 1: period({ ring: [A], hsdirs: { [A]: failed } }) };
    expect(plan(waiting)).toEqual([]);
    expect(plan(waiting, [], NOW + 30)).toMatchObject([{ reason: 'retry' }]);
  });

  it('repeat a text that the HSDir has forgotten after the lifetime of a descriptor.', () => {
    const held = { 1: period({ ring: [A], hsdirs: { [A]: record() } }) };
    expect(plan(held, [], NOW + HSDIR_KEEPS_SECONDS - 1)).toEqual([]);
    expect(plan(held, [], NOW + HSDIR_KEEPS_SECONDS)).toMatchObject([{ reason: 'lapsed' }]);
  });

  it('are never two at once to one HSDir, of whatever period.', () => {
    expect(plan({ 1: period(), 2: period() }).map(({ fingerprint }) => fingerprint)).toEqual([A, B]);
    expect(plan({ 1: period(), 2: period() }, [A]).map(({ fingerprint }) => fingerprint)).toEqual([B]);
    const first = { 1: period({ hsdirs: { [A]: record(), [B]: record() } }), 2: period() };
    expect(plan(first).map(({ periodNum }) => periodNum)).toEqual([2, 2]);
  });
});
