import type { ShelfEntry } from './shelf.ts';
import type { HsDirRecord, PeriodState, Serving, ServiceState } from './state.ts';
import { backOff, HSDIR_KEEPS_SECONDS, type Timing } from './timing.ts';

/** Uniform number in [0, 1). */
export type Random = () => number;

/** Why the signer is asked now. */
export type SignReason = 'first' | 'settings-changed' | 'points-changed' | 'rotation' | 're-upload';

/** Why one HSDir is sent a text now. */
export type UploadReason = Serving['reason'] | 'hsdirs-changed' | 'retry' | 'lapsed';

/** One text for one HSDir. */
export type Upload = {
  readonly periodNum: number;
  readonly fingerprint: string;
  readonly counter: string;
  readonly reason: UploadReason;
};

/** What decides whether the signer is asked. Times in Unix seconds. */
export type SignInput = {
  readonly now: number;
  /** Numbers of the periods that are published now. */
  readonly published: readonly number[];
  readonly entries: readonly ShelfEntry[];
  readonly state: ServiceState;
  /** Digest of the set of points chosen now; undefined while no choice fits the limits. */
  readonly chosen: string | undefined;
  readonly timing: Timing;
};

/** Whether and why the signer is to be asked; undefined while nothing is due, chosen or allowed. */
export function planSigning({
  now,
  published,
  entries,
  state,
  chosen,
  timing,
}: SignInput): SignReason | undefined {
  if (chosen === undefined || now < state.notBefore) return undefined;
  if (state.signedAt === undefined) return 'first';
  if (state.settings !== state.description.settings) return 'settings-changed';
  if (chosen !== state.pointsDigest) return 'points-changed';
  if (now < state.signedAt + timing.signGap) return undefined;
  for (const periodNum of published) {
    if (newestUsable(entries, periodNum, now, chosen) === undefined) return 'rotation';
    const serving = state.periods[periodNum]?.serving;
    if (serving !== undefined && serving.nextAt <= now && state.signedAt < serving.nextAt) return 're-upload';
  }
  return undefined;
}

/** What decides which text a period serves. */
export type ServingInput = {
  readonly now: number;
  readonly periodNum: number;
  readonly entries: readonly ShelfEntry[];
  readonly serving: Serving | undefined;
  /** Digest of the points of the newest answer of the signer. */
  readonly points: string | undefined;
  /** When the signer last answered or failed; the shelf is used once it was asked in vain, or after a grace. */
  readonly attemptedAt: number | undefined;
  readonly timing: Timing;
  readonly random: Random;
};

/**
 * The text to serve for a period from now on: the newest whose `useFrom` has come, as soon as there is a reason to
 * replace the one before (first time, other points, re-upload time). Returns `serving` itself when nothing changes.
 */
export function planServing(input: ServingInput): Serving | undefined {
  const { now, serving, attemptedAt } = input;
  const newest =
    newestUsable(input.entries, input.periodNum, now, input.points) ??
    newestUsable(input.entries, input.periodNum, now);
  if (newest === undefined) return serving;
  if (serving === undefined) return serve(newest, 'first', input);
  if (BigInt(newest.descriptor.revisionCounter) <= BigInt(serving.counter)) return serving;
  if (newest.points !== serving.points) return serve(newest, 'points-changed', input);
  if (now < serving.nextAt) return serving;
  if (newest.signedAt >= serving.nextAt) return serve(newest, 're-upload', input);
  const askedInVain = attemptedAt !== undefined && attemptedAt >= serving.nextAt;
  const waitedLong = now >= serving.nextAt + input.timing.shelfGrace;
  return askedInVain || waitedLong ? serve(newest, 'shelf', input) : serving;
}

function serve(entry: ShelfEntry, reason: Serving['reason'], { now, timing, random }: ServingInput): Serving {
  const { useFrom, revisionCounter } = entry.descriptor;
  const pause = timing.reuploadMin + random() * (timing.reuploadMax - timing.reuploadMin);
  return { useFrom, counter: revisionCounter, points: entry.points, since: now, nextAt: now + pause, reason };
}

/** The text with the highest counter among those that may be used at `now`; variant 0 is the only one used. */
function newestUsable(
  entries: readonly ShelfEntry[],
  periodNum: number,
  now: number,
  points?: string,
): ShelfEntry | undefined {
  let newest: ShelfEntry | undefined;
  for (const entry of entries) {
    const { period, variant, useFrom, revisionCounter } = entry.descriptor;
    if (period.periodNum !== periodNum || variant !== 0 || useFrom > now) continue;
    if (points !== undefined && entry.points !== points) continue;
    if (newest === undefined || BigInt(revisionCounter) > BigInt(newest.descriptor.revisionCounter))
      newest = entry;
  }
  return newest;
}

/**
 * The uploads that are due: every responsible HSDir that does not hold the served text, has no upload of this
 * service in flight (UPLOADED does not say which descriptor it means) and whose pause is over. `published` has the
 * period first that clients ask for. At most one upload per HSDir is returned.
 */
export function planUploads(
  state: ServiceState,
  published: readonly number[],
  inFlight: ReadonlySet<string>,
  now: number,
): Upload[] {
  const taken = new Set(inFlight);
  const uploads: Upload[] = [];
  for (const periodNum of published) {
    const period = state.periods[periodNum];
    if (period?.serving === undefined) continue;
    for (const fingerprint of period.ring) {
      const reason = taken.has(fingerprint)
        ? undefined
        : uploadReason(period, period.serving, fingerprint, now);
      if (reason === undefined) continue;
      taken.add(fingerprint);
      uploads.push({ periodNum, fingerprint, counter: period.serving.counter, reason });
    }
  }
  return uploads;
}

function uploadReason(
  period: PeriodState,
  serving: Serving,
  fingerprint: string,
  now: number,
): UploadReason | undefined {
  const record = period.hsdirs[fingerprint];
  if (record === undefined) return othersHold(period, serving.counter) ? 'hsdirs-changed' : serving.reason;
  if (record.accepted?.counter === serving.counter) {
    const kept = now < record.accepted.at + HSDIR_KEEPS_SECONDS;
    return kept || now < record.retryAt ? undefined : 'lapsed';
  }
  if (record.counter !== serving.counter) return serving.reason;
  return now < record.retryAt ? undefined : 'retry';
}

function othersHold(period: PeriodState, counter: string): boolean {
  return Object.values(period.hsdirs).some(record => record.accepted?.counter === counter);
}

/** What became of one upload. */
export type UploadOutcome = {
  readonly result: 'uploaded' | 'rejected' | 'failed' | 'timeout';
  readonly code?: string | undefined;
};

/** The record of an upload that is about to start: should we die now, its outcome counts as lost. */
export function startRecord(before: HsDirRecord | undefined, counter: string, now: number): HsDirRecord {
  const again = before?.counter === counter;
  return {
    counter,
    at: now,
    result: again && before.result === 'timeout' ? 'timeout' : 'posting',
    failures: again ? before.failures : 0,
    retryAt: now,
    ...(before?.accepted === undefined ? {} : { accepted: before.accepted }),
  };
}

/**
 * The record after an outcome. `lost`: an earlier attempt with this counter ended without an outcome, so a refusal as
 * "not newer" means that the HSDir took it then.
 */
export function finishRecord(
  before: HsDirRecord,
  outcome: UploadOutcome,
  lost: boolean,
  now: number,
  timing: Timing,
  random: Random,
): HsDirRecord {
  const { counter, accepted } = before;
  const held = outcome.result === 'rejected' && (lost || accepted?.counter === counter);
  const result = held ? 'held' : outcome.result;
  const code = outcome.code === undefined ? {} : { code: outcome.code };
  if (result === 'uploaded' || (held && accepted?.counter !== counter)) {
    return { counter, at: now, result, failures: 0, retryAt: now, accepted: { counter, at: now } };
  }
  const failures = before.failures + 1;
  const pause = result === 'rejected' || held ? timing.rejectedPause : backOff(timing, failures, random());
  const kept = accepted === undefined ? {} : { accepted };
  return { counter, at: now, result, ...code, failures, retryAt: now + pause, ...kept };
}

/** Whether an attempt with this counter ended without telling its outcome. */
export function outcomeLost(before: HsDirRecord | undefined, counter: string): boolean {
  return before?.counter === counter && (before.result === 'timeout' || before.result === 'posting');
}
