import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from './backend.ts';
import { onionFetch, type OnionFetchOptions, type OnionResponse } from './onion-fetch.ts';
import { type NetworkNodes, prepareNodes } from './prepare.ts';
import { type ClientTor, type TorNode, TorStartError } from './tor-node.ts';

/** One directory per descriptor: a publisher that computes the ring wrongly is not found. */
export const SPARSE = { hsdir_n_replicas: 1, hsdir_spread_store: 1, hsdir_spread_fetch: 1 } as const;

const START_LIMIT_MS = 150_000;

export interface TorNetworkOptions {
  /** All state goes to the folder `tor` in it, emptied first and kept by `stop`. Default: a temporary folder. */
  readonly folder?: string;
  /** V, at least 10, a divisor of 86400; time periods last 24·V seconds. Default 10. */
  readonly votingIntervalSeconds?: number;
  /** Relays beside the three authorities, which are relays and directories too. Default 5. */
  readonly relays?: number;
  readonly consensusParams?: 'sparse' | Readonly<Record<string, number>>;
  readonly backends: number;
  /** Makes every backend an instance of this address from the beginning. */
  readonly masterAddress?: string;
  /** Leaves the backends stopped until `setMaster`, for an address that is not known yet. */
  readonly holdBackends?: boolean;
  /** Gets the network's milestones (`network: …`) and every line that a tor logs (`client: …`). */
  readonly log?: (line: string) => void;
}

/**
 * Starts a private network of stock tor on loopback. Resolves when client and publisher have circuits; for the
 * backends' descriptors see `waitBackendsPublished`. Everything ends with this process at the latest.
 */
export async function startTorNetwork(options: TorNetworkOptions): Promise<TorNetwork> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'tor-network-')));
  for (let attempt = 1; ; attempt++) {
    const network = await prepare(folder, options);
    try {
      await network.start();
      return network;
    } catch (error) {
      await network.stop();
      if (attempt === 3 || !(error instanceof TorStartError && error.portTaken)) throw error;
    }
  }
}

async function prepare(folder: string, options: TorNetworkOptions): Promise<TorNetwork> {
  const { votingIntervalSeconds = 10, relays = 5, backends, log = () => undefined } = options;
  const consensusParams = options.consensusParams === 'sparse' ? SPARSE : (options.consensusParams ?? {});
  const shape = { votingIntervalSeconds, relays, backends, consensusParams, log };
  try {
    return new TorNetwork(folder, await prepareNodes(join(folder, 'tor'), shape), options);
  } catch (error) {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

export class TorNetwork {
  readonly folder: string;
  readonly votingIntervalSeconds: number;
  readonly authorities: readonly TorNode[];
  readonly relays: readonly TorNode[];
  /** The visitor's tor. */
  readonly client: ClientTor;
  /** The tor beside the publisher. */
  readonly publisher: ClientTor;
  readonly backends: readonly Backend[];
  readonly #nodes: NetworkNodes;
  readonly #options: TorNetworkOptions;

  constructor(folder: string, nodes: NetworkNodes, options: TorNetworkOptions) {
    this.folder = folder;
    this.votingIntervalSeconds = options.votingIntervalSeconds ?? 10;
    this.authorities = nodes.authorities;
    this.relays = nodes.relays;
    this.client = nodes.client;
    this.publisher = nodes.publisher;
    this.backends = nodes.backends;
    this.#nodes = nodes;
    this.#options = options;
  }

  /** Used by `startTorNetwork`. The clients start offline: their attempts would only fail before a consensus. */
  async start(): Promise<void> {
    const { masterAddress, holdBackends = false } = this.#options;
    const limit = setTimeout(() => void this.stop(), START_LIMIT_MS);
    const clients = [this.client, this.publisher];
    const early = holdBackends ? clients : [...clients, ...this.backends];
    const servers = [...this.authorities, ...this.relays];
    try {
      if (masterAddress !== undefined) await all(this.backends, each => each.setMaster(masterAddress));
      await all(servers, each => each.start());
      this.#log('authorities and relays run');
      await all(early, each => each.start({ offline: true }));
      await all(this.authorities, each => each.consensusWithHsDirs(servers.length));
      this.#log('a consensus lists all relays');
      await all(this.relays, each => each.goOnline());
      await all(this.relays, each => each.bootstrapped(75));
      this.#log('all relays can serve directory documents');
      await all(early, each => each.goOnline());
      await all(clients, each => each.bootstrapped());
      this.#log('client and publisher have circuits');
    } finally {
      clearTimeout(limit);
    }
  }

  /**
   * Makes every backend an instance of the master address and starts it, or starts it again. Resolves when the tors
   * run; `waitBackendsPublished` waits for their new descriptors.
   */
  async setMaster(address: string): Promise<void> {
    await all(this.backends, async each => {
      await each.setMaster(address);
      await each.restart();
    });
  }

  /** Waits until both descriptors of every running backend are stored at all their directories. */
  async waitBackendsPublished(): Promise<void> {
    await all(
      this.backends.filter(each => each.running),
      each => each.published(),
    );
    this.#log('backends have published');
  }

  /** Waits until client and publisher hold a newer consensus than now; returns the older of their begins. */
  async waitNextConsensus(): Promise<number> {
    const begins = await all([this.client, this.publisher], async each =>
      each.consensusAfter(await each.consensusValidAfter()),
    );
    return Math.min(...begins);
  }

  /** GET through the client: one attempt on a stream of its own; `newnym` first forgets descriptors and circuits. */
  async fetch(
    address: string,
    path = '/',
    { newnym = false, ...options }: OnionFetchOptions & { readonly newnym?: boolean } = {},
  ): Promise<OnionResponse> {
    if (newnym) await this.newnym();
    return onionFetch({ host: '127.0.0.1', port: this.client.socksPort }, address, path, options);
  }

  /** The client forgets cached descriptors and circuits; resolves when it has, up to 10 s after the one before. */
  async newnym(): Promise<void> {
    await this.client.newnym();
  }

  /** Ends every tor and web server; safe to call twice. A temporary folder is removed. */
  async stop(): Promise<void> {
    const nodes = [this.client, this.publisher, ...this.authorities, ...this.relays];
    await Promise.all([...nodes.map(each => each.stop()), ...this.backends.map(each => each.close())]);
    await this.#nodes.ports.release();
    if (this.#options.folder === undefined) await rm(this.folder, { recursive: true, force: true });
    this.#log('stopped');
  }

  #log(milestone: string): void {
    this.#options.log?.(`network: ${milestone}`);
  }
}

/** Runs all and lets all end before the first failure is thrown, so that nothing starts behind a `stop`. */
async function all<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = await Promise.allSettled(items.map(work));
  const failed = results.find(result => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason as Error;
  return results.map(result => (result as PromiseFulfilledResult<R>).value);
}
