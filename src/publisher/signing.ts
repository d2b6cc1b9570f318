import { createHash, randomBytes } from 'node:crypto';
import type { NetworkProfile } from '../descriptor/index.ts';
import type { SignRequest } from '../signer/contract/requests.ts';
import type { Offer } from './backend-watch.ts';
import { type AvailablePoint, type Choice, choosePoints } from './choose.ts';
import type { Context } from './context.ts';
import { codeOf } from './error.ts';
import { planSigning, type SignReason } from './plan.ts';
import type { SignerClient, SignOutcome } from './signer-client.ts';
import type { ShelfEntry } from './shelf.ts';
import type { ServiceState } from './state.ts';
import { backOff, type Timing } from './timing.ts';
import { verifyAnswer } from './verify-answer.ts';

type Points = readonly AvailablePoint[];

/** The last thing that went wrong with the signer, for this service. */
export type SignFault = {
  readonly code: string;
  readonly detail: string;
  readonly severity: 'alarm' | 'problem';
};

/** Detail of a fault that says nothing but that the signer was not reached. */
export const UNREACHABLE = 'unreachable';

/** Asks the signer for one service: when due, with what, and what becomes of the answer. */
export class Signing {
  readonly #context: Context;
  readonly #state: ServiceState;
  readonly #profile: NetworkProfile;
  readonly #timing: Timing;
  #pending: { readonly content: string; readonly request: SignRequest } | undefined;
  #attempts = 0;
  busy = false;
  /** A backend was left out since the last request: the others are asked for at once. */
  again = false;
  fault: SignFault | undefined;
  choice: Choice | undefined;
  /** Texts of the newest answer whose `useFrom` lies this far in our future: our clock or the signer's is off. */
  clockLag = 0;

  constructor(context: Context, state: ServiceState, profile: NetworkProfile, timing: Timing) {
    this.#context = context;
    this.#state = state;
    this.#profile = profile;
    this.#timing = timing;
  }

  /** How often the signer was asked since the start, with whatever result. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Chooses points and says whether the signer is to be asked for them now. */
  plan(
    now: number,
    offer: Offer,
    published: readonly number[],
  ): { reason: SignReason; points: Points } | undefined {
    const { limits, service } = this.#state.description;
    this.choice = choosePoints(offer.points, this.#state.points, limits, this.#context.rng);
    if (!this.choice.ok) this.again = false;
    if (!this.choice.ok || this.busy) return undefined;
    const reason = planSigning({
      now,
      published,
      entries: this.#context.shelf.entries(service),
      state: this.#state,
      chosen: digestOfPoints(this.choice.points),
      timing: this.#timing,
    });
    return reason === undefined ? undefined : { reason, points: this.choice.points };
  }

  /** One request, from building it to a verified answer on the shelf. */
  async ask(client: SignerClient, points: Points, offer: Offer, reason: SignReason): Promise<void> {
    const { now, log, state } = this.#context;
    const { service } = this.#state.description;
    this.again = false;
    const request = this.#requestFor(points, offer, state.signers[client.name]?.checkpoint);
    log.info('asking the signer', { service, reason, count: points.length, request: request.id });
    const outcome = await (this.#context.dryRun ? client.check(request) : client.sign(request));
    this.#attempts += 1;
    this.#state.attemptedAt = now();
    try {
      if (outcome.kind === 'answered') this.#takeAnswer(client, request, outcome, points);
      else if (outcome.kind === 'approved') this.#takeApproval();
      else this.#takeRefusal(outcome, points);
    } catch (thrown) {
      // A full disk, or a defect of ours: without a pause every round would spend another second at the signer.
      const detail = 'the answer could not be put on the shelf';
      this.#fail({ code: codeOf(thrown), detail, severity: 'problem' }, undefined);
      log.failure(detail, thrown, { service });
    }
    this.#context.saveNow();
  }

  /** The same content keeps its id until somebody has answered, so that a lost answer is not signed twice. */
  #requestFor(points: Points, offer: Offer, checkpoint: string | undefined): SignRequest {
    const references = points.map(({ evidence, index }) => ({ evidence, index }));
    const content = JSON.stringify([this.#state.description.settings, references]);
    if (this.#pending?.content === content) return this.#pending.request;
    const digests = [...new Set(points.map(point => point.evidence))];
    const request: SignRequest = {
      id: randomBytes(16).toString('base64url'),
      service: this.#state.description.service,
      points: references,
      evidence: digests.flatMap(digest => offer.texts.get(digest) ?? []),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
    this.#pending = { content, request };
    return request;
  }

  #takeAnswer(
    client: SignerClient,
    request: SignRequest,
    { answer }: Extract<SignOutcome, { kind: 'answered' }>,
    points: Points,
  ): void {
    const { description } = this.#state;
    const { service } = description;
    const { log, shelf, now, state } = this.#context;
    this.#pending = undefined;
    const keys = points.map(point => point.key);
    const expectation = { request, description, profile: this.#profile, points: keys, now: now() };
    const verdict = verifyAnswer(answer, expectation);
    if (!verdict.ok) {
      const detail = `the signer's answer was not used${verdict.cause === undefined ? '' : ` (${verdict.cause})`}`;
      this.#fail({ code: verdict.fault, detail, severity: 'alarm' }, undefined);
      log.alarm('a wrong answer of the signer', { service, code: verdict.fault });
      return;
    }
    const digest = digestOfPoints(points);
    const signedAt = now();
    const { settings, restricted } = verdict.answer;
    const entries = verdict.answer.descriptors.map(descriptor => ({
      descriptor,
      points: digest,
      settings,
      signedAt,
    }));
    shelf.put(service, entries, entry => this.#isServed(entry));
    Object.assign(this.#state, {
      points: keys,
      pointsDigest: digest,
      settings,
      restricted,
      // Policy may have changed since the signer was asked for its services.
      description: { ...description, settings },
      signedAt,
      signFailures: 0,
      notBefore: 0,
    });
    for (const { backend } of points) delete this.#state.backends[backend]?.refused;
    const signer = state.signers[client.name];
    if (signer !== undefined) signer.checkpoint = verdict.answer.checkpoint;
    this.clockLag = Math.max(0, Math.min(...entries.map(({ descriptor }) => descriptor.useFrom)) - signedAt);
    this.fault = undefined;
    const result = restricted ? 'restricted discovery' : 'open';
    log.info('the signer answered', { service, count: entries.length, result, settings });
  }

  #takeApproval(): void {
    this.#pending = undefined;
    this.fault = undefined;
    this.#state.notBefore = this.#context.now() + this.#timing.reuploadMin;
    this.#context.log.info('dry run: the signer would sign', { service: this.#state.description.service });
  }

  #takeRefusal(outcome: Exclude<SignOutcome, { kind: 'answered' | 'approved' }>, points: Points): void {
    const { service } = this.#state.description;
    const { code } = outcome;
    const repeated = outcome.kind === 'busy' || outcome.kind === 'unreachable';
    if (!repeated) this.#pending = undefined;
    this.#context.log.warn('the signer did not sign', { service, code, result: outcome.kind });
    const evidence = 'evidence' in outcome ? outcome.evidence : undefined;
    const point = points.find(each => each.evidence === evidence);
    if (point !== undefined && this.#leaveOut(point, code)) return;
    const retryAfter = outcome.kind === 'denied' || outcome.kind === 'busy' ? outcome.retryAfter : undefined;
    const detail =
      outcome.kind === 'denied' && outcome.observed !== undefined
        ? `denied: observed ${printable(outcome.observed)}, limit ${printable(outcome.limit ?? '')}`
        : outcome.kind === 'unreachable'
          ? UNREACHABLE
          : outcome.kind;
    this.#fail({ code, detail, severity: 'problem' }, retryAfter);
  }

  /**
   * One backend with a descriptor that the signer refuses must not stop the others: it is left out, longer each time, or until
   * it publishes anew, and they are asked for at once. At most one request for each backend comes of it in each round. False for one that policy
   * has dropped meanwhile.
   */
  #leaveOut({ backend, evidence }: AvailablePoint, code: string): boolean {
    const state = this.#state.backends[backend];
    if (state === undefined) return false;
    const { now, log, random } = this.#context;
    const failures = (state.refused?.failures ?? 0) + 1;
    state.refused = { code, evidence, failures, until: now() + backOff(this.#timing, failures, random()) };
    this.#state.notBefore = 0;
    this.again = true;
    log.warn('a backend is left out; the signer refuses its descriptor', {
      service: this.#state.description.service,
      backend,
      code,
    });
    return true;
  }

  #fail(fault: SignFault, retryAfter: number | undefined): void {
    this.#state.signFailures += 1;
    const pause = retryAfter ?? backOff(this.#timing, this.#state.signFailures, this.#context.random());
    this.#state.notBefore = this.#context.now() + pause;
    this.fault = fault;
  }

  #isServed({ descriptor }: ShelfEntry): boolean {
    return this.#state.periods[descriptor.period.periodNum]?.serving?.counter === descriptor.revisionCounter;
  }
}

/** A name for a set of points, whatever their order: SHA-256, 64 hex digits. */
export function digestOfPoints(points: Points): string {
  const keys = points.map(point => point.key).sort();
  return createHash('sha256').update(keys.join('\n')).digest('hex');
}

/** Text of the signer as it may stand in a status line. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, '?').slice(0, 80);
}
