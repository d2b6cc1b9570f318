import {
  checkIntroProvenance,
  checkIntroShare,
  checkMinBackends,
  checkOnePerSecond,
  checkPeriodWindow,
  checkPointUnique,
  equalBytes,
  invariants,
  resolvePoints,
  toHex,
  type Denial,
  type Evidence,
  type NetworkProfile,
  type PointReference,
  type TimePeriod,
} from '../../descriptor/index.ts';
import type { RuleId } from '../contract/problems.ts';
import { DEFAULT_LIMITS, type ServicePolicy } from './types.ts';

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
  readonly now: number;
  /** Whether the journal already spent this second for the target's blinded key and variant. */
  readonly isSpent: (target: Target) => boolean;
}

interface RuleText {
  readonly id: RuleId;
  /** The key of the policy file; undefined for what no policy can change. */
  readonly parameter: string | undefined;
  readonly default: string | undefined;
  /** What the rule is for: the reference page is made of these. */
  readonly paragraph: string;
}

/** A rule on the request alone: cheap, judged before evidence is proven. */
export interface RequestRule extends RuleText {
  readonly stage: 'request';
  readonly check: (service: ServicePolicy, context: RequestContext) => Denial | undefined;
}

/** A rule on what was proven. */
export interface ProofRule extends RuleText {
  readonly stage: 'proof';
  readonly check: (service: ServicePolicy, context: PolicyContext) => Denial | undefined;
}

export type Rule = RequestRule | ProofRule;

/** Rules without a parameter are invariants: no policy turns them off. The keyholder repeats all but the publisher's. */
const invariant = { parameter: undefined, default: undefined } as const;

/** The table, in the order of judging: the first denial wins. */
export const RULES: readonly Rule[] = Object.freeze([
  {
    id: 'PUBLISHER-SERVICE',
    stage: 'request',
    parameter: 'publishers',
    default: 'none',
    paragraph:
      'A publisher asks only for services whose policy names it and that are enabled. A forbidden service ' +
      'answers exactly as one that does not exist.',
    check: checkPublisher,
  },
  {
    id: 'SIGN-RATE',
    stage: 'request',
    parameter: 'limits.requests',
    default: `${DEFAULT_LIMITS.requestsPerHour}/h`,
    paragraph:
      'So many requests of one publisher for one service are signed in an hour. It bounds how finely clients ' +
      'can be told apart by different descriptors, and the growth of the journal.',
    check: checkSignRate,
  },
  {
    id: 'POINT-COUNT',
    stage: 'request',
    parameter: 'limits.points',
    default: `${DEFAULT_LIMITS.minPoints}..${DEFAULT_LIMITS.maxPoints}`,
    paragraph: 'A descriptor has so many introduction points. HSDirs and clients accept at most 20.',
    check: checkPointCount,
  },
  {
    id: 'PERIOD-WINDOW',
    stage: 'proof',
    ...invariant,
    paragraph: 'A descriptor is signed only for seconds at which its time period is published.',
    check: (_, { targets, profile }) =>
      firstDenial(targets, ({ period, second }) => checkPeriodWindow(profile, period, second)),
  },
  {
    id: 'ONE-PER-SECOND',
    stage: 'proof',
    ...invariant,
    paragraph: 'Each second of a blinded key and variant is spent once, so that no revision counter repeats.',
    check: checkSeconds,
  },
  {
    id: 'INTRO-PROVENANCE',
    stage: 'proof',
    ...invariant,
    paragraph:
      'Every introduction point is taken whole from a descriptor that an enabled backend of this service ' +
      'signed. Nothing else can place a point in front of clients.',
    check: (service, context) => checkIntroProvenance(context.points, ownEvidence(service, context)),
  },
  {
    id: 'POINT-UNIQUE',
    stage: 'proof',
    ...invariant,
    paragraph: 'No introduction point and no auth key stands twice in one descriptor.',
    check: checkUnique,
  },
  {
    id: 'MIN-BACKENDS',
    stage: 'proof',
    parameter: 'limits.min_backends',
    default: String(DEFAULT_LIMITS.minBackends),
    paragraph:
      'The points of a descriptor come from at least so many backends, so that nobody can send all clients to ' +
      'one of them.',
    check: checkBackends,
  },
  {
    id: 'INTRO-SHARE',
    stage: 'proof',
    parameter: 'limits.points_per_backend',
    default: String(DEFAULT_LIMITS.maxPointsPerBackend),
    paragraph: 'No backend has more than so many points of one descriptor.',
    check: checkShare,
  },
  {
    id: 'EVIDENCE-AGE',
    stage: 'proof',
    ...invariant,
    paragraph:
      "Certificate and revision counter of each backend's descriptor say when it was made; it must be fresh at " +
      'the moment of signing. It bounds replay, and no moved clock finds valid evidence.',
    check: checkAges,
  },
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

function checkUnique(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  const points = resolvePoints(context.points, ownEvidence(service, context));
  const twice = checkPointUnique(points);
  if (twice !== undefined) return twice;
  const authKeys = new Set(points.map(({ authKey }) => toHex(authKey)));
  if (authKeys.size === points.length) return undefined;
  return deny('POINT-UNIQUE', `${points.length - authKeys.size} auth keys stand there before`, 'once');
}

function checkBackends(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  return checkMinBackends(context.points, ownEvidence(service, context), service.limits.minBackends);
}

function checkShare(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  return checkIntroShare(context.points, ownEvidence(service, context), service.limits.maxPointsPerBackend);
}

function checkAges(service: ServicePolicy, context: PolicyContext): Denial | undefined {
  const own = ownEvidence(service, context);
  const used = [...own.values()].filter(({ digest }) =>
    context.points.some(point => point.evidence === digest),
  );
  const { profile, now } = context;
  return firstDenial(
    used,
    one =>
      invariants.checkEvidencePeriod(one, profile, now) ?? invariants.checkEvidenceAge(one, profile, now),
  );
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

function firstDenial<T>(items: readonly T[], check: (item: T) => Denial | undefined): Denial | undefined {
  for (const item of items) {
    const denial = check(item);
    if (denial !== undefined) return denial;
  }
  return undefined;
}

const deny = (rule: RuleId, observed: string, limit: string): Denial => ({ rule, observed, limit });
