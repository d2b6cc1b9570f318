import PQueue from 'p-queue';
import type { ServiceDescription } from '../signer/contract/requests.ts';
import type { SignerTarget } from './config-signers.ts';
import { codeOf } from './error.ts';
import type { PublisherLog } from './log.ts';
import { SignerClient } from './signer-client.ts';
import type { PublisherState } from './state.ts';

const RETRY_MIN = 1;
const RETRY_MAX = 30;

export type SignerLinkOptions = {
  readonly state: PublisherState;
  readonly log: PublisherLog;
  readonly now: () => number;
  readonly wake: () => void;
  /** What to do with a fresh list of services. */
  readonly onServices: (link: SignerLink, services: readonly ServiceDescription[]) => void;
};

/** One signer: its list of services, and the queue in which requests to it wait for each other. */
export class SignerLink {
  readonly client: SignerClient;
  readonly queue = new PQueue({ concurrency: 1 });
  /** Whether its list of services has been read (or asked for in vain) since the start. */
  asked = false;
  readonly #index: number;
  readonly #options: SignerLinkOptions;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #notBefore = 0;
  #failures = 0;
  #busy = false;

  constructor(target: SignerTarget, index: number, options: SignerLinkOptions) {
    this.client = new SignerClient(target, {
      onLine: detail =>
        options.log.warn('the program that leads to the signer says', { signer: index, detail }),
    });
    this.#index = index;
    this.#options = options;
    const { state, now } = options;
    const checkpoint = state.signers[this.client.name]?.checkpoint;
    state.signers[this.client.name] = {
      reachable: false,
      since: now(),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
  }

  /** Reads the list of services when it is due, every `refreshSeconds`. */
  tick(now: number, refreshSeconds: number): void {
    const due = this.#failures > 0 ? this.#notBefore : this.#refreshedAt + refreshSeconds;
    if (this.#busy || now < due) return;
    this.#busy = true;
    this.#refreshedAt = now;
    this.queue
      .add(async () => this.#refresh())
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#busy = false;
        this.asked = true;
        this.#options.wake();
      });
  }

  /** Looks at the signer at the next round: a request has just failed to reach it. */
  lookSoon(): void {
    this.#refreshedAt = Number.NEGATIVE_INFINITY;
  }

  close(): void {
    this.queue.clear();
    this.client.close();
  }

  async #refresh(): Promise<void> {
    const services = await this.client.services();
    const { log, onServices } = this.#options;
    if (this.#failures > 0 || !this.asked)
      log.info('the signer is there', { signer: this.#index, count: services.length });
    this.#failures = 0;
    this.#mark(true);
    onServices(this, services);
  }

  #fail(thrown: unknown): void {
    const { log, now } = this.#options;
    if (this.#failures === 0) log.failure('the signer cannot be asked', thrown, { signer: this.#index });
    this.#failures += 1;
    this.#notBefore = now() + Math.min(RETRY_MAX, RETRY_MIN * 2 ** Math.min(this.#failures - 1, 10));
    this.#mark(false, codeOf(thrown));
  }

  #mark(reachable: boolean, code?: string): void {
    const { state, now } = this.#options;
    const before = state.signers[this.client.name];
    const since = before !== undefined && before.reachable === reachable ? before.since : now();
    const checkpoint = before?.checkpoint === undefined ? {} : { checkpoint: before.checkpoint };
    state.signers[this.client.name] = {
      reachable,
      since,
      ...(code === undefined ? {} : { code }),
      ...checkpoint,
    };
  }
}
