import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { childCommand, passedEnvironment } from './child-command.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { type Frame, FrameChannel } from './frames.ts';
import { PinAttempts, type PinStore, volatilePinStore } from './pin-memory.ts';
import { encodePinJudgement, PIN_TAG_BYTES } from './pin-tags.ts';
import { parsePinSource } from './pin.ts';
import {
  type CopyRequest,
  encodeCopyRequest,
  encodeResealRequest,
  encodeSealRequest,
  encodeVerifyRequest,
  parseSealAnswer,
  type ResealRequest,
  type SealedIdentity,
  type SealRequest,
  type VerifyRequest,
} from './seal-messages.ts';
import {
  encodeOpenRequest,
  MAX_ENVELOPE_BYTES,
  MAX_TOKEN_FRAME_BYTES,
  type OpeningResult,
  type OpenRequest,
  parseFailure,
  parseOpenAnswer,
  TOKEN_FRAME,
  type TokenAccess,
} from './token-messages.ts';
import { parsePkcs11Uri } from './uri.ts';
import { WireReader } from './wire.ts';

export interface TokenClientOptions {
  /** From spawn to answer, default 10 s; a terminal as PIN source gets 120 s at least. Then SIGKILL. */
  readonly deadlineMs?: number;
  /** Added to what PKCS#11 modules need of our environment. Nothing secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process id of each child, for status and tests. */
  readonly onSpawn?: (pid: number) => void;
  /** Remembers what tokens said of PINs; for the life of this client when not given. */
  readonly pins?: PinStore;
}

interface ChildOptions extends TokenClientOptions {
  /** Then everything that a module leaves running in the child's process group is killed with it. */
  readonly ownSession?: boolean;
}

/** Entry points beside this file, in source and in the built package. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const CHILD_FLAGS = ['--disable-sigusr1', '--disallow-code-generation-from-strings', '--no-warnings'];
const DEADLINE_MS = 10_000;
const TERMINAL_DEADLINE_MS = 120_000;
/** A module that hangs while it unloads does not delay the answer for longer. */
const EXIT_GRACE_MS = 2_000;

/** Starts a token process for each request and kills it at the deadline. A PIN found wrong is not tried again. */
export class TokenClient {
  readonly #options: TokenClientOptions;
  readonly #pins: PinStore;
  // What named the PIN and its state then: a corrected file is tried again, an unchanged one never.
  readonly #wrongPins = new Set<string>();

  constructor(options: TokenClientOptions = {}) {
    this.#options = options;
    this.#pins = options.pins ?? volatilePinStore();
  }

  /**
   * Opens the services with one login and returns one result per opening, in order. Throws TOKEN_TIMEOUT, TOKEN_DEAD
   * and what keeps all of them shut (URI_…, MODULE_…, TOKEN_…, PIN_…, KEY_…, PERIOD_REFUSED).
   */
  async open(request: OpenRequest): Promise<OpeningResult[]> {
    const answer = await this.#ask([request.access], TOKEN_FRAME.open, encodeOpenRequest(request));
    const results = parseOpenAnswer(answer);
    if (results.length !== request.openings.length) throw new CustodyError('TOKEN_PROTOCOL');
    return results;
  }

  /**
   * Seals a new identity, an imported one or one from a backup; the key file of an import is read by the child, from its
   * path or from our standard input. Throws as `open`, and ENVELOPE_…, IDENTITY_…, PAPER_KEY, PASSPHRASE….
   */
  async seal(request: SealRequest): Promise<SealedIdentity> {
    const { source } = request;
    const stdin = source.kind === 'import' && source.path === '' ? 'inherit' : 'ignore';
    const asks = source.kind === 'backup' && source.key.kind === 'passphrase' ? [source.key.source] : [];
    return parseSealAnswer(
      await this.#ask(request.tokens, TOKEN_FRAME.seal, encodeSealRequest(request), { stdin, asks }),
    );
  }

  /** Seals an envelope again to other recipients. Throws as `seal`, and RECIPIENT_…. */
  async reseal(request: ResealRequest): Promise<SealedIdentity> {
    const accesses = [...request.tokens, ...request.added];
    return parseSealAnswer(await this.#ask(accesses, TOKEN_FRAME.reseal, encodeResealRequest(request)));
  }

  /**
   * Opens an envelope with one recipient, or a copy with its passphrase, and compares the key inside with the service.
   * Returns the recipient's name: a key tag, `age1…` or `passphrase`. Throws as `open` and `seal`.
   */
  async verify(request: VerifyRequest): Promise<string> {
    const { by } = request;
    const accesses = by.kind === 'token' ? [by.access] : [];
    const asks = by.kind === 'passphrase' ? [by.source] : [];
    const answer = await this.#ask(accesses, TOKEN_FRAME.verify, encodeVerifyRequest(request), { asks });
    const reader = new WireReader(answer);
    const name = reader.str8();
    reader.end();
    return name;
  }

  /** The identity of an envelope in a file of its own for a new passphrase. Throws as `open`, and PASSPHRASE. */
  async copy(request: CopyRequest): Promise<Uint8Array> {
    const asks = [request.passphraseSource];
    const answer = await this.#ask([request.access], TOKEN_FRAME.copy, encodeCopyRequest(request), { asks });
    const reader = new WireReader(answer);
    const copy = reader.blob32(MAX_ENVELOPE_BYTES);
    reader.end();
    return copy;
  }

  async #ask(
    accesses: readonly TokenAccess[],
    type: number,
    payload: Uint8Array,
    { stdin = 'ignore', asks = [] }: { stdin?: 'ignore' | 'inherit'; asks?: readonly string[] } = {},
  ): Promise<Uint8Array> {
    const keys = accesses.map(access => this.#pinKey(access));
    if (keys.some(key => this.#wrongPins.has(key))) throw new CustodyError('PIN_INCORRECT');
    try {
      const options = this.#childOptions(keys.includes('') || stdin === 'inherit', asks.length > 0);
      return await askChild('token-process', type, payload, options, stdin);
    } catch (thrown) {
      if (thrown instanceof CustodyError && thrown.code === 'PIN_INCORRECT') {
        for (const key of keys) if (key !== '') this.#wrongPins.add(key);
      }
      throw thrown;
    }
  }

  /** A process in a session of its own has no terminal; one that asks at ours needs it, and more time, as scrypt does. */
  #childOptions(asksPerson: boolean, hasPassphrase: boolean): ChildOptions {
    const deadlineMs = this.#options.deadlineMs ?? DEADLINE_MS;
    const isLong = asksPerson || hasPassphrase;
    return {
      ...this.#options,
      pins: this.#pins,
      ownSession: !isLong,
      deadlineMs: isLong ? Math.max(deadlineMs, TERMINAL_DEADLINE_MS) : deadlineMs,
    };
  }

  /** Names the PIN of an access and the state of its source; '' when a person types it. Throws URI_…, PIN_…. */
  #pinKey(access: TokenAccess): string {
    const source = parsePinSource(parsePkcs11Uri(access.uri).pinSource ?? access.pinSource);
    if (source.kind === 'tty') return '';
    const folder = this.#options.env?.['CREDENTIALS_DIRECTORY'] ?? process.env['CREDENTIALS_DIRECTORY'] ?? '';
    const path = source.kind === 'file' ? source.path : `${folder}/${source.name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    return [access.modulePath, access.uri, path, stat?.ino, stat?.mtimeMs].join(' ');
  }
}

/**
 * Spawns an entry point beside this file with a cleared environment, sends one frame on its fd 3 and returns the
 * payload of the answer once the child has ended. Its standard output and error are discarded: vendor modules write
 * there. Throws the failure that the child names, TOKEN_TIMEOUT at the deadline, TOKEN_DEAD when it ends mute.
 */
export async function askChild(
  entry: 'token-process' | 'administration',
  type: number,
  payload: Uint8Array,
  options: ChildOptions,
  stdin: 'ignore' | 'inherit' = 'ignore',
): Promise<Uint8Array> {
  const path = fileURLToPath(new URL(`./${entry}.${EXTENSION}`, import.meta.url));
  const child = spawn(...childCommand([...CHILD_FLAGS, path]), {
    env: { ...passedEnvironment(), ...options.env },
    stdio: [stdin, 'ignore', 'ignore', 'pipe'],
    detached: options.ownSession ?? false,
  });
  const exited = exitOf(child);
  if (child.pid !== undefined) options.onSpawn?.(child.pid);
  let timedOut = false;
  const deadline = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, options.deadlineMs ?? DEADLINE_MS);
  try {
    return await exchange(child, { type, payload }, options.pins ?? volatilePinStore());
  } catch (thrown) {
    throw timedOut
      ? new CustodyError('TOKEN_TIMEOUT', undefined, { cause: thrown })
      : toCustodyError(thrown, 'TOKEN_DEAD');
  } finally {
    clearTimeout(deadline);
    const grace = setTimeout(() => child.kill('SIGKILL'), EXIT_GRACE_MS);
    await exited;
    clearTimeout(grace);
    if (options.ownSession === true) killGroup(child);
  }
}

async function exchange(
  child: ChildProcess,
  request: Pick<Frame, 'type' | 'payload'>,
  pins: PinStore,
): Promise<Uint8Array> {
  const channel = new FrameChannel(child.stdio[3] as Duplex, MAX_TOKEN_FRAME_BYTES);
  const attempts = new PinAttempts(pins);
  try {
    await channel.send(TOKEN_FRAME.pins, 0, encodePinJudgement(pins.judgement()));
    await channel.send(request.type, 0, request.payload);
    const { type, payload } = await answerOf(channel, attempts);
    if (type === TOKEN_FRAME.answer) {
      attempts.settle();
      return payload;
    }
    const error = parseFailure(payload);
    attempts.fail(error);
    throw error;
  } finally {
    channel.close();
  }
}

/** The frame with answer or failure. Throws TOKEN_DEAD, TOKEN_PROTOCOL, FRAME_…, STATE_WRITE. */
async function answerOf(channel: FrameChannel, attempts: PinAttempts): Promise<Frame> {
  for (;;) {
    const frame = await channel.receive();
    if (frame === undefined) throw new CustodyError('TOKEN_DEAD');
    if (frame.sequence !== 0) throw new CustodyError('TOKEN_PROTOCOL');
    switch (frame.type) {
      case TOKEN_FRAME.answer:
      case TOKEN_FRAME.failure:
        return frame;
      case TOKEN_FRAME.pinBegins:
        if (frame.payload.length !== PIN_TAG_BYTES) throw new CustodyError('TOKEN_PROTOCOL');
        attempts.begin(frame.payload);
        await channel.send(TOKEN_FRAME.pinMayBegin, 0, new Uint8Array(0));
        break;
      case TOKEN_FRAME.pinTaken:
        attempts.settle();
        break;
      default:
        throw new CustodyError('TOKEN_PROTOCOL');
    }
  }
}

/** What a module forked would keep a copy of identity and PIN. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

/** Resolves when the child is gone, or was never there. */
async function exitOf(child: ChildProcess): Promise<void> {
  await new Promise<void>(resolve => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}
