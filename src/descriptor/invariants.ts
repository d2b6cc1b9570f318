import { type AgeFault, type Evidence, evidenceAgeFault } from './evidence.ts';
import { type IntroductionPoint, pointKey } from './introduction-point.ts';
import { type NetworkProfile, type TimePeriod, publicationWindow } from './time.ts';

/** Rules that hold beside the keys and that no configuration can turn off. */
export const INVARIANTS = Object.freeze({
  introProvenance: 'INTRO-PROVENANCE',
  pointUnique: 'POINT-UNIQUE',
  evidenceAge: 'EVIDENCE-AGE',
  periodWindow: 'PERIOD-WINDOW',
  horizon: 'HORIZON',
  onePerSecond: 'ONE-PER-SECOND',
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

/** INTRO-PROVENANCE: every point stands in evidence that was proven, keyed by digest. */
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

/** The points that references name, in order. To be called after {@link checkIntroProvenance} found nothing. */
export function resolvePoints(
  refs: readonly PointReference[],
  evidence: ReadonlyMap<string, Evidence>,
): IntroductionPoint[] {
  return refs.flatMap(ref => pointOf(ref, evidence) ?? []);
}

/** POINT-UNIQUE: no introduction point twice in one descriptor. */
export function checkPointUnique(points: readonly IntroductionPoint[]): Denial | undefined {
  const seen = new Set<string>();
  for (const [index, point] of points.entries()) {
    const key = pointKey(point);
    if (seen.has(key)) {
      return { rule: INVARIANTS.pointUnique, observed: `point ${index} stands there before`, limit: 'once' };
    }
    seen.add(key);
  }
  return undefined;
}

/** EVIDENCE-AGE: the evidence was made within the limits of the profile, judged at `nowSeconds`. */
export function checkEvidenceAge(
  evidence: Evidence,
  profile: NetworkProfile,
  nowSeconds: number,
): Denial | undefined {
  const fault = evidenceAgeFault(evidence, profile, nowSeconds);
  return fault && { rule: INVARIANTS.evidenceAge, ...ageInWords(fault) };
}

/** PERIOD-WINDOW: nothing is signed for a second at which nobody publishes the period. */
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

/** HORIZON: no key is certified for a period that is over, or that is published later than `aheadSeconds` from now. */
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

/** ONE-PER-SECOND: a second whose revision counter is spent is never spent again. */
export function checkOnePerSecond(
  spent: { has(second: number): boolean },
  second: number,
): Denial | undefined {
  const fits = Number.isSafeInteger(second) && !spent.has(second);
  return fits
    ? undefined
    : { rule: INVARIANTS.onePerSecond, observed: timeText(second), limit: 'one descriptor for each second' };
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
