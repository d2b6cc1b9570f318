// A publisher that asks as fast as it is answered, over one kept connection.

import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { openDescriptor, parseOnionAddress } from '../src/descriptor/index.ts';
import { cpuSecondsOf } from './processes.ts';
import type { BenchService, SignerRig } from './signer-rig.ts';

/** What one stretch of asking gave. */
export interface Stretch {
  readonly descriptors: number;
  readonly requests: number;
  readonly wallSeconds: number;
  /** Processor seconds of the core, the keyholder and this client. */
  readonly cpuSeconds: { readonly core: number; readonly keyholder: number; readonly client: number };
  /** Of each request, from the first byte sent to the last received. */
  readonly latencyMs: readonly number[];
  /** How long it had to wait because every service's second was spent. */
  readonly waitedSeconds: number;
}

const COUNTED = Buffer.from('"revisionCounter":');

export class SignerLoad {
  readonly #rig: SignerRig;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** When each service was last answered, in whole seconds. */
  readonly #answeredAt = new Map<string, number>();
  #next = 0;

  constructor(rig: SignerRig) {
    this.#rig = rig;
  }

  /** Sends every service's evidence and has each list of points signed once; checks that the texts are what was asked. */
  async warmUp(pointCounts: readonly number[]): Promise<void> {
    for (const points of pointCounts) {
      for (const service of this.#rig.services) {
        await this.#awaitFreshSecond(service);
        const isFirst = points === pointCounts[0];
        checkAnswer(await this.#ask(service, points, isFirst), points);
      }
    }
  }

  /** Asks one service after the other for `seconds`, unchanged points, evidence by digest. */
  async run(points: number, seconds: number): Promise<Stretch> {
    const { corePid, keyholderPid, services } = this.#rig;
    const pids = { core: corePid, keyholder: keyholderPid, client: process.pid };
    const cpu = (): Stretch['cpuSeconds'] => ({
      core: cpuSecondsOf(pids.core),
      keyholder: cpuSecondsOf(pids.keyholder),
      client: cpuSecondsOf(pids.client),
    });
    const latencyMs: number[] = [];
    let [descriptors, waitedSeconds] = [0, 0];
    const [busy, started] = [cpu(), performance.now()];
    while (performance.now() - started < seconds * 1000) {
      const service = services[this.#next % services.length];
      if (service === undefined) throw new Error('a signer without services');
      this.#next += 1;
      waitedSeconds += await this.#awaitFreshSecond(service);
      const asked = performance.now();
      const answer = await this.#ask(service, points, false);
      latencyMs.push(performance.now() - asked);
      descriptors += countDescriptors(answer);
    }
    const wallSeconds = (performance.now() - started) / 1000 - waitedSeconds;
    const after = cpu();
    return {
      descriptors,
      requests: latencyMs.length,
      wallSeconds,
      cpuSeconds: {
        core: after.core - busy.core,
        keyholder: after.keyholder - busy.keyholder,
        client: after.client - busy.client,
      },
      latencyMs,
      waitedSeconds,
    };
  }

  close(): void {
    this.#agent.destroy();
  }

  /** A second of a service is spent once: the same service again waits until the second of its last answer is over. */
  async #awaitFreshSecond({ alias }: BenchService): Promise<number> {
    const started = performance.now();
    while (this.#answeredAt.get(alias) === Math.floor(Date.now() / 1000)) {
      await delay(1000 - (Date.now() % 1000));
    }
    return (performance.now() - started) / 1000;
  }

  async #ask(service: BenchService, points: number, withEvidence: boolean): Promise<Buffer> {
    const { alias, evidence } = service;
    const perBackend = points / evidence.length;
    const body = JSON.stringify({
      id: randomBytes(12).toString('hex'),
      service: alias,
      points: evidence.flatMap(({ digest }) =>
        Array.from({ length: perBackend }, (_, index) => ({ evidence: digest, index })),
      ),
      evidence: withEvidence ? evidence.map(({ text }) => text) : [],
    });
    const answer = await this.#post(body);
    this.#answeredAt.set(alias, Math.floor(Date.now() / 1000));
    return answer;
  }

  async #post(body: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const options = {
        agent: this.#agent,
        socketPath: this.#rig.socket,
        method: 'POST',
        path: '/v1/descriptors',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      };
      const sent = request(options, response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks);
          if (response.statusCode === 200) resolve(answer);
          else reject(new Error(`the signer answered ${response.statusCode}: ${answer.toString('utf8')}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

/** Cheaper than reading the JSON: the client shares the core with what is measured. */
function countDescriptors(answer: Buffer): number {
  let count = 0;
  for (let at = answer.indexOf(COUNTED); at >= 0; at = answer.indexOf(COUNTED, at + 1)) count += 1;
  if (count === 0) throw new Error('an answer without descriptors');
  return count;
}

interface Answer {
  readonly address: string;
  readonly descriptors: readonly {
    readonly period: {
      readonly periodNum: number;
      readonly lengthMinutes: number;
      readonly offsetSeconds: number;
    };
    readonly useFrom: number;
    readonly text: string;
  }[];
}

/** Opens the first text of an answer as a client would, and counts as the measurement does. */
function checkAnswer(body: Buffer, points: number): void {
  const { address, descriptors } = JSON.parse(body.toString('utf8')) as Answer;
  const [first] = descriptors;
  if (first === undefined || countDescriptors(body) !== descriptors.length) throw new Error('miscounted');
  const opened = openDescriptor(Buffer.from(first.text), {
    kpHsId: parseOnionAddress(address),
    periods: [first.period],
    nowSeconds: first.useFrom,
  });
  if (opened.inner?.introductionPoints.length !== points) throw new Error('other points than asked for');
}
