import { INVARIANTS, sha256, toHex } from '../descriptor/index.ts';
import { type RuleId, type Denied, RULE_PROBLEMS, SignerError } from './contract/problems.ts';
import type { SignRequest } from './contract/requests.ts';
import { diagnoseClock } from './clock-diagnosis.ts';
import type { EvidenceStore, StoredEvidence } from './evidence-store.ts';
import type { RequestName, ReserveOutcome } from './journal/journal.ts';
import { type Custody, planTargets } from './plan-targets.ts';
import {
  type Approved,
  evaluate,
  evaluatePublisher,
  evaluateRequest,
  type Verdict,
} from './policy/evaluate.ts';
import type { PolicyContext, RequestContext } from './policy/rules.ts';
import { findService, type ServicePolicy } from './policy/types.ts';
import type { CustodyStatus, Keyholder, KeyholderState, Refusal, Refused } from './ports.ts';
import type { SignerCore } from './sign-descriptor.ts';

/**
 * A verdict, and with an approval the descriptors that its points stand in, each once: held from the proof to the release,
 * whatever the store forgets meanwhile.
 */
export type Judged =
  | { readonly kind: 'denied'; readonly denied: Denied }
  | {
      readonly kind: 'approved';
      readonly approved: Approved;
      readonly evidence: readonly StoredEvidence[];
    };

/** What judging asks of the keyholder: proof, and what it can sign for. */
export interface JudgeKeyholder extends Pick<Keyholder, 'prove'> {
  status(): Promise<
    Pick<KeyholderState, 'runwaySeconds'> & {
      readonly services: readonly Pick<CustodyStatus, 'alias' | 'certifiedUntil'>[];
    }
  >;
}

/** What judging needs of the core. */
export type JudgeCore = Pick<
  SignerCore,
  'profile' | 'runwaySeconds' | 'policy' | 'policySerial' | 'journal' | 'blindedKeys' | 'latched' | 'now'
> & {
  readonly evidence: Pick<SignerCore['evidence'], 'of'>;
  readonly pointSets: Pick<SignerCore['pointSets'], 'of'>;
  readonly keyholder: JudgeKeyholder;
};

/** What is known of a request before its evidence is looked at. */
export const contextOf = (
  publisher: string,
  { service, points }: SignRequest,
  requestsLastHour: number,
): RequestContext => ({ publisher, service, points, requestsLastHour });

/** A request is the same when it asks for the same points of the same service; evidence and echo may differ. */
export const nameOf = (publisher: string, { id, service, points }: SignRequest): RequestName => ({
  publisher,
  service,
  requestId: id,
  requestDigest: toHex(sha256(Buffer.from(JSON.stringify([service, points])))),
});

/** The fate of a request whose id was used before. */
export interface Recalled {
  readonly kind: 'recalled';
  readonly known: Exclude<ReserveOutcome, { kind: 'reserved' }>;
}

/**
 * What is decided of a request that is to be signed before anything is spent: whether its publisher may ask at all, what its
 * id means, then judgeRequest at the publisher's rate. SignerError as there.
 */
export async function judgeOrRecall(
  core: JudgeCore,
  publisher: string,
  request: SignRequest,
): Promise<Judged | Recalled> {
  const allowed = evaluatePublisher(core.policy(), contextOf(publisher, request, 0));
  if (allowed.kind === 'denied') return allowed;
  core.journal.measures.inForce.check(publisher, request.service);
  const known = core.journal.recall(nameOf(publisher, request));
  if (known !== undefined) return { kind: 'recalled', known };
  return await judgeRequest(core, publisher, request, signedLastHour(core, publisher, request));
}

/** What SIGN-RATE counts. */
export const signedLastHour = (core: JudgeCore, publisher: string, { service }: SignRequest): number =>
  core.journal.reservationsSince(publisher, service, core.now() - 3600);

/**
 * Everything that is judged before anything is spent: policy's cheap half, proof by the core and by the keyholder,
 * custody, policy's verdict at the moment at which it is given. Of a dry run this is all. SignerError SERVICE_LATCHED,
 * PUBLISHER_UNKNOWN, FROZEN, FENCED, EVIDENCE_*, CUSTODY_UNAVAILABLE, KEYHOLDER_*.
 */
export async function judgeRequest(
  core: JudgeCore,
  publisher: string,
  request: SignRequest,
  requestsLastHour: number,
): Promise<Judged> {
  const asked = evaluateRequest(core.policy(), contextOf(publisher, request, requestsLastHour));
  if (asked.kind === 'denied') return asked;
  const { service } = asked;
  if (core.latched.has(service.service)) throw new SignerError('SERVICE_LATCHED', 'this service is stopped');
  core.journal.measures.inForce.check(publisher, service.service);
  const started = core.now();
  core.journal.standing.checkFence([{ second: started }], started);
  const proof = await proveOrDiagnose(core, publisher, service, request, started);
  if ('refused' in proof) return { kind: 'denied', denied: toDenied(proof.refused) };
  const { evidence } = proof;
  const custody = await askCustody(core, service);
  // Proofs and the keyholder take their time: targets and ages are those of this second.
  const now = core.now();
  const verdict = judge(core, publisher, request, evidence, { now, custody });
  if (verdict.kind === 'denied') return verdict;
  // Before anything is spent: waiting for a token must not use up the publisher's rate.
  if (custody.certifiedUntil <= now) throw unavailable();
  if (verdict.approved.targets.length === 0) {
    throw new SignerError('FENCED', 'wait: no counter above the fence is left yet', { retryAfter: 60 });
  }
  return { ...verdict, evidence };
}

/**
 * As proveEvidence. When what was sent is of no published period or of another time, every witness may say that the fault
 * is the clock's: then the refusal says so.
 */
async function proveOrDiagnose(
  core: JudgeCore,
  publisher: string,
  service: ServicePolicy,
  request: SignRequest,
  now: number,
): Promise<Refused | Proof> {
  const store = core.evidence.of(publisher);
  const diagnose = (): Refusal | undefined => {
    const sent = request.evidence.map(text => Buffer.from(text, 'utf8'));
    const known = store.proven(service.service);
    const named = request.points.flatMap(({ evidence }) => known.get(evidence)?.text ?? []);
    return diagnoseClock({ ...core, service, texts: [...sent, ...named], now });
  };
  try {
    const proof = await proveEvidence(core, store, service, request, now);
    if (!('refused' in proof) || !BY_THE_CLOCK.includes(proof.refused.rule)) return proof;
    return { refused: diagnose() ?? proof.refused };
  } catch (error) {
    const clock = error instanceof SignerError && error.code === 'EVIDENCE_INVALID' ? diagnose() : undefined;
    if (clock === undefined) throw error;
    return { refused: clock };
  }
}

/** By a clock that is off by days a descriptor that is known is of no published period. */
const BY_THE_CLOCK: readonly string[] = [INVARIANTS.evidenceAge, INVARIANTS.introProvenance];

/** The descriptors that the points of a request stand in, in the order in which they are named first. */
interface Proof {
  readonly evidence: readonly StoredEvidence[];
}

/**
 * The core proves every descriptor that was sent, once; then the keyholder proves those that the points stand in, and
 * its word is final. A reference to what this publisher never showed is an error.
 */
async function proveEvidence(
  { keyholder }: JudgeCore,
  store: EvidenceStore,
  service: ServicePolicy,
  { evidence, points }: SignRequest,
  now: number,
): Promise<Refused | Proof> {
  for (const text of new Set(evidence)) store.prove(service, Buffer.from(text, 'utf8'), now);
  const proven = store.proven(service.service);
  const digests = new Set(points.map(point => point.evidence));
  const named = [...digests].flatMap(digest => proven.get(digest) ?? []);
  if (named.length < digests.size) {
    throw new SignerError(
      'EVIDENCE_UNKNOWN',
      'send the descriptors that the points refer to along with the request',
    );
  }
  for (const stored of named) {
    const answer = await keyholder.prove(service.kpHsId, stored.text);
    if ('refused' in answer) return { refused: { ...answer.refused, evidence: stored.evidence.digest } };
  }
  return { evidence: named };
}

export async function askCustody(
  { keyholder }: JudgeCore,
  { service }: Pick<ServicePolicy, 'service'>,
): Promise<Custody> {
  const { services, runwaySeconds } = await keyholder.status();
  const certifiedUntil = services.find(({ alias }) => alias === service)?.certifiedUntil ?? 0;
  return { certifiedUntil, runwaySeconds };
}

const unavailable = (): SignerError =>
  new SignerError('CUSTODY_UNAVAILABLE', 'bring the token back; status says why it was not opened', {
    retryAfter: 10,
  });

/** The verdict at this moment, over what the points stand in. */
function judge(
  core: JudgeCore,
  publisher: string,
  request: SignRequest,
  proven: readonly StoredEvidence[],
  { now, custody }: { readonly now: number; readonly custody: Custody },
): Verdict {
  // The rate was judged before anything was proven.
  const asked = contextOf(publisher, request, 0);
  return evaluate(core.policy(), policyContext(core, asked, proven, { now, custody }));
}

/** What the rules see at `now`, Unix seconds, of what was proven. */
export function policyContext(
  core: JudgeCore,
  asked: RequestContext,
  proven: readonly StoredEvidence[],
  { now, custody }: { readonly now: number; readonly custody: Custody },
): PolicyContext {
  const service = findService(core.policy(), asked.service);
  return {
    ...asked,
    evidence: new Map(proven.map(({ evidence }) => [evidence.digest, evidence])),
    policySerial: core.policySerial(),
    pointSets: core.pointSets.of(asked.publisher, asked.service),
    targets: service === undefined ? [] : planTargets(core, service, now, custody),
    profile: core.profile,
    now,
    // Reservation decides this durably, with Retry-After; the rule's row covers doubles within one request.
    isSpent: () => false,
  };
}

/** The keyholder's rules as ours. What is no rule of a request is the state of the signer: SignerError. */
export function toDenied({ rule, ...rest }: Refusal): Denied {
  if (Object.hasOwn(RULE_PROBLEMS, rule)) return { rule: rule as RuleId, ...rest };
  if (rule === 'SERVICE-UNKNOWN') {
    const message = 'the keyholder has not read the newest list yet; see `status`';
    throw new SignerError('NOT_READY', message, { retryAfter: 10 });
  }
  if (rule === 'LIST-SERIAL') {
    throw new SignerError('NOT_READY', 'policy and the keyholder’s list are of two serials', {
      retryAfter: 1,
    });
  }
  if (rule === 'CHECKPOINT-FORK')
    throw new SignerError('CHECKPOINT_FORK', 'the keyholder signed another history');
  throw new SignerError('KEYHOLDER_REFUSED', 'the keyholder refused; see its log');
}
