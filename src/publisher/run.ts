import { randomInt } from 'node:crypto';
import PQueue from 'p-queue';
import { TOR_NETWORK } from '../descriptor/index.ts';
import type { ServiceDescription } from '../signer/contract/requests.ts';
import type { Family } from '../signer/program/exposition.ts';
import type { PublisherConfig } from './config.ts';
import type { Context } from './context.ts';
import { openFolder } from './durable-file.ts';
import { codeOf } from './error.ts';
import { type Logger, PublisherLog } from './log.ts';
import { publisherMetrics } from './metrics.ts';
import { Numbers } from './numbers.ts';
import { Service } from './service.ts';
import { Shelf } from './shelf.ts';
import { SignerLink } from './signer-link.ts';
import { UNREACHABLE } from './signing.ts';
import { newServiceState, type PublisherState, readState, startState, writeState } from './state.ts';
import { lockState } from './state-lock.ts';
import { judge } from './status.ts';
import { type Timing, timingOf } from './timing.ts';
import { TorLink } from './tor-link.ts';

export type RunOptions = {
  readonly config: PublisherConfig;
  readonly logger: Logger;
  /** Ends the run: SIGTERM, or a test. */
  readonly signal: AbortSignal;
  /** One round for every service, then the verdict of `status` as exit code. */
  readonly once?: boolean;
  /** Reads, chooses and asks what the signer would say; signs and uploads nothing. */
  readonly dryRun?: boolean;
  /** Only these services. */
  readonly only?: readonly string[] | undefined;
  /** Unix seconds; the system clock unless given. */
  readonly now?: () => number;
  /** Of this program, for the numbers. */
  readonly version?: string;
  /** Limit of `once`, seconds; 600 unless given. */
  readonly onceLimit?: number;
};

const TICK_MS = 1_000;
const SAVE_SECONDS = 2;
const HEARTBEAT_SECONDS = 60;

/**
 * Runs the publisher until `signal` or, with `once`, until every service had its round. Returns the exit code: 0 well,
 * 1 degraded, 2 down. Throws PublisherError STATE_* when the state folder cannot be used, SignerError TLS_KEY or LISTEN;
 * nothing later throws.
 */
export async function runPublisher(options: RunOptions): Promise<number> {
  const { config, signal } = options;
  openFolder(config.state);
  if (config.record !== undefined) openFolder(config.record);
  // A dry run writes nothing, so it may stand beside a running publisher.
  const unlock = options.dryRun === true ? async () => undefined : await lockState(config.state);
  try {
    const shelf = Shelf.open(config.state, { readOnly: options.dryRun ?? false });
    const publisher = new Publisher(options, shelf, readState(config.state));
    const numbers = await publisher.showNumbers();
    try {
      return await publisher.run(signal);
    } finally {
      numbers.close();
    }
  } finally {
    await unlock();
  }
}

class Publisher {
  readonly #options: RunOptions;
  readonly #log: PublisherLog;
  readonly #now: () => number;
  readonly #state: PublisherState;
  readonly #tor: TorLink;
  readonly #signers: readonly SignerLink[];
  readonly #context: Context;
  readonly #services = new Map<string, Service>();
  #dirty = true;
  #savedAt = 0;
  #woken = false;
  #resolvePause: () => void = () => undefined;

  constructor(options: RunOptions, shelf: Shelf, earlier: PublisherState | undefined) {
    const { config } = options;
    this.#options = options;
    this.#log = new PublisherLog(options.logger);
    this.#now = options.now ?? (() => Date.now() / 1000);
    const targets = config.signers.map(({ name }) => name);
    this.#state = startState(earlier, targets, this.#now());
    const shared = { config, state: this.#state, log: this.#log, now: this.#now, wake: () => this.#wakeUp() };
    const noted = (): void => {
      this.#dirty = true;
      this.#wakeUp();
    };
    this.#tor = new TorLink({ ...shared, wake: noted });
    this.#context = {
      ...shared,
      dryRun: options.dryRun ?? false,
      random: Math.random,
      rng: below => randomInt(below),
      signal: options.signal,
      shelf,
      queues: {
        fetch: new PQueue({ concurrency: 20 }),
        upload: new PQueue({ concurrency: 20 }),
        probe: new PQueue({ concurrency: 10 }),
      },
      tor: () => this.#tor.port,
      view: () => this.#tor.view,
      save: () => {
        this.#dirty = true;
      },
      saveNow: () => this.#save(),
    };
    const onServices = this.#takeServices.bind(this);
    this.#signers = config.signers.map(
      (target, index) => new SignerLink(target, index, { ...shared, wake: noted, onServices }),
    );
    this.#resume();
  }

  async run(signal: AbortSignal): Promise<number> {
    const { once = false, onceLimit = 600 } = this.#options;
    const wake = (): void => this.#wakeUp();
    signal.addEventListener('abort', wake, { once: true });
    const deadline = this.#now() + onceLimit;
    try {
      while (!signal.aborted) {
        this.#tick();
        if (once && (this.#settled || this.#now() > deadline)) break;
        await this.#pause();
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#close();
    }
    return once ? judge(this.#state, this.#now(), name => this.#wanted(name)).exitCode : 0;
  }

  /** A dry run writes no file. SignerError LISTEN. */
  async showNumbers(): Promise<Numbers> {
    const { config, dryRun = false, version = 'unknown' } = this.#options;
    const collect = (): Family[] => publisherMetrics(this.#state, this.#now(), version);
    return Numbers.open(dryRun ? { ...config, textfile: undefined } : config, collect, thrown =>
      this.#log.failure('the file of `metrics` could not be written', thrown),
    );
  }

  #tick(): void {
    const now = this.#now();
    const timing = this.#fastestTiming();
    this.#tor.tick(now, timing.consensusPoll);
    for (const signer of this.#signers) signer.tick(now, timing.serviceRefresh);
    for (const service of this.#services.values()) {
      try {
        service.tick(now);
      } catch (thrown) {
        this.#noteDefect(service, thrown, now);
      }
    }
    const due = this.#dirty && now >= this.#savedAt + SAVE_SECONDS;
    if (due || now >= this.#savedAt + HEARTBEAT_SECONDS) this.#save();
  }

  /** What no part expected stays with its service and shows in status. */
  #noteDefect({ name, state }: Service, thrown: unknown, now: number): void {
    const code = codeOf(thrown);
    if (state.problems[0]?.code === code) return;
    this.#log.failure('a round failed', thrown, { service: name });
    const detail = 'this round of the service failed; the others go on';
    state.problems = [{ code, detail, severity: 'problem', since: now }];
  }

  get #settled(): boolean {
    if (!this.#signers.every(signer => signer.asked)) return false;
    return [...this.#services.values()].every(service => service.settled);
  }

  #fastestTiming(): Timing {
    let fastest = timingOf(TOR_NETWORK);
    for (const { timing } of this.#services.values()) {
      if (timing.consensusPoll < fastest.consensusPoll) fastest = timing;
    }
    return fastest;
  }

  /** Sleeps until the next round or until something happened. */
  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#woken ? 0 : TICK_MS);
    this.#resolvePause = resolve;
    await promise;
    this.#woken = false;
    clearTimeout(timer);
  }

  #wakeUp(): void {
    this.#woken = true;
    this.#resolvePause();
  }

  /** After a restart the services of the state file go on at once, whether their signer answers or not. */
  #resume(): void {
    for (const [name, state] of Object.entries(this.#state.services)) {
      const signer = this.#signers.find(({ client }) => client.name === state.signer);
      if (signer !== undefined && this.#wanted(name)) this.#add(signer, state);
    }
  }

  #wanted(name: string): boolean {
    const only = this.#options.only ?? this.#options.config.only;
    return only === undefined || only.includes(name);
  }

  #takeServices(signer: SignerLink, list: readonly ServiceDescription[]): void {
    for (const [name, { state }] of this.#services) {
      const gone = state.signer === signer.client.name && !list.some(({ service }) => service === name);
      if (gone) this.#drop(name, 'the signer no longer names this service');
    }
    for (const description of list) {
      const { service: name } = description;
      if (!this.#wanted(name)) continue;
      const known = this.#services.get(name);
      if (known !== undefined && known.state.signer !== signer.client.name) {
        this.#log.warn('two signers name this service; the first one keeps it', { service: name });
      } else if (known !== undefined && isSameService(known.state.description, description)) {
        known.update(description);
      } else {
        if (known !== undefined) this.#drop(name, 'this service has another address or network now');
        this.#add(signer, newServiceState(signer.client.name, description));
      }
    }
    this.#context.save();
  }

  #add(signer: SignerLink, state: PublisherState['services'][string]): void {
    const name = state.description.service;
    try {
      const enqueue = (task: () => Promise<void>): void => {
        signer.queue
          .add(async () => {
            // Dropped while it waited: what it would fetch is no longer wanted.
            if (this.#state.services[name] === state) await task();
          })
          .catch((thrown: unknown) =>
            this.#log.failure('asking the signer failed', thrown, { service: name }),
          )
          .finally(() => {
            if (this.#services.get(name)?.signing.fault?.detail === UNREACHABLE) signer.lookSoon();
            this.#wakeUp();
          });
      };
      this.#state.services[name] = state;
      this.#services.set(name, new Service(this.#context, state, signer.client, enqueue));
    } catch (thrown) {
      this.#log.failure('a service cannot be published', thrown, { service: name });
      const detail = 'its network or address in policy cannot be used';
      state.problems = [{ code: codeOf(thrown), detail, severity: 'problem', since: this.#now() }];
    }
  }

  #drop(name: string, why: string): void {
    this.#log.warn(why, { service: name });
    this.#services.delete(name);
    delete this.#state.services[name];
    this.#context.shelf.drop(name);
  }

  #save(): void {
    const now = this.#now();
    this.#savedAt = now;
    this.#dirty = false;
    this.#state.updatedAt = now;
    if (this.#context.dryRun) return;
    try {
      writeState(this.#options.config.state, this.#state);
    } catch (thrown) {
      this.#log.failure('the state could not be written', thrown);
    }
  }

  #close(): void {
    this.#state.running = false;
    for (const queue of Object.values(this.#context.queues)) queue.clear();
    for (const signer of this.#signers) signer.close();
    this.#tor.close();
    this.#save();
    this.#log.info('stopped');
  }
}

function isSameService(a: ServiceDescription, b: ServiceDescription): boolean {
  return a.address === b.address && JSON.stringify(a.network) === JSON.stringify(b.network);
}
