import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type NetworkProfile,
  parseOnionAddress,
  publishablePeriods,
  testNetwork,
} from '../../src/descriptor/index.ts';
import { type BackendDescriptor, fetchBackend } from '../../src/publisher/backends.ts';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import { fetchDescriptorText } from '../../src/publisher/hs-desc.ts';
import { fetchRing, readNetworkView } from '../../src/publisher/network-view.ts';
import { uploadDescriptor } from '../../src/publisher/upload.ts';
import type { SignAnswer, SignedDescriptor, SignRequest } from '../../src/signer/contract/requests.ts';
import { newRequestId, nowSeconds } from '../e2e/daemon/backends.ts';
import { ask, get, type HttpAnswer } from '../e2e/daemon/http.ts';
import type { Needle } from '../e2e/memory-scan.ts';
import type { Neighbour, Stage, StageOptions } from '../e2e/stage.ts';
import { AttackSucceeded } from './attack.ts';
import { Vault } from './vault.ts';

/** The network of the stage. */
export const PROFILE = testNetwork('private', 10);
const LIMIT_MS = 120_000;
const FETCH_LIMIT_MS = 20_000;
/** Evidence must outlive the request that it goes with. */
const MARGIN_SECONDS = 30;

/** The other tenant of the signer; the test plays its backends, so an attack may hold their keys. */
export const NEIGHBOUR = {
  service: 'neighbour',
  publisher: 'vps2',
  backends: ['far-1', 'far-2'],
  limits: 'points: 2..6, min_backends: 2, requests: 3000/h',
} as const satisfies Neighbour;

/** A third tenant with a small budget, which the attacks on budgets may use up. */
export const BUDGETED = {
  service: 'budgeted',
  publisher: 'vps3',
  backends: ['near-1', 'near-2'],
  limits: 'points: 2..6, min_backends: 2, requests: 6/h',
} as const satisfies Neighbour;

/** What a stage needs for the attacks. */
export const THIEF_STAGE = {
  limits: 'points: 3..20, min_backends: 2, requests: 3000/h',
  signerLines: ['runway: 20s'],
  neighbours: [NEIGHBOUR, BUDGETED],
} as const satisfies Partial<StageOptions>;

/** Points of one of the service's true descriptors. */
export interface TrueEvidence extends BackendDescriptor {
  readonly backend: string;
}

/** Who owns the publisher's host: its home, its socket to the signer, and the tor beside it. */
export class Thief {
  readonly stage: Stage;
  readonly profile: NetworkProfile = PROFILE;
  /** The secrets to look for, as far as the stage's builder knows them. */
  readonly needles: readonly Needle[];
  /** Every text that the thief was ever given. */
  readonly banked: SignedDescriptor[] = [];
  readonly #tor: ControlPort;
  #evidence: readonly TrueEvidence[] = [];
  #vault: Promise<Vault> | undefined;

  private constructor(stage: Stage, tor: ControlPort, needles: readonly Needle[]) {
    this.stage = stage;
    this.#tor = tor;
    this.needles = needles;
  }

  /** Takes the host over; the publisher runs on. */
  static async enter(stage: Stage, needles: readonly Needle[] = []): Promise<Thief> {
    const tor = await ControlPort.open({ host: '127.0.0.1', port: stage.network.publisher.controlPort });
    await tor.setEvents(['HS_DESC', 'HS_DESC_CONTENT']);
    return new Thief(stage, tor, needles);
  }

  /** From now on nobody but the thief asks. */
  async silencePublisher(): Promise<void> {
    await this.stage.publisher.stop();
  }

  /** A signer with the hours of the public network, for the attacks on time and state; one for all of them. */
  async vault(): Promise<Vault> {
    this.#vault ??= Vault.open(join(this.stage.folder, 'vault'), this.stage.hsm);
    return await this.#vault;
  }

  /** Hands the host back to an honest publisher. */
  async leave(): Promise<void> {
    this.#tor.close();
    const vault = await this.#vault;
    await vault?.close();
    if (!this.stage.publisher.running) this.stage.startPublisher();
  }

  /** True descriptors of all backends, fresh enough for the next request. */
  async evidence(): Promise<readonly TrueEvidence[]> {
    const at = nowSeconds() + MARGIN_SECONDS;
    const current = new Set(publishablePeriods(this.profile, at).map(({ periodNum }) => periodNum));
    const usable = this.#evidence.every(({ evidence }) => current.has(evidence.period.periodNum));
    if (this.#evidence.length === 0 || !usable) this.#evidence = await this.#readBackends();
    return this.#evidence;
  }

  async #readBackends(): Promise<readonly TrueEvidence[]> {
    const view = await readNetworkView(this.#tor);
    const read: TrueEvidence[] = [];
    for (const { name, address } of this.stage.network.backends.filter(each => each.running)) {
      const query = { view, profile: this.profile, address: `${address.replace(/\.onion$/u, '')}.onion` };
      const rng = (below: number): number => Math.floor(Math.random() * below);
      const fetched = await fetchBackend(this.#tor, {
        ...query,
        rng,
        timeoutMs: FETCH_LIMIT_MS,
        now: nowSeconds,
      });
      if (!fetched.ok) throw new Error(`${name} cannot be read: ${fetched.code}`);
      read.push({ ...fetched.descriptor, backend: name });
    }
    return read;
  }

  /** A request that every rule allows: two points of each backend. */
  async honestRequest(): Promise<SignRequest> {
    const evidence = await this.evidence();
    return {
      id: newRequestId(),
      service: this.stage.service,
      points: evidence.flatMap(({ evidence: { digest } }) =>
        [0, 1].map(index => ({ evidence: digest, index })),
      ),
      evidence: evidence.map(({ text }) => text),
    };
  }

  /** What the publisher would do; it must be served whatever the thief did before. */
  async honest(): Promise<SignAnswer> {
    return await this.sign(await this.honestRequest());
  }

  /** Asks once. A body that is no string goes as JSON. */
  async ask(body: unknown, publisher = 'vps1'): Promise<HttpAnswer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return await ask(this.stage.socketOf(publisher), { body: text });
  }

  /** Asks until the answer is about the request itself: seconds may be spent, another request may be in flight. */
  async askPatiently(body: unknown, publisher = 'vps1'): Promise<HttpAnswer> {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const answer = await this.ask(body, publisher);
      const wait = Number(answer.headers['retry-after'] ?? Number.NaN);
      const isRate = answer.status === 429 && /"rule":"(?:SIGN-RATE|CONTENT-CHURN)"/u.test(answer.body);
      if (Number.isNaN(wait) || isRate || Date.now() > deadline) return answer;
      await sleep(wait * 1000);
    }
  }

  /** A request that must be served; keeps its texts. */
  async sign(request: SignRequest, publisher = 'vps1'): Promise<SignAnswer> {
    const answer = await this.askPatiently(request, publisher);
    if (answer.status !== 200)
      throw new AttackSucceeded(`an honest request was not served: ${answer.status} ${answer.body}`);
    const signed = JSON.parse(answer.body) as SignAnswer;
    if (request.service === this.stage.service) this.banked.push(...signed.descriptors);
    return signed;
  }

  async read<T>(path: string, publisher = 'vps1'): Promise<T> {
    return await get<T>(this.stage.socketOf(publisher), path);
  }

  /** The directories that clients ask for the service now, and for which period. */
  async ring(): Promise<{ readonly periodNum: number; readonly hsdirs: readonly string[] }> {
    const view = await readNetworkView(this.#tor);
    const { period, hsdirs } = fetchRing(view, this.profile, parseOnionAddress(this.stage.address));
    return { periodNum: period.periodNum, hsdirs };
  }

  async directories(): Promise<readonly string[]> {
    return (await this.ring()).hsdirs;
  }

  /** What a directory gives to who asks for the service; undefined for nothing. */
  async fetch(fingerprint: string): Promise<string | undefined> {
    const { address } = this.stage;
    const query = { address, fingerprint, timeoutMs: FETCH_LIMIT_MS };
    const fetched = await fetchDescriptorText(this.#tor, query);
    return fetched.ok ? fetched.text : undefined;
  }

  /** Hands a text to one directory through the publisher's own tor; `uploaded`, or the code of its refusal. */
  async upload(text: string, fingerprint: string): Promise<string> {
    const { address } = this.stage;
    const outcome = await uploadDescriptor(
      this.#tor,
      { address, fingerprint, timeoutMs: FETCH_LIMIT_MS },
      text,
    );
    return outcome.result === 'uploaded' ? 'uploaded' : (outcome.code ?? outcome.result);
  }
}
