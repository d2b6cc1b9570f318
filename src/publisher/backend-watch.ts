import type { NetworkProfile } from '../descriptor/index.ts';
import {
  availablePoints,
  type BackendDescriptor,
  evidenceFault,
  fetchBackend,
  newerDescriptor,
} from './backends.ts';
import type { AvailablePoint } from './choose.ts';
import { type Context, launch } from './context.ts';
import { countMisses, MISSES_UNTIL_SILENT, newIsolation, probeBackend } from './probe.ts';
import type { BackendState, ServiceState } from './state.ts';
import type { Timing } from './timing.ts';

/** What the backends offer now. */
export type Offer = {
  readonly points: readonly AvailablePoint[];
  /** Digest of evidence → descriptor text. */
  readonly texts: ReadonlyMap<string, string>;
  /** All backends look silent: more likely our own tor, so the probes are not heeded. */
  readonly allSilent: boolean;
};

type Backend = {
  readonly name: string;
  readonly address: string;
  descriptor: BackendDescriptor | undefined;
  fetchAt: number;
  fetching: boolean;
  attempted: boolean;
  probeAt: number;
  probing: boolean;
  isolation: string;
};

/** Reads and probes the backends of one service. */
export class BackendWatch {
  readonly #context: Context;
  readonly #service: string;
  readonly #profile: NetworkProfile;
  readonly #timing: Timing;
  readonly #state: ServiceState;
  readonly #startedAt: number;
  #backends: readonly Backend[] = [];

  constructor(context: Context, state: ServiceState, profile: NetworkProfile, timing: Timing) {
    this.#context = context;
    this.#service = state.description.service;
    this.#profile = profile;
    this.#timing = timing;
    this.#state = state;
    this.#startedAt = context.now();
    this.update();
  }

  /** Takes over the list of backends from policy; what is known of those that stay is kept. */
  update(): void {
    this.#backends = this.#state.description.backends.map(({ name, address }) => {
      const known = this.#backends.find(backend => backend.name === name && backend.address === address);
      if (known !== undefined) return known;
      this.#state.backends[name] = { points: 0, misses: 0 };
      const idle = {
        fetchAt: 0,
        fetching: false,
        attempted: false,
        probeAt: 0,
        probing: false,
        isolation: newIsolation(),
      };
      return { name, address, descriptor: undefined, ...idle };
    });
    const names = new Set(this.#backends.map(({ name }) => name));
    for (const name of Object.keys(this.#state.backends))
      if (!names.has(name)) delete this.#state.backends[name];
  }

  /** Starts the fetches and probes that are due. */
  tick(now: number): void {
    const { tor, view, config } = this.#context;
    for (const backend of this.#backends) {
      if (!backend.fetching && backend.fetchAt <= now && tor() !== undefined && view() !== undefined) {
        this.#launchFetch(backend);
      }
      const probes = config.probe.enabled && backend.descriptor !== undefined && view() !== undefined;
      if (probes && !backend.probing && backend.probeAt <= now) this.#launchProbe(backend);
    }
  }

  /** Whether a choice would see all backends: each has been read, or was asked in vain for a while. */
  settled(now: number): boolean {
    if (!this.#backends.every(backend => backend.attempted)) return false;
    return now >= this.#startedAt + this.#timing.startGrace || this.#backends.every(each => each.descriptor);
  }

  get busy(): boolean {
    return this.#backends.some(backend => backend.fetching || backend.probing);
  }

  /** The points with evidence that the signer would take now, of backends that are neither silent nor left out. */
  offer(now: number): Offer {
    const proven = this.#backends.flatMap(({ name, descriptor }) => {
      if (descriptor === undefined || evidenceFault(descriptor, this.#profile, now) !== undefined) return [];
      if (isLeftOut(this.#state.backends[name], descriptor.evidence.digest, now)) return [];
      return [{ name, descriptor }];
    });
    const heard = proven.filter(({ name }) => !isSilent(this.#state.backends[name]));
    const allSilent = proven.length > 0 && heard.length === 0;
    const used = allSilent ? proven : heard;
    return {
      points: used.flatMap(({ name, descriptor }) => availablePoints(name, descriptor)),
      texts: new Map(used.map(({ descriptor }) => [descriptor.evidence.digest, descriptor.text])),
      allSilent,
    };
  }

  #launchFetch(backend: Backend): void {
    backend.fetching = true;
    const { context, service } = { context: this.#context, service: this.#service };
    launch(context, context.queues.fetch, { task: 'reading a backend', service }, async () => {
      try {
        await this.#fetch(backend);
      } finally {
        const pause =
          backend.descriptor === undefined ? this.#timing.retryMin * 2 : this.#timing.fetchInterval;
        backend.fetchAt = context.now() + pause * (0.75 + context.random() / 2);
        backend.fetching = false;
      }
    });
  }

  async #fetch(backend: Backend): Promise<void> {
    const { tor, view, rng, now, signal, log } = this.#context;
    const [port, network] = [tor(), view()];
    if (port === undefined || network === undefined) return;
    const result = await fetchBackend(port, {
      view: network,
      profile: this.#profile,
      address: backend.address,
      timeoutMs: this.#timing.fetchTimeout * 1000,
      rng,
      now,
      signal,
    });
    backend.attempted = true;
    const state = this.#stateOf(backend);
    state.fetchedAt = now();
    if (!result.ok) {
      state.fetchCode = result.code;
      log.warn('a backend could not be read', {
        service: this.#service,
        backend: backend.name,
        code: result.code,
      });
      return;
    }
    delete state.fetchCode;
    backend.descriptor = newerDescriptor(backend.descriptor, result.descriptor);
    const { evidence } = backend.descriptor;
    state.points = availablePoints(backend.name, backend.descriptor).length;
    state.madeFrom = evidence.made.from;
    state.madeTo = evidence.made.to;
  }

  #launchProbe(backend: Backend): void {
    backend.probing = true;
    const { context, service } = { context: this.#context, service: this.#service };
    launch(context, context.queues.probe, { task: 'probing a backend', service }, async () => {
      try {
        await this.#probe(backend);
      } finally {
        const { interval } = context.config.probe;
        // After a first miss the second look comes sooner: two of them take the points away.
        const pause = this.#stateOf(backend).misses === 1 ? interval / 4 : interval;
        backend.probeAt = context.now() + pause;
        backend.probing = false;
      }
    });
  }

  async #probe(backend: Backend): Promise<void> {
    const { config, signal, now, log } = this.#context;
    const { address, isolation } = backend;
    const result = await probeBackend(config.tor.socks, config.probe, { address, isolation, signal });
    if (result.verdict !== 'alive') backend.isolation = newIsolation();
    const state = this.#stateOf(backend);
    const wasSilent = isSilent(state);
    state.misses = countMisses(state.misses, result);
    const fields = {
      service: this.#service,
      backend: backend.name,
      ...(result.code ? { code: result.code } : {}),
    };
    if (isSilent(state) && !wasSilent) {
      state.silentSince = now();
      log.warn('a backend is silent; its points leave', fields);
    }
    if (!isSilent(state) && wasSilent) {
      delete state.silentSince;
      log.info('a backend answers again', fields);
    }
  }

  #stateOf(backend: Backend): BackendState {
    const known = this.#state.backends[backend.name];
    if (known !== undefined) return known;
    // Dropped from policy while a task ran: what it finds goes nowhere.
    return { points: 0, misses: 0 };
  }
}

/** Whether the signer refused this very descriptor, and it is not yet time to try it again. */
export function isLeftOut(state: BackendState | undefined, evidence: string, now: number): boolean {
  const { refused } = state ?? {};
  return refused !== undefined && refused.evidence === evidence && refused.until > now;
}

function isSilent(state: BackendState | undefined): boolean {
  return state !== undefined && state.misses >= MISSES_UNTIL_SILENT;
}
