import { checkRunway, type NetworkProfile, publicationWindow, toHex } from '../descriptor/index.ts';
import type { BlindedKeys } from './blinded-keys.ts';
import { type Denied, RULE_PROBLEMS, SignerError } from './contract/problems.ts';
import type { CheckAnswer, SignRequest } from './contract/requests.ts';
import type { EvidenceBook } from './evidence-book.ts';
import type { StoredEvidence } from './evidence-store.ts';
import type { HourlyBudget } from './hourly-budget.ts';
import type { Journal, Reserved, ReserveOutcome } from './journal/journal.ts';
import type { ReservedSecond } from './journal/reservations.ts';
import { contextOf, judgeOrRecall, judgeRequest, nameOf, toDenied } from './judge-request.ts';
import { orderSignatures } from './order-signatures.ts';
import { type Approved, evaluatePublisher } from './policy/evaluate.ts';
import type { PointSetBook } from './point-set-book.ts';
import type { Policy } from './policy/types.ts';
import type { Keyholder, SignedTarget } from './ports.ts';
import { encodeStoredAnswer, rebuildAnswer, type UncheckedAnswer } from './stored-answer.ts';
import { type OutputVerifier, type VerifiedText, wipeCookies } from './verify-output.ts';

/** What the use case works with. `now` gives Unix seconds. */
export interface SignerCore {
  readonly profile: NetworkProfile;
  readonly runwaySeconds: number;
  readonly policy: () => Policy;
  /** Serial of the policy that `policy` gives. */
  readonly policySerial: () => number;
  readonly journal: Journal;
  readonly keyholder: Keyholder;
  readonly evidence: EvidenceBook;
  readonly blindedKeys: BlindedKeys;
  readonly verifier: OutputVerifier;
  /** Sets of points signed lately, by publisher and service. */
  readonly pointSets: PointSetBook;
  /** Dry runs, which leave no trace in the journal. */
  readonly checks: HourlyBudget;
  /** Services stopped after a result that failed verification, until the next start. */
  readonly latched: Set<string>;
  readonly now: () => number;
}

/** `answer` lacks the checkpoint: the newest is added when the answer leaves. */
export type SignOutcome =
  | { readonly kind: 'signed'; readonly answer: UncheckedAnswer; readonly repeated: boolean }
  | DeniedOutcome;

export type CheckOutcome = { readonly kind: 'approved'; readonly answer: CheckAnswer } | DeniedOutcome;

/** `retryAfter` in seconds. */
export interface DeniedOutcome {
  readonly kind: 'denied';
  readonly denied: Denied;
  readonly retryAfter?: number;
}

/**
 * THE use case: one request of one publisher to finished, verified, recorded texts. The order is the promise: an
 * answer that was given is given again; else policy's cheap half, proof, verdict, durable reservation, keyholder,
 * verification, durable release. A denial is a value; SignerError for everything else. What was reserved stays spent.
 */
export async function signDescriptor(
  core: SignerCore,
  publisher: string,
  request: SignRequest,
): Promise<SignOutcome> {
  const verdict = await judgeOrRecall(core, publisher, request);
  if (verdict.kind === 'denied') return refuse(core, publisher, request.service, verdict.denied);
  if (verdict.kind === 'recalled')
    return { kind: 'signed', answer: readEarlier(core, verdict.known), repeated: true };
  const { approved, evidence } = verdict;
  const seconds = secondsOf(core, approved);
  const outcome = await core.journal.reserve({ ...nameOf(publisher, request), seconds });
  if (outcome.kind !== 'reserved')
    return { kind: 'signed', answer: readEarlier(core, outcome), repeated: true };
  const { reserved } = outcome;
  core.pointSets.note(approved, core.now());
  try {
    const signed = await orderSignatures(core, approved, evidence);
    if ('refused' in signed) {
      checkInTime(core, approved);
      core.journal.abandon(reserved);
      return await refuse(core, publisher, request.service, toDenied(signed.refused));
    }
    checkLeads(approved, seconds, signed.signed);
    const verified = verifyAll(core, approved, signed.signed);
    const answer = composeAnswer(core.profile, approved, request, verified);
    await release(core, reserved, { answer, verified, evidence });
    return { kind: 'signed', answer, repeated: false };
  } catch (error) {
    core.journal.abandon(reserved);
    throw error;
  }
}

/**
 * The dry run: everything of `request` judged as signDescriptor would, nothing reserved, signed or written. Metered
 * by a budget of its own, as large as that of the service's signatures.
 */
export async function checkDescriptor(
  core: SignerCore,
  publisher: string,
  request: SignRequest,
): Promise<CheckOutcome> {
  const { service } = request;
  const allowed = evaluatePublisher(core.policy(), contextOf(publisher, request, 0));
  if (allowed.kind === 'denied') return deniedOutcome(allowed.denied);
  const before = core.checks.take(publisher, service, core.now());
  const verdict = await judgeRequest(core, publisher, request, before);
  if (verdict.kind === 'denied') return deniedOutcome(verdict.denied);
  const periods = new Map(verdict.approved.targets.map(({ period }) => [period.periodNum, period]));
  return { kind: 'approved', answer: { service, verdict: 'approved', periods: [...periods.values()] } };
}

/** The answer that was given for this id, word for word; SignerError for every other fate of an earlier request. */
function readEarlier(
  { journal }: SignerCore,
  known: Exclude<ReserveOutcome, { kind: 'reserved' }>,
): UncheckedAnswer {
  if (known.kind === 'conflict') {
    throw new SignerError(known.code, 'ask again after the time named', { retryAfter: known.retryAfter });
  }
  const answer =
    known.kind === 'replay' ? rebuildAnswer(known.answer, digest => journal.archive.text(digest)) : undefined;
  if (answer !== undefined) return answer;
  throw new SignerError('REQUEST_ID_REUSED', 'use a fresh id for another request, and after an hour');
}

const secondsOf = (core: SignerCore, { service, targets }: Approved) =>
  targets.map(({ period, variant, second }) => {
    const kpHsBlindId = core.blindedKeys.of(service.kpHsId, period);
    return { kpHsBlindId, variant, second: second + leadOf(core, kpHsBlindId) };
  });

/**
 * What was approved may have become late on its way, on a busy machine or at the end of a period: no rule was broken then.
 * SignerError DEADLINE.
 */
function checkInTime({ profile, runwaySeconds, now }: SignerCore, { targets }: Approved): void {
  const nowSeconds = now();
  const isLate = targets.some(
    ({ period, second }) =>
      checkRunway(second, nowSeconds, runwaySeconds) !== undefined ||
      publicationWindow(profile, period).to <= nowSeconds,
  );
  if (isLate) throw new SignerError('DEADLINE', 'ask again: the time went on meanwhile', { retryAfter: 1 });
}

/** By how much the counters of a blinded key run ahead of the clock, as the journal has it. */
const leadOf = ({ journal }: SignerCore, kpHsBlindId: Uint8Array): number =>
  journal.measures.inForce.floorOf(toHex(kpHsBlindId)).lead;

/** The keyholder spent what was reserved, or one of the two does not know a fence yet. SignerError FENCED. */
function checkLeads(
  { targets }: Approved,
  reserved: readonly ReservedSecond[],
  signed: readonly SignedTarget[],
): void {
  const inStep = targets.every(({ second }, i) => signed[i]?.lead === (reserved[i]?.second ?? 0) - second);
  if (!inStep) throw new SignerError('FENCED', 'ask again under another id', { retryAfter: 1 });
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
  } finally {
    wipeCookies(signed);
  }
}

function composeAnswer(
  profile: NetworkProfile,
  approved: Approved,
  request: SignRequest,
  verified: readonly VerifiedText[],
): UncheckedAnswer {
  return {
    id: request.id,
    service: approved.service.service,
    address: approved.service.address,
    settings: settingsOf(verified),
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

/** All were made under one list, which the orders named. */
const settingsOf = (verified: readonly VerifiedText[]): number =>
  Math.min(...verified.map(({ target }) => target.settingsSerial));

interface Releasable {
  readonly answer: UncheckedAnswer;
  readonly verified: readonly VerifiedText[];
  /** What the texts rest on. */
  readonly evidence: readonly StoredEvidence[];
}

async function release(
  core: SignerCore,
  reserved: Reserved,
  { answer, verified, evidence }: Releasable,
): Promise<void> {
  await core.journal.release(reserved, {
    answer: encodeStoredAnswer(answer),
    texts: verified.map(({ target }) => target.text),
    evidence: evidence.map(({ text }) => text),
  });
}

async function refuse(
  core: SignerCore,
  publisher: string,
  service: string,
  denied: Denied,
): Promise<DeniedOutcome> {
  // An alias that this publisher may not know is not written down either: it is the publisher's text.
  const named = denied.rule === 'PUBLISHER-SERVICE' ? undefined : service;
  const { rule, observed, limit } = denied;
  await core.journal.refuse({ publisher, service: named, rule, observed, limit });
  return deniedOutcome(denied);
}

function deniedOutcome(denied: Denied): DeniedOutcome {
  const waits = RULE_PROBLEMS[denied.rule].status === 429;
  return {
    kind: 'denied',
    denied,
    ...(waits ? { retryAfter: denied.rule === 'ONE-PER-SECOND' ? 1 : 60 } : {}),
  };
}
