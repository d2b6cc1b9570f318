import {
  checkIntroProvenance,
  checkIntroShare,
  checkMinBackends,
  checkOnePerSecond,
  checkPeriodWindow,
  checkPointUnique,
  equalBytes,
  invariants,
  pointSetName,
  resolvePoints,
  type Denial,
  type Evidence,
  type NetworkProfile,
  type PointSets,
  type PointReference,
  type TimePeriod,
} from '../../descriptor/index.ts';
import type { RuleId } from '../contract/problems.ts';
import type { ServicePolicy } from './types.ts';

/** One descriptor to be made: for this period and variant, to be posted at this Unix second. */
export interface Target {
  readonly period: TimePeriod;
  readonly variant: number;
  readonly second: number;
}

/** What is known before any evidence was looked at. */
export interface RequestContext {
  readonly publisher: string;
  /** The alias asked for. */
  readonly service: string;
  readonly points: readonly PointReference[];
  /** Signed requests of this publisher for this service in the last 3,600 seconds, from the journal. */
  readonly requestsLastHour: number;
}

/** Everything that the verdict depends on. `now` in Unix seconds. */
export interface PolicyContext extends RequestContext {
  /** Proven descriptors by digest; of other services too, which then prove nothing here. */
  readonly evidence: ReadonlyMap<string, Evidence>;
  readonly targets: readonly Target[];
  /** Of the policy that is judged by. */
  readonly policySerial: number;
  readonly profile: NetworkProfile;
  /** Sets of points of this service that were signed lately for this publisher. */
  readonly pointSets: PointSets;
  readonly now: number;
  /** Whether the journal already spent this second for the target's blinded key and variant. */
  readonly isSpent: (target: Target) => boolean;
}

/** What a rule says no to; with the digest of the descriptor that it is about, where it is one alone. */
export type RuleDenial = Denial & { readonly evidence?: string };

/** A rule on the request alone: cheap, judged before evidence is proven. */
export interface RequestRule {
  readonly id: RuleId;
  readonly stage: 'request';
  readonly check: (service: ServicePolicy, context: RequestContext) => Denial | undefined;
}

/** A rule on what was proven. */
export interface ProofRule {
  readonly id: RuleId;
  readonly stage: 'proof';
  readonly check: (service: ServicePolicy, context: PolicyContext) => RuleDenial | undefined;
}

export type Rule = RequestRule | ProofRule;

/**
 * What the core judges, in the order of judging: the first denial wins. What each is for stands in reference/, with the
 * rules that are judged elsewhere.
 */
export const RULES: readonly Rule[] = Object.freeze([
  { id: 'PUBLISHER-SERVICE', stage: 'request', check: checkPublisher },
  { id: 'SIGN-RATE', stage: 'request', check: checkSignRate },
  { id: 'POINT-COUNT', stage: 'request', check: checkPointCount },
  { id: 'PERIOD-WINDOW', stage: 'proof', check: checkWindows },
  { id: 'ONE-PER-SECOND', stage: 'proof', check: checkSeconds },
  { id: 'INTRO-PROVENANCE', stage: 'proof', check: checkProvenance },
  { id: 'POINT-UNIQUE', stage: 'proof', check: checkUnique },
  { id: 'MIN-BACKENDS', stage: 'proof', check: checkBackends },
  { id: 'INTRO-SHARE', stage: 'proof', check: checkShare },
  { id: 'EVIDENCE-AGE', stage: 'proof', check: checkAges },
  { id: 'CONTENT-CHURN', stage: 'proof', check: checkChurn },
]);

function checkPublisher(service: ServicePolicy, { publisher }: RequestContext): Denial | undefined {
  return service.enabled && service.publishers.includes(publisher) ? undefined : NOT_LISTED;
}

/** The same words for unknown, forbidden and disabled services. */
export const NOT_LISTED: Denial = Object.freeze({
  rule: 'PUBLISHER-SERVICE',
  observed: 'not listed',
  limit: 'an enabled service that lists this publisher',
});

function checkSignRate({ limits }: ServicePolicy, { requestsLastHour }: RequestContext): Denial | undefined {
  if (requestsLastHour < limits.requestsPerHour) return undefined;
  return deny('SIGN-RATE', `${requestsLastHour} in the last hour`, `${limits.requestsPerHour}/h`);
}

function checkPointCount({ limits }: ServicePolicy, { points }: RequestContext): Denial | undefined {
  if (points.length >= limits.minPoints && points.length <= limits.maxPoints) return undefined;
  return deny('POINT-COUNT', String(points.length), `${limits.minPoints}..${limits.maxPoints}`);
}

function checkSeconds(_: ServicePolicy, { targets, isSpent }: PolicyContext): Denial | undefined {
  const asked = new Set<string>();
  return firstDenial(targets, target => {
    const key = `${target.period.periodNum} ${target.variant} ${target.second}`;
    const spent = asked.has(key) || isSpent(target);
    asked.add(key);
    return checkOnePerSecond({ has: () => spent }, target.second);
  });
}

function checkWindows(_: ServicePolicy, { targets, profile }: PolicyContext): Denial | undefined {
  return firstDenial(targets, ({ period, second }) => checkPeriodWindow(profile, period, second));
}

function checkProvenance(service: ServicePolicy, context: PolicyContext): RuleDenial | undefined {
  const { points } = context;
  const own = ownEvidence(service, context);
  const denial = checkIntroProvenance(points, own);
  const unproven = points.find(point => checkIntroProvenance([point], own) !== undefined);
  return denial && (unproven === undefined ? denial : { ...denial, evidence: unproven.evidence });
}

function checkUnique(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  return checkPointUnique(resolvePoints(context.points, ownEvidence(service, context)));
}

function checkBackends(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  return checkMinBackends(context.points, ownEvidence(service, context), service.limits.minBackends);
}

function checkShare(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  return checkIntroShare(context.points, ownEvidence(service, context), service.limits.maxPointsPerBackend);
}

function checkAges(service: ServicePolicy, context: PolicyContext): RuleDenial | undefined {
  const own = ownEvidence(service, context);
  const used = [...own.values()].filter(({ digest }) =>
    context.points.some(point => point.evidence === digest),
  );
  const { profile, now } = context;
  return firstDenial(used, one => {
    const denial = checkEvidenceTime(one, profile, now);
    return denial && { ...denial, evidence: one.digest };
  });
}

/** EVIDENCE-AGE of one descriptor, by the invariants that the keyholder has. */
export const checkEvidenceTime = (
  evidence: Evidence,
  profile: NetworkProfile,
  now: number,
): Denial | undefined =>
  invariants.checkEvidencePeriod(evidence, profile, now) ??
  invariants.checkEvidenceAge(evidence, profile, now);

function checkChurn(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  const set = pointSetName(resolvePoints(context.points, ownEvidence(service, context)));
  return context.pointSets.check(set, service.limits.pointSetsPerHour, context.now);
}

/** Only what an enabled backend of this service signed counts; the rest is as if it had not been sent. */
function ownEvidence(
  { backends }: ServicePolicy,
  { evidence }: PolicyContext,
): ReadonlyMap<string, Evidence> {
  const own = [...evidence].filter(([, { backend }]) =>
    backends.some(({ kpHsId, enabled }) => enabled && equalBytes(kpHsId, backend)),
  );
  return new Map(own);
}

function firstDenial<T, D extends Denial>(
  items: readonly T[],
  check: (item: T) => D | undefined,
): D | undefined {
  for (const item of items) {
    const denial = check(item);
    if (denial !== undefined) return denial;
  }
  return undefined;
}

const deny = (rule: RuleId, observed: string, limit: string): Denial => ({ rule, observed, limit });
