import type { TorNetwork } from '../tor-network/tor-network.ts';

export interface Visit {
  readonly at: number;
  readonly body: string;
  readonly attempts: number;
}

/**
 * Somebody who opens the page once in every consensus, all the time, each time on a circuit of its own and with one
 * retry after the client has forgotten what it knew. What fails twice is kept.
 */
export class Visitor {
  readonly visits: Visit[] = [];
  readonly failures: unknown[] = [];
  readonly #network: TorNetwork;
  readonly #address: string;
  readonly #changed = new EventTarget();
  #stopped = false;
  #count = 0;
  readonly #done: Promise<void>;

  constructor(network: TorNetwork, address: string) {
    this.#network = network;
    this.#address = address;
    this.#done = this.#run();
  }

  /** Waits for the first visit that begins after `at` (milliseconds) and succeeds. */
  async visitAfter(at: number): Promise<Visit> {
    for (;;) {
      const visit = this.visits.find(each => each.at > at);
      if (visit !== undefined) return visit;
      if (this.failures.length > 0) throw this.failures[0];
      await new Promise(resolve => this.#changed.addEventListener('change', resolve, { once: true }));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#visit();
      this.#changed.dispatchEvent(new Event('change'));
      const { client } = this.#network;
      await client.consensusAfter(await client.consensusValidAfter());
    }
  }

  async #visit(): Promise<void> {
    const at = Date.now();
    for (let attempts = 1; attempts <= 2; attempts++) {
      try {
        const isolation = `visit-${++this.#count}`;
        const { body } = await this.#network.fetch(this.#address, '/', { isolation, newnym: attempts > 1 });
        this.visits.push({ at, body, attempts });
        return;
      } catch (error) {
        if (attempts === 2 && !this.#stopped) this.failures.push(error);
      }
    }
  }
}
