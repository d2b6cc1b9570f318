import { setTimeout as sleep } from 'node:timers/promises';
import {
  type NetworkProfile,
  publicationWindow,
  publishablePeriods,
  timePeriod,
  toHex,
} from '../../descriptor/index.ts';
import { CustodyError, type CustodyErrorCode } from '../../pkcs11/error.ts';
import {
  connectKeyholder,
  type KeyholderClient,
  type KeyholderStatus,
  type ServiceStatus,
  spawnKeyholder,
} from '../../pkcs11/keyholder-client.ts';
import { keyholderStatePath, type SignerConfig } from '../config.ts';
import { type ProblemCode, SignerError } from '../contract/problems.ts';
import { describeIsolation, ownRights } from '../isolation.ts';
import { SharedResult } from '../program/shared-result.ts';
import type { CustodyStatus, Keyholder, KeyholderState, Refused, SignedTarget, SignOrder } from '../ports.ts';

const FIRST_BACK_OFF_MS = 200;
const LAST_BACK_OFF_MS = 10_000;
export const STATUS_AGE_MS = 1000;
/** Core and keyholder are often started at the same moment, and the keyholder reads its state first. */
const START_PATIENCE_MS = 60_000;

/** The core's port on the keyholder process: starts or reaches it, and does so again when it was lost. */
export class KeyholderDoor implements Keyholder {
  readonly #config: SignerConfig;
  #client: Promise<KeyholderClient> | undefined;
  #backOffMs = 0;
  #notBefore = 0;
  #closed = false;
  /** Every publisher's every question comes down to it. */
  readonly #status = new SharedResult(() => this.#askStatus(), STATUS_AGE_MS);
  /** Process id of a keyholder that is our child. */
  pid: number | undefined;

  constructor(config: SignerConfig) {
    this.#config = config;
  }

  async prove(
    kpHsId: Parameters<Keyholder['prove']>[0],
    text: Uint8Array,
  ): Promise<Refused | { readonly digest: string }> {
    return await this.#with(client => client.prove(kpHsId, text));
  }

  async sign(order: SignOrder): Promise<Refused | { readonly signed: readonly SignedTarget[] }> {
    return await this.#with(client => client.sign(order));
  }

  async checkpoint(size: number, rootHash: Uint8Array, proof: readonly Uint8Array[]): Promise<string> {
    const answer = await this.#with(client => client.checkpoint({ size: BigInt(size), rootHash, proof }));
    if ('refused' in answer) {
      throw new SignerError(
        'CHECKPOINT_FORK',
        'the keyholder signed another history; restore the state directory, or run `init --recover`',
      );
    }
    return answer.note;
  }

  async signedSize(): Promise<number> {
    return Number((await this.#with(client => client.status())).checkpointSize);
  }

  async prepare(): Promise<void> {
    await this.#with(client => client.prepare()).finally(() => this.#status.forget());
  }

  async freeze(kpHsId: SignOrder['kpHsId'], frozen: boolean): Promise<void> {
    await this.#with(client => client.freeze(kpHsId, frozen)).finally(() => this.#status.forget());
  }

  async fence(kpHsId: SignOrder['kpHsId']): Promise<void> {
    await this.#with(client => client.fence(kpHsId)).finally(() => this.#status.forget());
  }

  async raiseFloor(second: number): Promise<void> {
    await this.#with(client => client.raiseFloor(second));
  }

  async reload(): Promise<void> {
    await this.#with(client => client.reload()).finally(() => this.#status.forget());
  }

  async status(): Promise<KeyholderState> {
    return await this.#status.get();
  }

  /**
   * Waits for a keyholder of its own process to answer, at most a minute; one that is our child is not waited for,
   * because it says why it ends. `waiting` is called once, when there is something to wait for; an aborted signal ends it.
   * SignerError KEYHOLDER_UNAVAILABLE when the time is over.
   */
  async reachable(
    waiting: () => void,
    { signal, patienceMs = START_PATIENCE_MS }: { signal?: AbortSignal; patienceMs?: number } = {},
  ): Promise<void> {
    if (this.#config.keyholder.kind !== 'unix') return;
    const until = Date.now() + patienceMs;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#askStatus();
        return;
      } catch (error) {
        const isAway = error instanceof SignerError && error.code === 'KEYHOLDER_UNAVAILABLE';
        if (!isAway || Date.now() >= until || signal?.aborted === true) throw error;
        if (attempt === 1) waiting();
        await sleep(FIRST_BACK_OFF_MS, undefined, { ...(signal && { signal }) }).catch(() => undefined);
      }
    }
  }

  /** For good: whoever still asks gets KEYHOLDER_UNAVAILABLE, and no other keyholder is started. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.close();
  }

  async #askStatus(): Promise<KeyholderState> {
    const status = await this.#with(client => client.status());
    return {
      startedAt: status.startedAt,
      listSerial: status.listSerial,
      listDigest: toHex(status.listDigest),
      network: status.network,
      isolation: describeIsolation(status, ownRights()),
      memory: status.isMemoryLocked ? 'locked' : MEMORY_CAN_SWAP,
      stateProtection: status.stateProtection,
      periodKeys: describePeriodKeys(status),
      tokens: status.tokens,
      breaker: status.breaker,
      checkpointKey: status.checkpointVkey,
      aheadSeconds: status.aheadSeconds,
      runwaySeconds: status.runwaySeconds,
      services: status.services.map(service =>
        custodyStatus(this.#config.profile, service, Date.now() / 1000),
      ),
    };
  }

  async #with<T>(use: (client: KeyholderClient) => Promise<T>): Promise<T> {
    try {
      return await use(await this.#reach());
    } catch (cause) {
      if (!(cause instanceof CustodyError)) throw cause;
      throw toSignerError(cause);
    }
  }

  /** One attempt at a time; after a failure the next ones wait longer and longer. */
  async #reach(): Promise<KeyholderClient> {
    if (this.#client !== undefined) return this.#client;
    if (this.#closed || Date.now() < this.#notBefore) throw new CustodyError('KEYHOLDER_DEAD');
    const client = this.#start();
    this.#client = client;
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
      this.#backOffMs = Math.min(LAST_BACK_OFF_MS, Math.max(FIRST_BACK_OFF_MS, 2 * this.#backOffMs));
      this.#notBefore = Date.now() + this.#backOffMs;
    };
    void client.then(reached => reached.closed.then(forget), forget);
    const reached = await client;
    this.#backOffMs = 0;
    return reached;
  }

  #start(): Promise<KeyholderClient> {
    const { keyholder, hostKey, deadlineMs } = this.#config;
    // A look for tokens that were away, a minute of tokens that do not answer, and one more.
    const prepareDeadlineMs = 130_000 + 2 * deadlineMs;
    if (keyholder.kind === 'unix') return connectKeyholder(keyholder.path, { prepareDeadlineMs });
    const paths = { state: keyholderStatePath(this.#config), list: this.#config.keyholderList, hostKey };
    return spawnKeyholder(paths, {
      prepareDeadlineMs,
      onSpawn: pid => {
        this.pid = pid;
      },
    });
  }
}

/** For status. */
const MEMORY_CAN_SWAP = 'NOT LOCKED, as locked_memory accepts: secrets can reach swap';

/** What the caller should know of the keyholder's codes; the others are the operator's, in status and log. */
const AS_PROBLEM: Partial<Record<CustodyErrorCode, ProblemCode>> = {
  KEYHOLDER_DEAD: 'KEYHOLDER_UNAVAILABLE',
  KEYHOLDER_TIMEOUT: 'KEYHOLDER_UNAVAILABLE',
  KEYHOLDER_BUSY: 'KEYHOLDER_UNAVAILABLE',
  KEYHOLDER_LATCHED: 'SERVICE_LATCHED',
  SERVICE_FROZEN: 'FROZEN',
  PERIOD_UNPREPARED: 'CUSTODY_UNAVAILABLE',
  // Of period keys inside a token, which is away.
  TOKEN_DEAD: 'CUSTODY_UNAVAILABLE',
  TOKEN_TIMEOUT: 'CUSTODY_UNAVAILABLE',
  TOKEN_NOT_FOUND: 'CUSTODY_UNAVAILABLE',
  TOKEN_AMBIGUOUS: 'CUSTODY_UNAVAILABLE',
  TOKEN_PROTOCOL: 'CUSTODY_UNAVAILABLE',
  MODULE_LOAD: 'CUSTODY_UNAVAILABLE',
  MODULE_PATH: 'CUSTODY_UNAVAILABLE',
  KEY_NOT_FOUND: 'CUSTODY_UNAVAILABLE',
  KEY_UNSUITABLE: 'CUSTODY_UNAVAILABLE',
  PIN_INCORRECT: 'CUSTODY_UNAVAILABLE',
  PIN_LOCKED: 'CUSTODY_UNAVAILABLE',
  PIN_FINAL_TRY: 'CUSTODY_UNAVAILABLE',
  PIN_CHANGE: 'CUSTODY_UNAVAILABLE',
  PIN_UNANSWERED: 'CUSTODY_UNAVAILABLE',
  PIN_SOURCE: 'CUSTODY_UNAVAILABLE',
};

/** Seconds after which asking again may help. */
const RETRY_AFTER: Partial<Record<ProblemCode, number>> = {
  KEYHOLDER_UNAVAILABLE: 1,
  CUSTODY_UNAVAILABLE: 10,
};

function toSignerError(cause: CustodyError): SignerError {
  const code = AS_PROBLEM[cause.code] ?? 'KEYHOLDER_REFUSED';
  const seconds = RETRY_AFTER[code];
  const retry = seconds === undefined ? {} : { retryAfter: seconds };
  return new SignerError(code, `the keyholder answers ${cause.code}: ${cause.message}`, { cause, ...retry });
}

/** Where period keys are made, and what stays for it: a process with the PIN in its memory. */
function describePeriodKeys({ periodKeys, signingToken }: KeyholderStatus): string {
  const { state, pid, tokenLabel, errorCode } = signingToken;
  if (state === 'off') return 'in the keyholder';
  const place = tokenLabel === '' ? 'a token' : `token ${tokenLabel}`;
  const process = pid === 0 ? 'no process' : `process ${pid} stays, with the PIN`;
  const fault = errorCode === '' ? '' : ` (${errorCode})`;
  return `in ${place}, ${state}${fault}: ${process}${periodKeys === 'token' ? '' : '; new ones in the keyholder'}`;
}

/** `certifiedUntil`: the first second at which a period is published that has no key that can sign. */
export function custodyStatus(profile: NetworkProfile, service: ServiceStatus, now: number): CustodyStatus {
  const usable = service.periods.filter(({ isUsable }) => isUsable);
  const certified = new Set(usable.map(({ periodNum }) => periodNum));
  const published = publishablePeriods(profile, Math.floor(now));
  let next = Math.max(...published.map(({ periodNum }) => periodNum)) + 1;
  while (certified.has(next)) next += 1;
  const complete = published.every(({ periodNum }) => certified.has(periodNum));
  return {
    alias: service.alias,
    origin: formatOrigin(service.origin),
    vouching: service.vouching,
    certifiedUntil: complete ? publicationWindow(profile, timePeriod(profile, next)).from : 0,
    latched: service.latched,
    frozen: service.frozen,
    fences: service.periods
      .filter(({ floor }) => floor > 0)
      .map(({ periodNum, floor, lead }) => ({ periodNum, floor, lead })),
    clients: service.clients,
    settingsSerial: service.settingsSerial,
    errorCode: service.lastError,
    opened: service.opened,
  };
}

export function formatOrigin(origin: string): string {
  if (origin === 'born') return 'born here';
  return origin.startsWith('imported-')
    ? `imported, was online until ${origin.slice('imported-'.length)}`
    : origin;
}
