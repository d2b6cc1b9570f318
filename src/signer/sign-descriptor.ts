import { type NetworkProfile, sha256, toHex } from '../descriptor/index.ts';
import type { BlindedKeys } from './blinded-keys.ts';
import { type Denied, RULE_PROBLEMS, type RuleId, SignerError } from './contract/problems.ts';
import type { SignAnswer, SignRequest } from './contract/requests.ts';
import type { EvidenceStore } from './evidence-store.ts';
import type { Journal, Reserved } from './journal/journal.ts';
import { orderSignatures, usedEvidence } from './order-signatures.ts';
import { planTargets } from './plan-targets.ts';
import { type Approved, evaluate, evaluateRequest } from './policy/evaluate.ts';
import type { Target } from './policy/rules.ts';
import type { Policy, ServicePolicy } from './policy/types.ts';
import type { Keyholder, Refusal, SignedTarget } from './ports.ts';
import type { OutputVerifier, VerifiedText } from './verify-output.ts';

/** What the use case works with. `now` gives Unix seconds. */
export interface SignerCore {
  readonly profile: NetworkProfile;
  readonly runwaySeconds: number;
  readonly policy: () => Policy;
  readonly journal: Journal;
  readonly keyholder: Keyholder;
  readonly evidence: EvidenceStore;
  readonly blindedKeys: BlindedKeys;
  readonly verifier: OutputVerifier;
  /** Services stopped after a result that failed verification, until the next start. */
  readonly latched: Set<string>;
  readonly now: () => number;
}

/** `answer` lacks the checkpoint: the newest is added when the answer leaves. */
export type SignOutcome =
  | { readonly kind: 'signed'; readonly answer: Omit<SignAnswer, 'checkpoint'>; readonly repeated: boolean }
  | { readonly kind: 'denied'; readonly denied: Denied; readonly retryAfter?: number };

/**
 * THE use case: one request of one publisher to finished, verified, recorded texts. The order is the promise:
 * policy's cheap half, proof, verdict, durable reservation, keyholder, verification, durable release.
 * A denial is a value; SignerError for everything else. What was reserved stays spent.
 */
export async function signDescriptor(
  core: SignerCore,
  publisher: string,
  request: SignRequest,
): Promise<SignOutcome> {
  const now = core.now();
  const asked = evaluateRequest(core.policy(), {
    publisher,
    service: request.service,
    points: request.points,
    requestsLastHour: core.journal.reservationsSince(publisher, request.service, now - 3600),
  });
  if (asked.kind === 'denied') return refuse(core, publisher, request.service, asked.denied);
  const { service } = asked;
  if (core.latched.has(service.service)) throw new SignerError('SERVICE_LATCHED', 'this service is stopped');

  await proveEvidence(core, service, request, now);
  const certifiedUntil = await askCustody(core, service);
  const verdict = judge(core, publisher, request, now, certifiedUntil);
  if (verdict.kind === 'denied') return refuse(core, publisher, request.service, verdict.denied);
  // Before anything is spent: waiting for a token must not use up the publisher's rate.
  if (certifiedUntil <= now) throw unavailable();

  const reserved = await reserve(core, verdict.approved, request);
  if (reserved.kind === 'replay') return { kind: 'signed', answer: reserved.answer, repeated: true };
  try {
    const signed = await orderSignatures(core, verdict.approved);
    if ('refused' in signed) {
      core.journal.abandon(reserved.reserved);
      return await refuse(core, publisher, request.service, toDenied(signed.refused));
    }
    const verified = verifyAll(core, verdict.approved, signed.signed);
    const answer = composeAnswer(core.profile, verdict.approved, request, verified);
    await release(core, reserved.reserved, verdict.approved, answer, verified);
    return { kind: 'signed', answer, repeated: false };
  } catch (error) {
    core.journal.abandon(reserved.reserved);
    throw error;
  }
}

/** Everything of `request` judged and nothing reserved or signed: POST /v1/descriptors/check. */
export async function checkDescriptor(
  core: SignerCore,
  publisher: string,
  request: SignRequest,
): Promise<Denied | readonly Target[]> {
  const now = core.now();
  const context = { publisher, service: request.service, points: request.points, requestsLastHour: 0 };
  const asked = evaluateRequest(core.policy(), context);
  if (asked.kind === 'denied') return asked.denied;
  for (const text of request.evidence) core.evidence.prove(asked.service, Buffer.from(text, 'utf8'), now);
  const certifiedUntil = await askCustody(core, asked.service);
  const verdict = judge(core, publisher, request, now, certifiedUntil);
  return verdict.kind === 'denied' ? verdict.denied : verdict.approved.targets;
}

/** The core proves every descriptor itself, then the keyholder does; a reference to what nobody knows is an error. */
async function proveEvidence(
  core: SignerCore,
  service: ServicePolicy,
  request: SignRequest,
  now: number,
): Promise<void> {
  const sent = request.evidence.map(text => core.evidence.prove(service, Buffer.from(text, 'utf8'), now));
  const proven = core.evidence.proven(service.service);
  if (request.points.some(({ evidence }) => !proven.has(evidence))) {
    throw new SignerError(
      'EVIDENCE_UNKNOWN',
      'send the descriptors that the points refer to along with the request',
    );
  }
  for (const { text } of sent) await core.keyholder.prove(service.kpHsId, text);
}

/** Until when (Unix seconds) the keyholder has period keys for everything that is published; 0 when not even now. */
async function askCustody({ keyholder }: SignerCore, { service }: ServicePolicy): Promise<number> {
  const { services } = await keyholder.status();
  return services.find(({ alias }) => alias === service)?.certifiedUntil ?? 0;
}

const unavailable = (): SignerError =>
  new SignerError('CUSTODY_UNAVAILABLE', 'bring the token back; status says why it was not opened', {
    retryAfter: 10,
  });

/** The verdict at this moment, over all that is proven for the service. */
function judge(
  core: SignerCore,
  publisher: string,
  request: SignRequest,
  now: number,
  certifiedUntil: number,
): ReturnType<typeof evaluate> {
  const policy = core.policy();
  const service = policy.services.find(each => each.service === request.service);
  const proven = core.evidence.proven(request.service);
  return evaluate(policy, {
    publisher,
    service: request.service,
    points: request.points,
    requestsLastHour: 0, // judged by evaluateRequest before anything was proven
    evidence: new Map([...proven].map(([digest, { evidence }]) => [digest, evidence])),
    targets: service === undefined ? [] : planTargets(core, service, now, certifiedUntil),
    profile: core.profile,
    now,
    // Reservation decides this durably, with Retry-After; the rule's row covers doubles within one request.
    isSpent: () => false,
  });
}

type Reservation =
  | { readonly kind: 'reserved'; readonly reserved: Reserved }
  | { readonly kind: 'replay'; readonly answer: Omit<SignAnswer, 'checkpoint'> };

async function reserve(core: SignerCore, approved: Approved, request: SignRequest): Promise<Reservation> {
  const { publisher, service, targets } = approved;
  const outcome = await core.journal.reserve({
    publisher,
    service: service.service,
    requestId: request.id,
    requestDigest: toHex(sha256(Buffer.from(JSON.stringify([request.service, request.points])))),
    seconds: targets.map(({ period, variant, second }) => ({
      kpHsBlindId: core.blindedKeys.of(service.kpHsId, period),
      variant,
      second,
    })),
  });
  switch (outcome.kind) {
    case 'reserved':
      return outcome;
    case 'replay':
      return { kind: 'replay', answer: JSON.parse(outcome.answer) as Omit<SignAnswer, 'checkpoint'> };
    case 'id-reused':
      throw new SignerError('REQUEST_ID_REUSED', 'use a fresh id for another request');
    case 'conflict':
      throw new SignerError(outcome.code, 'ask again after the time named', {
        retryAfter: outcome.retryAfter,
      });
  }
}

function verifyAll(core: SignerCore, approved: Approved, signed: readonly SignedTarget[]): VerifiedText[] {
  try {
    const asked = approved.targets;
    const complete =
      signed.length === asked.length &&
      asked.every(({ period, variant, second }, index) => {
        const got = signed[index];
        return got?.periodNum === period.periodNum && got.variant === variant && got.second === second;
      });
    if (!complete) throw new SignerError('SERVICE_LATCHED', 'the keyholder answered other targets');
    return signed.map(target => core.verifier.verify(approved, target));
  } catch (error) {
    core.latched.add(approved.service.service);
    throw error;
  }
}

function composeAnswer(
  profile: NetworkProfile,
  approved: Approved,
  request: SignRequest,
  verified: readonly VerifiedText[],
): Omit<SignAnswer, 'checkpoint'> {
  return {
    id: request.id,
    service: approved.service.service,
    address: approved.service.address,
    descriptors: verified.map(({ target }) => ({
      period: {
        periodNum: target.periodNum,
        lengthMinutes: profile.periodLengthMinutes,
        offsetSeconds: 12 * profile.votingIntervalSeconds,
      },
      variant: target.variant,
      useFrom: target.second,
      revisionCounter: target.revisionCounter.toString(),
      text: Buffer.from(target.text).toString('utf8'),
    })),
  };
}

async function release(
  core: SignerCore,
  reserved: Reserved,
  approved: Approved,
  answer: Omit<SignAnswer, 'checkpoint'>,
  verified: readonly VerifiedText[],
): Promise<void> {
  await core.journal.release(reserved, {
    answer: JSON.stringify(answer),
    texts: verified.map(({ target }) => target.text),
    evidence: usedEvidence(core, approved).map(({ text }) => text),
  });
}

async function refuse(
  core: SignerCore,
  publisher: string,
  service: string,
  denied: Denied,
): Promise<SignOutcome> {
  // An alias that this publisher may not know is not written down either: it is the publisher's text.
  const named = denied.rule === 'PUBLISHER-SERVICE' ? undefined : service;
  await core.journal.refuse({ publisher, service: named, ...denied });
  const waits = RULE_PROBLEMS[denied.rule].status === 429;
  return { kind: 'denied', denied, ...(waits ? { retryAfter: denied.rule === 'SIGN-RATE' ? 60 : 1 } : {}) };
}

/** The keyholder's own rules are all in the table; another word from it is a defect. */
function toDenied({ rule, observed, limit }: Refusal): Denied {
  if (!Object.hasOwn(RULE_PROBLEMS, rule))
    throw new SignerError('KEYHOLDER_REFUSED', 'the keyholder refused; see its log');
  return { rule: rule as RuleId, observed, limit };
}
