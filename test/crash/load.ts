import { setTimeout as sleep } from 'node:timers/promises';
import type { SignAnswer, SignRequest } from '../../src/signer/contract/requests.ts';
import { backendDescriptor, pointsOf, signRequest } from '../e2e/daemon/backends.ts';
import { ask, type HttpAnswer } from '../e2e/daemon/http.ts';
import type { CrashRig, CrashService } from './rig.ts';

/** Answers of one publisher's service that are asked for again later. */
const REMEMBERED = 8;
/** One request in so many is an earlier one, word for word. */
const REPEAT_ONE_IN = 3;
/** After it a request is given up: nobody can say any more what an honest signer would have to answer. */
const PATIENCE_MS = 240_000;

/** One publisher that asks for one service, again and again, over all lives of the signer. */
export class Asker {
  readonly #rig: CrashRig;
  readonly #service: CrashService;
  readonly #random: () => number;
  readonly #answered: SignRequest[] = [];
  #running = false;
  #stopped = new AbortController();
  /** What was under way when the signer died. */
  #open: SignRequest | undefined;
  answers = 0;
  /** Answers to a request that was answered before. */
  repeated = 0;

  constructor(rig: CrashRig, service: CrashService, random: () => number) {
    this.#rig = rig;
    this.#service = service;
    this.#random = random;
  }

  /** Asks until `stop`; a signer that does not answer ends it too. */
  async run(): Promise<void> {
    this.#running = true;
    this.#stopped = new AbortController();
    while (this.#running) {
      this.#open ??= this.#next();
      if (!(await this.#askOnce(this.#open))) return;
    }
  }

  stop(): void {
    this.#running = false;
    this.#stopped.abort();
  }

  /** Sends one request once, answered or not. False when nobody is there. */
  async askOne(): Promise<boolean> {
    this.#open ??= this.#next();
    return await this.#askOnce(this.#open);
  }

  /** The same, whatever comes back: the status, 0 when nobody is there. */
  async askStatus(): Promise<number> {
    this.#open ??= this.#next();
    const answer = await this.#send(this.#open).catch(() => undefined);
    if (answer?.status === 200) this.#take(this.#open, JSON.parse(answer.body) as SignAnswer);
    return answer?.status ?? 0;
  }

  /** After a restart: what was under way gets its answer. Throws when the signer gives none for minutes. */
  async settle(): Promise<void> {
    this.#stopped = new AbortController();
    const deadline = Date.now() + PATIENCE_MS;
    let request = this.#open;
    while (request !== undefined) {
      const alive = await this.#askOnce(request);
      request = this.#open;
      if (Date.now() > deadline) throw new Error(`${this.#service.service}: no answer for minutes`);
      if (!alive) await sleep(100);
    }
  }

  #next(): SignRequest {
    const earlier = this.#answered[Math.floor(this.#random() * this.#answered.length)];
    if (earlier !== undefined && this.#random() * REPEAT_ONE_IN < 1) return earlier;
    const { service, backends } = this.#service;
    const { profile } = this.#rig.home;
    const [first, second] = backends.map(label => backendDescriptor(profile, label));
    if (first === undefined || second === undefined) throw new Error('a service has two backends');
    return signRequest(service, [first, second], pointsOf([second, 2, 0], [first, 1]));
  }

  /** False when nobody is there. */
  async #askOnce(request: SignRequest): Promise<boolean> {
    const answer = await this.#send(request).catch(() => undefined);
    if (answer === undefined) return false;
    if (answer.status === 200) {
      this.#take(request, JSON.parse(answer.body) as SignAnswer);
      return true;
    }
    const wait = Number(answer.headers['retry-after'] ?? Number.NaN);
    if (Number.isNaN(wait)) throw new Error(`${answer.status} ${answer.body}`);
    const { signal } = this.#stopped;
    await sleep(Math.min(wait, 1) * 1000, undefined, { signal }).catch(() => undefined);
    return true;
  }

  async #send(request: SignRequest): Promise<HttpAnswer> {
    return await ask(this.#rig.home.socket(this.#service.publisher), { body: JSON.stringify(request) });
  }

  #take(request: SignRequest, answer: SignAnswer): void {
    if (this.#rig.history.isAnswered(request.id)) this.repeated += 1;
    this.#rig.noteAnswer(answer);
    this.answers += 1;
    this.#open = undefined;
    if (!this.#answered.includes(request)) this.#answered.push(request);
    if (this.#answered.length > REMEMBERED) this.#answered.shift();
  }
}
