import {
  checkNetworkProfile,
  type NetworkProfile,
  parseOnionAddress,
  testNetwork,
  TOR_NETWORK,
} from '../descriptor/index.ts';
import type { ServiceDescription } from '../signer/contract/requests.ts';
import { BackendWatch, type Offer } from './backend-watch.ts';
import { sharingBackends } from './choose.ts';
import type { Context } from './context.ts';
import { isMostlyComplete, isReasonablyLive, networkMismatch } from './network-view.ts';
import { Publication } from './publication.ts';
import type { SignerClient } from './signer-client.ts';
import { Signing } from './signing.ts';
import type { ProblemRecord, ServiceState } from './state.ts';
import { type Timing, timingOf } from './timing.ts';

/** A difference of clocks that is worth a word, in seconds. */
const CLOCK_LAG_SECONDS = 30;

/** The network of a service as its signer's policy names it. Throws DescriptorError BAD_PERIOD for one that cannot be. */
export function profileOf({ network }: ServiceDescription): NetworkProfile {
  const { name, votingIntervalSeconds, periodLengthMinutes } = network;
  if (name === TOR_NETWORK.name && votingIntervalSeconds === TOR_NETWORK.votingIntervalSeconds)
    return TOR_NETWORK;
  return checkNetworkProfile({ ...testNetwork(name, votingIntervalSeconds), periodLengthMinutes });
}

/** One service: reads its backends, asks for signatures, publishes. Its failures stay its own. */
export class Service {
  readonly state: ServiceState;
  readonly timing: Timing;
  readonly signing: Signing;
  readonly #context: Context;
  readonly #profile: NetworkProfile;
  readonly #client: SignerClient;
  readonly #enqueue: (task: () => Promise<void>) => void;
  readonly #backends: BackendWatch;
  readonly #publication: Publication;
  #published: readonly number[] = [];

  /** `enqueue` puts a request in the signer's own queue: it answers one at a time. */
  constructor(
    context: Context,
    state: ServiceState,
    client: SignerClient,
    enqueue: (task: () => Promise<void>) => void,
  ) {
    const profile = profileOf(state.description);
    const kpHsId = parseOnionAddress(state.description.address);
    this.#context = context;
    this.state = state;
    this.timing = timingOf(profile);
    this.signing = new Signing(context, state, profile, this.timing);
    this.#profile = profile;
    this.#client = client;
    this.#enqueue = enqueue;
    this.#backends = new BackendWatch(context, state, profile, this.timing);
    this.#publication = new Publication(context, state, profile, this.timing, kpHsId);
  }

  get name(): string {
    return this.state.description.service;
  }

  /** Takes over what policy says now; the address and the network are those of the start. */
  update(description: ServiceDescription): void {
    this.state.description = description;
    this.#backends.update();
  }

  /** One round: starts everything that is due and records what is wrong. */
  tick(now: number): void {
    this.#publication.prune(now);
    this.#published = this.#publication.published(now);
    this.#backends.tick(now);
    const offer = this.#backends.offer(now);
    if (this.#backends.settled(now) && this.#published.length > 0) this.#sign(now, offer);
    this.#publication.tick(now, this.#published, this.state.attemptedAt);
    this.#recordProblems(now, offer);
  }

  /**
   * Whether one round is complete (`run --once`): the signer was asked (or need not be), every responsible HSDir has
   * been tried with the served text, and nothing is under way.
   */
  get settled(): boolean {
    if (!this.#backends.settled(this.#context.now()) || this.#published.length === 0) return false;
    if (this.signing.busy || this.signing.again || this.#publication.busy) return false;
    if (this.#context.dryRun) return this.signing.attempts > 0 || this.signing.choice?.ok === false;
    return this.#published.every(periodNum => {
      const period = this.state.periods[periodNum];
      const counter = period?.serving?.counter;
      if (counter === undefined) return this.signing.attempts > 0 || this.signing.choice?.ok === false;
      return period?.ring.every(fingerprint => period.hsdirs[fingerprint]?.counter === counter) ?? false;
    });
  }

  #sign(now: number, offer: Offer): void {
    const due = this.signing.plan(now, offer, this.#publishedNow(now));
    if (due === undefined) return;
    this.signing.busy = true;
    this.#enqueue(async () => {
      try {
        await this.signing.ask(this.#client, due.points, offer, due.reason);
      } finally {
        this.signing.busy = false;
      }
    });
  }

  /** A period that the consensus still publishes but whose window has ended by the clock gets no new text. */
  #publishedNow(now: number): number[] {
    return this.#published.filter(periodNum => (this.state.periods[periodNum]?.until ?? 0) > now);
  }

  #recordProblems(now: number, offer: Offer): void {
    const before = new Map(
      this.state.problems.map(problem => [`${problem.code} ${problem.detail}`, problem.since]),
    );
    this.state.problems = this.#problems(now, offer).map(problem => ({
      ...problem,
      since: before.get(`${problem.code} ${problem.detail}`) ?? now,
    }));
  }

  #problems(now: number, { allSilent, points }: Offer): Omit<ProblemRecord, 'since'>[] {
    const found: Omit<ProblemRecord, 'since'>[] = [];
    const add = (code: string, detail: string): number => found.push({ code, detail, severity: 'problem' });
    const view = this.#context.view();
    if (view !== undefined) {
      const mismatch = networkMismatch(view, this.#profile);
      if (mismatch !== undefined) add('NETWORK-MISMATCH', mismatch);
      if (!isReasonablyLive(view, now)) add('CONSENSUS-OLD', 'the consensus of this tor is not usable');
      if (!isMostlyComplete(view))
        add('MICRODESC-MISSING', `tor knows ${view.hsdirs.length} of ${view.candidates} HSDirs`);
    }
    const { choice, clockLag, fault } = this.signing;
    if (this.#backends.settled(now) && choice?.ok === false) {
      add(choice.rule, `observed ${choice.observed}, limit ${choice.limit}; the last text is served on`);
    }
    const sharing = sharingBackends(points).join(', ');
    if (sharing !== '') add('POINTS-COPIED', `${sharing} list the same auth keys; one of them copies`);
    if (allSilent) add('ALL-SILENT', 'no backend answers a probe; look at this tor first');
    if (fault !== undefined) found.push(fault);
    if (clockLag > CLOCK_LAG_SECONDS)
      add('CLOCK-DIFFERS', `the signer is ${Math.round(clockLag)} s ahead of us`);
    for (const [name, backend] of Object.entries(this.state.backends)) {
      if (backend.silentSince !== undefined) add('BACKEND-SILENT', `${name} answers no probe`);
      if (backend.refused !== undefined) {
        const { code } = backend.refused;
        add(
          'BACKEND-REFUSED',
          `${name}: ${code}; the signer refuses its descriptor; it is tried again later`,
        );
      }
      const age = now - (backend.madeTo ?? 0);
      if (backend.fetchCode !== undefined && age > this.#profile.evidenceMaxAgeSeconds / 2) {
        add('BACKEND-UNREAD', `${name}: ${backend.fetchCode}`);
      }
    }
    const rejected = this.#rejected();
    if (rejected > 0) add('UPLOAD-REJECTED', `${rejected} HSDirs hold a newer text that is not ours`);
    return found;
  }

  #rejected(): number {
    const periods = this.#published.flatMap(periodNum => this.state.periods[periodNum] ?? []);
    return periods.flatMap(({ ring, hsdirs }) =>
      ring.filter(fingerprint => hsdirs[fingerprint]?.result === 'rejected'),
    ).length;
  }
}
