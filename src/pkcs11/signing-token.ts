// The token that holds period keys, kept within reach: its process is started, watched, and started again.

import type { DescSigningKey } from './desc-signing-key.ts';
import { CustodyError, type CustodyErrorCode, toCustodyError } from './error.ts';
import type { PinStore } from './pin-memory.ts';
import { SigningChild } from './signing-child.ts';
import type { TokenKeyRecord } from './signing-key-record.ts';
import { SIGNING_FRAME, encodeEnter, encodeId, parseEntered, parseRecord } from './signing-messages.ts';
import { TokenSigningKey } from './signing-token-key.ts';
import type { TokenAccess } from './token-messages.ts';

/** What the owner of the keys tells, asked at each start. */
export interface SigningTokenOptions {
  readonly access: () => TokenAccess;
  /** For each call at the token; see `SigningChildOptions`. */
  readonly deadlineMs: () => number;
  /** Names this signer on the token. */
  readonly label: string;
  /** Every key that is recorded: what else carries our label is destroyed. */
  readonly known: () => readonly TokenKeyRecord[];
  /** Throws what forbids a login: a PIN that was refused. */
  readonly beforeLogin: () => void;
  readonly pins: PinStore;
  /** It is in reach, and these are not on it any more. */
  readonly onEntered: (records: readonly TokenKeyRecord[]) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/** What status says of it. */
export interface SigningTokenStatus {
  readonly state: 'off' | 'starting' | 'up' | 'silent' | 'down';
  /** 0 when there is no process. */
  readonly pid: number;
  /** Of the token, '' before it was reached. */
  readonly tokenLabel: string;
  /** Why it is not up. */
  readonly errorCode: CustodyErrorCode | '';
  /** Since when it fails or is silent, and when it is met anew; Unix seconds, 0 for neither. */
  readonly downSince: number;
  readonly nextTry: number;
}

/** A dead token is noticed within the sum of both: status is at most another second old. */
export const TOUCH_INTERVAL_MS = 500;
export const SILENCE_MS = 450;
const FIRST_BACK_OFF_MS = 250;
/** For what comes back by itself, so that it is back in use soon. */
export const LAST_BACK_OFF_MS = 2_000;
const PATIENT_BACK_OFF_MS = 30_000;
const WELL = Object.freeze({ downSince: 0, nextTry: 0 });
const PASSING: readonly CustodyErrorCode[] = ['TOKEN_NOT_FOUND', 'TOKEN_DEAD', 'TOKEN_TIMEOUT'];

/** Keys are made, used and destroyed through it. Requests fail at once while the token is away. */
export class SigningToken {
  readonly #options: SigningTokenOptions;
  #child: SigningChild | undefined;
  #entered = false;
  #silent = false;
  #stopped = true;
  #tokenLabel = '';
  #error: CustodyError | undefined;
  #backOffMs = 0;
  #failing: Pick<SigningTokenStatus, 'downSince' | 'nextTry'> = WELL;
  #entering: Promise<void> | undefined;
  readonly #asking = new Set<Promise<Uint8Array>>();
  #again: NodeJS.Timeout | undefined;
  #touches: NodeJS.Timeout | undefined;

  constructor(options: SigningTokenOptions) {
    this.#options = options;
  }

  get status(): SigningTokenStatus {
    const shown = { pid: this.#child?.pid ?? 0, tokenLabel: this.#tokenLabel, ...this.#failing };
    if (this.#stopped) return { ...shown, state: 'off', errorCode: '' };
    if (this.#entered) return { ...shown, state: this.#silent ? 'silent' : 'up', errorCode: this.#errorCode };
    return { ...shown, state: this.#child === undefined ? 'down' : 'starting', errorCode: this.#errorCode };
  }

  get #errorCode(): CustodyErrorCode | '' {
    if (this.#entered) return this.#silent ? 'TOKEN_TIMEOUT' : '';
    return this.#error?.code ?? 'TOKEN_DEAD';
  }

  /** One that is silent may still answer in time. @throws CustodyError why the token cannot be asked now */
  check(): void {
    if (!this.#entered) throw new CustodyError(this.#error?.code ?? 'TOKEN_DEAD');
  }

  /** Resolves when the token can be asked; waits for an attempt that is under way. @throws CustodyError why not */
  async ready(): Promise<void> {
    if (!this.#entered) await this.#entering;
    this.check();
  }

  /** Resolves when every request was answered or failed. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#asking);
  }

  /** Keeps the token in reach from now on; a second call does nothing. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#entering = this.#enter();
  }

  /** Ends the process, and with it the login. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#again);
    clearInterval(this.#touches);
    this.#entered = false;
    this.#failing = WELL;
    this.#child?.kill();
    this.#child = undefined;
  }

  /** Another token or PIN source may be in force: meets it anew. */
  restart(): void {
    if (this.#stopped) return;
    this.stop();
    this.#backOffMs = 0;
    this.start();
  }

  /** A new key on the token. @throws CustodyError TOKEN_UNSUITED, KEY_UNSUITABLE, TOKEN_…, PIN_… */
  async make(): Promise<TokenKeyRecord> {
    return parseRecord(await this.#ask(SIGNING_FRAME.make, new Uint8Array(0)));
  }

  /** Destroys a key; one that cannot be reached is destroyed at the next start, when nobody knows it. */
  destroy(record: TokenKeyRecord): void {
    this.#ask(SIGNING_FRAME.destroy, encodeId(record.id)).catch(() => undefined);
  }

  /** The key of a record, whose requests take turns with those of other owners. */
  keyOf(record: TokenKeyRecord, owner: string): DescSigningKey {
    return new TokenSigningKey(record, (type, payload) => this.#ask(type, payload, owner), this);
  }

  async #ask(type: number, payload: Uint8Array, owner = ''): Promise<Uint8Array> {
    this.check();
    if (this.#child === undefined) throw new CustodyError('TOKEN_DEAD');
    const asking = this.#child.ask(type, payload, { owner });
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  async #enter(): Promise<void> {
    const { access, deadlineMs, known, label, beforeLogin, onEntered, env, pins } = this.#options;
    let child: SigningChild | undefined;
    try {
      beforeLogin();
      const token = access();
      const passed = env === undefined ? {} : { env };
      child = new SigningChild({ deadlineMs: deadlineMs(), pins, access: token, ...passed });
      this.#child = child;
      const records = [...known()];
      const request = { access: token, label, known: records };
      const entered = parseEntered(await child.ask(SIGNING_FRAME.enter, encodeEnter(request)));
      if (entered.present.length !== records.length) throw new CustodyError('TOKEN_PROTOCOL');
      if (this.#child !== child) return;
      this.#tokenLabel = entered.tokenLabel;
      onEntered(records.filter((_, i) => entered.present[i] === false));
      this.#entered = true;
      this.#error = undefined;
      this.#silent = false;
      this.#backOffMs = 0;
      this.#failing = WELL;
      this.#watch(child);
    } catch (thrown) {
      child?.kill();
      this.#fail(child, toCustodyError(thrown, 'TOKEN_DEAD'));
    }
  }

  #watch(child: SigningChild): void {
    void child.ended.then(reason => this.#fail(child, reason));
    this.#touches = setInterval(() => {
      if (child.isIdle) void this.#touch(child);
    }, TOUCH_INTERVAL_MS).unref();
  }

  async #touch(child: SigningChild): Promise<void> {
    const silence = setTimeout(() => {
      this.#silent = true;
      this.#noteFailing();
    }, SILENCE_MS);
    try {
      await child.ask(SIGNING_FRAME.touch, new Uint8Array(0));
      this.#silent = false;
      this.#failing = WELL;
    } catch {
      // The process has ended, and whoever watches it knows why.
    } finally {
      clearTimeout(silence);
    }
  }

  #noteFailing(backOffMs?: number): void {
    const since = this.#failing.downSince === 0 ? Math.floor(Date.now() / 1000) : this.#failing.downSince;
    const nextTry = backOffMs === undefined ? 0 : Math.ceil((Date.now() + backOffMs) / 1000);
    this.#failing = { downSince: since, nextTry };
  }

  #fail(child: SigningChild | undefined, error: CustodyError): void {
    if (this.#stopped || this.#child !== child) return;
    clearInterval(this.#touches);
    this.#entered = false;
    this.#child = undefined;
    this.#error = error;
    const last = PASSING.includes(error.code) ? LAST_BACK_OFF_MS : PATIENT_BACK_OFF_MS;
    this.#backOffMs = Math.min(last, Math.max(FIRST_BACK_OFF_MS, 2 * this.#backOffMs));
    this.#noteFailing(this.#backOffMs);
    this.#again = setTimeout(() => {
      this.#entering = this.#enter();
    }, this.#backOffMs).unref();
  }
}
