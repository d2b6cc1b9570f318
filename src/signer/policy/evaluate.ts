import { resolvePoints, type Evidence, type IntroductionPoint } from '../../descriptor/index.ts';
import type { Denied } from '../contract/problems.ts';
import {
  NOT_LISTED,
  RULES,
  type PolicyContext,
  type ProofRule,
  type RequestContext,
  type RequestRule,
  type RuleDenial,
  type Target,
} from './rules.ts';
import { findService, type Policy, type ServicePolicy } from './types.ts';

/** What policy allows to be signed. Only evaluate makes one. */
class ApprovedRequest {
  readonly #context: PolicyContext;
  readonly service: ServicePolicy;
  /** The whole points, in the order asked for. */
  readonly introductionPoints: readonly IntroductionPoint[];
  /** The proven descriptors that the points stand in, each once. */
  readonly evidence: readonly Evidence[];

  constructor(service: ServicePolicy, context: PolicyContext) {
    this.#context = context;
    this.service = service;
    this.introductionPoints = Object.freeze(resolvePoints(context.points, context.evidence));
    const digests = new Set(context.points.map(point => point.evidence));
    this.evidence = Object.freeze([...digests].flatMap(digest => context.evidence.get(digest) ?? []));
    Object.freeze(this);
  }

  get publisher(): string {
    return this.#context.publisher;
  }

  get points(): PolicyContext['points'] {
    return this.#context.points;
  }

  /** Serial of the policy that approved. */
  get policySerial(): number {
    return this.#context.policySerial;
  }

  get targets(): readonly Target[] {
    return this.#context.targets;
  }
}

export type Approved = ApprovedRequest;

export type Verdict =
  | { readonly kind: 'approved'; readonly approved: Approved }
  | { readonly kind: 'denied'; readonly denied: Denied };

const REQUEST_RULES = RULES.filter((rule): rule is RequestRule => rule.stage === 'request');
const PROOF_RULES = RULES.filter((rule): rule is ProofRule => rule.stage === 'proof');

type RequestVerdict =
  | { readonly kind: 'allowed'; readonly service: ServicePolicy }
  | Extract<Verdict, { kind: 'denied' }>;

/** PUBLISHER-SERVICE alone: whether this publisher may ask for the service at all, whatever it asks. */
export function evaluatePublisher(policy: Policy, context: RequestContext): RequestVerdict {
  return evaluateRules(
    policy,
    context,
    REQUEST_RULES.filter(({ id }) => id === 'PUBLISHER-SERVICE'),
  );
}

/**
 * The cheap half: judges publisher, service, rate and number of points before any evidence is looked at. Gives
 * the service's policy, or the denial.
 */
export function evaluateRequest(policy: Policy, context: RequestContext): RequestVerdict {
  return evaluateRules(policy, context, REQUEST_RULES);
}

function evaluateRules(
  policy: Policy,
  context: RequestContext,
  rules: readonly RequestRule[],
): RequestVerdict {
  const service = findService(policy, context.service);
  if (service === undefined) return denied('PUBLISHER-SERVICE', NOT_LISTED);
  for (const rule of rules) {
    const denial = rule.check(service, context);
    if (denial !== undefined) return denied(rule.id, denial);
  }
  return { kind: 'allowed', service };
}

/**
 * The verdict on a request: every rule of the table in its order, the first denial wins, no policy means denied.
 * Judge at the moment of signing, with the `now` of that moment.
 */
export function evaluate(policy: Policy, context: PolicyContext): Verdict {
  const request = evaluateRequest(policy, context);
  if (request.kind === 'denied') return request;
  for (const rule of PROOF_RULES) {
    const denial = rule.check(request.service, context);
    if (denial !== undefined) return denied(rule.id, denial);
  }
  return { kind: 'approved', approved: new ApprovedRequest(request.service, context) };
}

/**
 * Everything that denies, in the order of judging: not only the first, for who wants to know what else is wrong. Nothing is
 * approved by an empty list: see evaluate.
 */
export function evaluateAll(policy: Policy, context: PolicyContext): Denied[] {
  const service = findService(policy, context.service);
  if (service === undefined) return [denied('PUBLISHER-SERVICE', NOT_LISTED).denied];
  return RULES.flatMap(rule => {
    const denial = rule.check(service, context);
    return denial === undefined ? [] : [denied(rule.id, denial).denied];
  });
}

/** The rule's id comes from the table, so that a denial never names a rule that is not in it. */
function denied(rule: Denied['rule'], denial: RuleDenial): Extract<Verdict, { kind: 'denied' }> {
  return { kind: 'denied', denied: { ...denial, rule } };
}
