// A probe of a token, seen from an operator's command: line after line, in a new process where one hangs or dies.

import { CustodyError, type CustodyErrorCode } from './error.ts';
import { volatilePinStore } from './pin-memory.ts';
import { parsePinSource } from './pin.ts';
import { CKF_PROTECTED_AUTHENTICATION_PATH } from './pkcs11-constants.ts';
import { PROBE_LINES, type ProbeLine, type ProbeLineId, tried, type Tried } from './probe-lines.ts';
import {
  encodeAttempt,
  encodeLook,
  parseSighting,
  parseTried,
  PROBE_FRAME,
  type Sighting,
} from './probe-messages.ts';
import { type ProbeReport, reportOf } from './probe-report.ts';
import { forEachLine } from './probe-verdict.ts';
import { SigningChild } from './signing-child.ts';
import type { TokenAccess } from './token-messages.ts';
import type { TokenClientOptions } from './token-client.ts';
import { parsePkcs11Uri } from './uri.ts';

/** For one line; a line that may make an RSA key has four times as long. */
const LINE_DEADLINE_MS = 30_000;
const SLOW = 4;
const TERMINAL_DEADLINE_MS = 120_000;
/** Each costs a login with a PIN that was right before. */
const MAX_DEATHS = 4;

/** What keeps a PIN from being tried and says nothing against the token itself. */
const NO_LOGIN: readonly CustodyErrorCode[] = ['PIN_LOCKED', 'PIN_FINAL_TRY', 'PIN_CHANGE', 'PIN_COUNT_LOW'];

/**
 * Tries what the one token that the URI selects really does, on objects that are removed again, with one attempt at the PIN.
 * Without a login (`login` says why) nothing is tried. Throws URI_…, MODULE_…, TOKEN_…, PIN_…; a line that hangs or kills its
 * process is an answer and no error.
 */
export async function probeToken(
  access: TokenAccess,
  options: TokenClientOptions = {},
): Promise<ProbeReport> {
  const probe = new Probe(access, options);
  try {
    return await probe.run();
  } finally {
    probe.end();
  }
}

class Probe {
  readonly #access: TokenAccess;
  readonly #options: TokenClientOptions;
  readonly #isTyped: boolean;
  readonly #tries = new Map<ProbeLineId, Tried>();
  #child: SigningChild | undefined;
  #deaths = 0;

  constructor(access: TokenAccess, options: TokenClientOptions) {
    const source = parsePinSource(parsePkcs11Uri(access.uri).pinSource ?? access.pinSource);
    this.#isTyped = source.kind === 'tty';
    this.#access = access;
    this.#options = { ...options, pins: options.pins ?? volatilePinStore() };
  }

  async run(): Promise<ProbeReport> {
    const sighting = await this.#look();
    const login = await this.#logIn(sighting);
    for (const line of PROBE_LINES)
      this.#tries.set(line.id, login === '' ? await this.#try(line) : tried('untried'));
    return reportOf(
      sighting,
      login,
      forEachLine(id => this.#tries.get(id) ?? tried('untried')),
    );
  }

  /** Ends the process. What a line left on the token is gone, or is the next probe's to remove. */
  end(): void {
    this.#child?.kill();
    this.#child = undefined;
  }

  async #look(): Promise<Sighting> {
    const { env, pins = volatilePinStore(), onSpawn, swapAccepted } = this.#options;
    await pins.quiet?.();
    this.#child = new SigningChild({
      entry: 'probe-process',
      ownSession: !this.#isTyped,
      deadlineMs: this.#deadlineMs,
      pins,
      access: this.#access,
      ...(env === undefined ? {} : { env }),
      ...(swapAccepted === undefined ? {} : { swapAccepted }),
    });
    if (this.#child.pid !== undefined) onSpawn?.(this.#child.pid);
    return parseSighting(await this.#child.ask(PROBE_FRAME.look, encodeLook(this.#access)));
  }

  /** '' or why there was none. Throws what keeps every PIN from being tried. */
  async #logIn({ token }: Sighting): Promise<CustodyErrorCode | ''> {
    const deadlineMs = this.#isTyped ? Math.max(this.#deadlineMs, TERMINAL_DEADLINE_MS) : this.#deadlineMs;
    try {
      await this.#child?.ask(PROBE_FRAME.login, new Uint8Array(0), { deadlineMs });
      return '';
    } catch (thrown) {
      if (!(thrown instanceof CustodyError)) throw thrown;
      const hasPad = (token.flags & CKF_PROTECTED_AUTHENTICATION_PATH) !== 0;
      if (NO_LOGIN.includes(thrown.code) || (hasPad && thrown.code === 'PIN_SOURCE')) return thrown.code;
      throw thrown;
    }
  }

  async #try({ id, needs, slow }: ProbeLine): Promise<Tried> {
    const missing = needs.find(need => this.#tries.get(need)?.outcome !== 'works');
    if (missing !== undefined) return tried('untried', `needs ${missing}`);
    if (this.#deaths > MAX_DEATHS) return tried('untried', 'the process died too often');
    await this.#renew();
    try {
      return await this.#ask(id, slow === true ? SLOW * this.#deadlineMs : this.#deadlineMs);
    } catch (thrown) {
      this.end();
      this.#deaths += 1;
      if (!(thrown instanceof CustodyError)) throw thrown;
      if (thrown.code === 'TOKEN_TIMEOUT') return tried('silent');
      if (thrown.code === 'TOKEN_DEAD') return tried('dead');
      throw thrown;
    }
  }

  /** After a death: a new process, which first removes what the last one left. */
  async #renew(): Promise<void> {
    if (this.#child !== undefined) return;
    const login = await this.#logIn(await this.#look());
    if (login !== '') throw new CustodyError(login);
    await this.#ask('clean', this.#deadlineMs);
  }

  async #ask(id: ProbeLineId, deadlineMs: number): Promise<Tried> {
    if (this.#child === undefined) throw new CustodyError('TOKEN_DEAD');
    return parseTried(await this.#child.ask(PROBE_FRAME.attempt, encodeAttempt(id), { deadlineMs }));
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? LINE_DEADLINE_MS;
  }
}
