import { type AgeFault, type Evidence, evidenceAgeFault } from './evidence.ts';
import { toHex } from './bytes.ts';
import { counterCeiling } from './revision-counter.ts';
import { type IntroductionPoint, pointKey } from './introduction-point.ts';
import { type NetworkProfile, type TimePeriod, publicationWindow, srvRunStart } from './time.ts';

/** How far behind the clock a second may lie: the time that a request takes on its way. */
const LATE_SECONDS = 2;

/** Rules that hold beside the keys and that no configuration can turn off. */
export const INVARIANTS = Object.freeze({
  introProvenance: 'INTRO-PROVENANCE',
  pointUnique: 'POINT-UNIQUE',
  evidenceAge: 'EVIDENCE-AGE',
  periodWindow: 'PERIOD-WINDOW',
  runway: 'RUNWAY',
  horizon: 'HORIZON',
  onePerSecond: 'ONE-PER-SECOND',
  variant: 'VARIANT',
  counterCeiling: 'COUNTER-CEILING',
} as const);

/** Rules whose numbers the operator's policy sets; core and keyholder both hold them. */
export const LIMIT_RULES = Object.freeze({
  pointCount: 'POINT-COUNT',
  minBackends: 'MIN-BACKENDS',
  introShare: 'INTRO-SHARE',
  signRate: 'SIGN-RATE',
  contentChurn: 'CONTENT-CHURN',
} as const);

/** One of {@link INVARIANTS}. */
export type InvariantId = (typeof INVARIANTS)[keyof typeof INVARIANTS];

/** Why something is refused: the rule, what was seen and what would have been let through. */
export interface Denial {
  readonly rule: string;
  readonly observed: string;
  readonly limit: string;
}

/** An introduction point named by the evidence that has it. */
export interface PointReference {
  /** Digest of the evidence, 64 hexadecimal digits. */
  readonly evidence: string;
  /** Place in the evidence, from 0. */
  readonly index: number;
}

/** INTRO-PROVENANCE: every point stands in evidence that was proven, keyed by digest. Ours. Does not throw. */
export function checkIntroProvenance(
  refs: readonly PointReference[],
  evidence: ReadonlyMap<string, Evidence>,
): Denial | undefined {
  const unproven = refs.findIndex(ref => pointOf(ref, evidence) === undefined);
  if (unproven < 0) return undefined;
  const known = evidence.has(refs[unproven]?.evidence ?? '');
  return {
    rule: INVARIANTS.introProvenance,
    observed: known
      ? `point ${unproven} has an index outside its evidence`
      : `point ${unproven} has no evidence`,
    limit: 'every introduction point stands in a descriptor that a backend signed',
  };
}

/**
 * The points that references name, in order. Ours. To be called after {@link checkIntroProvenance} found nothing: what
 * has no evidence is left out. Does not throw.
 */
export function resolvePoints(
  refs: readonly PointReference[],
  evidence: ReadonlyMap<string, Evidence>,
): IntroductionPoint[] {
  return refs.flatMap(ref => pointOf(ref, evidence) ?? []);
}

/** POINT-UNIQUE: no introduction point and no auth key twice in one descriptor. Ours. Does not throw. */
export function checkPointUnique(points: readonly IntroductionPoint[]): Denial | undefined {
  const [seen, authKeys] = [new Set<string>(), new Set<string>()];
  for (const [index, point] of points.entries()) {
    const [key, authKey] = [pointKey(point), toHex(point.authKey)];
    if (seen.has(key)) {
      return { rule: INVARIANTS.pointUnique, observed: `point ${index} stands there before`, limit: 'once' };
    }
    if (authKeys.has(authKey)) {
      const observed = `the auth key of point ${index} stands there before`;
      return { rule: INVARIANTS.pointUnique, observed, limit: 'once' };
    }
    seen.add(key);
    authKeys.add(authKey);
  }
  return undefined;
}

/**
 * MIN-BACKENDS: the points come from at least so many backends. References without evidence count for nobody. Ours.
 * Does not throw.
 */
export function checkMinBackends(
  refs: readonly PointReference[],
  evidence: ReadonlyMap<string, Evidence>,
  minBackends: number,
): Denial | undefined {
  const { size } = pointsPerBackend(refs, evidence);
  if (size >= minBackends) return undefined;
  return { rule: LIMIT_RULES.minBackends, observed: String(size), limit: `at least ${minBackends}` };
}

/** INTRO-SHARE: no backend has more than so many of the points, over all of its descriptors. Ours. Does not throw. */
export function checkIntroShare(
  refs: readonly PointReference[],
  evidence: ReadonlyMap<string, Evidence>,
  maxPointsPerBackend: number,
): Denial | undefined {
  const most = Math.max(0, ...pointsPerBackend(refs, evidence).values());
  if (most <= maxPointsPerBackend) return undefined;
  const observed = `${most} points of one backend`;
  return { rule: LIMIT_RULES.introShare, observed, limit: `at most ${maxPointsPerBackend}` };
}

/** EVIDENCE-AGE: evidence counts while its time period is published, and not a second longer. Ours. Does not throw. */
export function checkEvidencePeriod(
  { period }: Pick<Evidence, 'period'>,
  profile: NetworkProfile,
  nowSeconds: number,
): Denial | undefined {
  const { from, to } = publicationWindow(profile, period);
  if (from <= nowSeconds && nowSeconds < to) return undefined;
  return {
    rule: INVARIANTS.evidenceAge,
    observed: `of a period published ${timeText(from)} to ${timeText(to)}`,
    limit: `of a period published at ${timeText(nowSeconds)}`,
  };
}

/**
 * EVIDENCE-AGE: the evidence was made within the limits of the profile, judged at `nowSeconds`. Ours. Does not throw.
 */
export function checkEvidenceAge(
  evidence: Evidence,
  profile: NetworkProfile,
  nowSeconds: number,
): Denial | undefined {
  const fault = evidenceAgeFault(evidence, profile, nowSeconds);
  return fault && { rule: INVARIANTS.evidenceAge, ...ageInWords(fault) };
}

/** PERIOD-WINDOW: nothing is signed for a second at which nobody publishes the period. Ours. Does not throw. */
export function checkPeriodWindow(
  profile: NetworkProfile,
  period: TimePeriod,
  second: number,
): Denial | undefined {
  const { from, to } = publicationWindow(profile, period);
  if (from <= second && second < to) return undefined;
  return {
    rule: INVARIANTS.periodWindow,
    observed: timeText(second),
    limit: `${timeText(from)} to ${timeText(to)}`,
  };
}

/**
 * RUNWAY: nothing is signed for a second that is over, or further ahead than the shelf reaches (`runwaySeconds`). Two
 * seconds are what an order takes on its way. Ours. Does not throw.
 */
export function checkRunway(second: number, nowSeconds: number, runwaySeconds: number): Denial | undefined {
  const [from, to] = [nowSeconds - LATE_SECONDS, nowSeconds + runwaySeconds];
  if (from <= second && second <= to) return undefined;
  return {
    rule: INVARIANTS.runway,
    observed: timeText(second),
    limit: `${timeText(from)} to ${timeText(to)}`,
  };
}

/**
 * COUNTER-CEILING: no revision counter is beyond those of the period's publication window, so that whatever was signed
 * can be followed by something newer. After a fence they are `lead` seconds ahead. Ours. Does not throw for a period of the
 * profile.
 */
export function checkCounterCeiling(
  profile: NetworkProfile,
  period: TimePeriod,
  counter: bigint,
  lead = 0,
): Denial | undefined {
  const { to } = publicationWindow(profile, period);
  const ceiling = counterCeiling(to - srvRunStart(profile, period) + lead);
  if (counter >= 1n && counter <= ceiling) return undefined;
  return { rule: INVARIANTS.counterCeiling, observed: String(counter), limit: `1 to ${ceiling}` };
}

/**
 * HORIZON: no key is certified for a period that is over, or that is published later than `aheadSeconds` from now.
 * Ours. Does not throw.
 */
export function checkHorizon(
  profile: NetworkProfile,
  nowSeconds: number,
  aheadSeconds: number,
  period: TimePeriod,
): Denial | undefined {
  const { from, to } = publicationWindow(profile, period);
  const last = nowSeconds + aheadSeconds;
  if (from <= last && nowSeconds < to) return undefined;
  return {
    rule: INVARIANTS.horizon,
    observed: `published ${timeText(from)} to ${timeText(to)}`,
    limit: `${timeText(nowSeconds)} to ${timeText(last)}`,
  };
}

/** ONE-PER-SECOND: a second whose revision counter is spent is never spent again. Ours. Does not throw. */
export function checkOnePerSecond(
  spent: { has(second: number): boolean },
  second: number,
): Denial | undefined {
  const fits = Number.isSafeInteger(second) && !spent.has(second);
  return fits
    ? undefined
    : { rule: INVARIANTS.onePerSecond, observed: timeText(second), limit: 'one descriptor for each second' };
}

/**
 * VARIANT: the counter depends on the second alone, so there is one variant until each has its own counters. Ours. Does
 * not throw.
 */
export function checkVariant(variant: number): Denial | undefined {
  if (variant === 0) return undefined;
  return { rule: INVARIANTS.variant, observed: `variant ${variant}`, limit: 'variant 0' };
}

function pointsPerBackend(
  refs: readonly PointReference[],
  evidence: ReadonlyMap<string, Evidence>,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const ref of refs) {
    const backend = evidence.get(ref.evidence)?.backend;
    if (backend === undefined) continue;
    const key = toHex(backend);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function pointOf(
  ref: PointReference,
  evidence: ReadonlyMap<string, Evidence>,
): IntroductionPoint | undefined {
  return evidence.get(ref.evidence)?.points[ref.index];
}

function ageInWords({ code, observed, limit }: AgeFault): { observed: string; limit: string } {
  return code === 'EVIDENCE_STALE'
    ? { observed: timeText(observed), limit: `not before ${timeText(limit)}` }
    : { observed: timeText(observed), limit: `not after ${timeText(limit)}` };
}

/** A Unix time for people; seconds where the calendar ends. */
function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString();
}
