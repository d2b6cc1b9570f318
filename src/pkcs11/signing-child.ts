// One process that signs with keys in a token: started, asked in turn, killed when it is late.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { childCommand, MODULE_PROCESS_FLAGS, passedEnvironment } from './child-command.ts';
import { awaitEnd, exitOf, killGroup } from './child-exit.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { FairQueue } from './fair-queue.ts';
import { type Frame, FrameChannel } from './frames.ts';
import { memoryArguments } from './memory-word.ts';
import { PinAttempts, type PinStore } from './pin-memory.ts';
import { encodePinJudgement, parsePinTags } from './pin-tags.ts';
import { MAX_SIGNING_FRAME_BYTES } from './signing-messages.ts';
import { TOKEN_FRAME, type TokenAccess, parseFailure } from './token-messages.ts';

/** How it is started. */
export interface SigningChildOptions {
  /** For each request, from when it is with the token, and for each of its calls there; then SIGKILL. Milliseconds. */
  readonly deadlineMs: number;
  /** What is known of PINs, and where an attempt is written down before it is made. */
  readonly pins: PinStore;
  /** The token that it will be asked to log in to. */
  readonly access?: TokenAccess;
  /** Added to what PKCS#11 modules need of our environment. Nothing secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** Secrets may reach swap in the child where no memory can be locked; as in this process when not given. */
  readonly swapAccepted?: boolean;
  /** Another process that is asked in turn. */
  readonly entry?: 'signing-process' | 'probe-process';
  /** Of a session of its own, unless it asks a person at our terminal. */
  readonly ownSession?: boolean;
}

/** How one request is asked. */
export interface AskOptions {
  /** Whose it is: owners take turns. */
  readonly owner?: string;
  readonly deadlineMs?: number;
}

interface Request {
  readonly type: number;
  readonly payload: Uint8Array;
  readonly deadlineMs: number;
  readonly settle: (payload: Uint8Array) => void;
  readonly fail: (error: CustodyError) => void;
}

/** Entry point beside this file, in source and in the built package. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** One request is with the token, the others wait here for their owner's turn. Every failure ends the process. */
export class SigningChild {
  readonly pid: number | undefined;
  /** Resolves with why it ended, once the process is gone. */
  readonly ended: Promise<CustodyError>;
  readonly #child: ChildProcess;
  readonly #channel: FrameChannel;
  readonly #deadlineMs: number;
  readonly #attempts: PinAttempts;
  readonly #waiting = new FairQueue<Request>();
  #asked: Request | undefined;
  #late: NodeJS.Timeout | undefined;
  /** For another process that tries the same PIN: then nothing is late. */
  #waits = false;
  #sequence = 0;
  #reason: CustodyError | undefined;

  constructor(options: SigningChildOptions) {
    const { deadlineMs, env, pins, access, entry = 'signing-process', ownSession = true } = options;
    this.#attempts = new PinAttempts(pins, access);
    const path = fileURLToPath(new URL(`./${entry}.${EXTENSION}`, import.meta.url));
    const args = [path, ...memoryArguments(options.swapAccepted)];
    this.#child = spawn(...childCommand([...MODULE_PROCESS_FLAGS, ...args]), {
      env: { ...passedEnvironment(), ...env },
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      detached: ownSession,
    });
    this.pid = this.#child.pid;
    this.#deadlineMs = deadlineMs;
    this.#channel = new FrameChannel(this.#child.stdio[3] as Duplex, MAX_SIGNING_FRAME_BYTES);
    this.#send(TOKEN_FRAME.pins, 0, encodePinJudgement(this.#attempts.judgement));
    const gone = exitOf(this.#child);
    void gone.then(() => this.#end(new CustodyError('TOKEN_DEAD')));
    this.ended = this.#read().then(async () => {
      await awaitEnd(this.#child, gone);
      if (ownSession) killGroup(this.#child);
      return this.#reason ?? new CustodyError('TOKEN_DEAD');
    });
  }

  /** Whether nothing is being asked. */
  get isIdle(): boolean {
    return this.#asked === undefined && this.#waiting.isEmpty;
  }

  /** One request. @throws CustodyError the failure that the process names, TOKEN_TIMEOUT, TOKEN_DEAD */
  async ask(type: number, payload: Uint8Array, options: AskOptions = {}): Promise<Uint8Array> {
    const { owner = '', deadlineMs = this.#deadlineMs } = options;
    if (this.#reason !== undefined) throw this.#reason;
    return await new Promise<Uint8Array>((settle, fail) => {
      this.#waiting.push(owner, { type, payload, deadlineMs, settle, fail });
      this.#askNext();
    });
  }

  /** Ends the process now. */
  kill(reason = new CustodyError('TOKEN_DEAD')): void {
    this.#end(reason);
    this.#child.kill('SIGKILL');
  }

  #askNext(): void {
    if (this.#asked !== undefined) return;
    this.#asked = this.#waiting.shift();
    if (this.#asked === undefined) return;
    const { type, payload, deadlineMs } = this.#asked;
    this.#sequence += 1;
    this.#late = setTimeout(() => {
      if (!this.#waits) this.kill(new CustodyError('TOKEN_TIMEOUT'));
    }, deadlineMs);
    this.#send(type, this.#sequence, payload);
  }

  #send(type: number, sequence: number, payload: Uint8Array): void {
    this.#channel.send(type, sequence, payload).catch((cause: unknown) => {
      this.kill(toCustodyError(cause, 'TOKEN_DEAD'));
    });
  }

  async #read(): Promise<void> {
    try {
      for (
        let frame = await this.#channel.receive();
        frame !== undefined;
        frame = await this.#channel.receive()
      ) {
        if (frame.type === TOKEN_FRAME.progress) this.#noteProgress(frame);
        else if (frame.sequence === 0) await this.#notePin(frame);
        else this.#settle(frame);
      }
      this.#end(new CustodyError('TOKEN_DEAD'));
    } catch (thrown) {
      this.#end(toCustodyError(thrown, 'TOKEN_DEAD'));
    }
  }

  #settle({ type, sequence, payload }: Frame): void {
    if (type === TOKEN_FRAME.failure) {
      const error = parseFailure(payload);
      this.#attempts.fail(error);
      throw error;
    }
    const asked = this.#asked;
    if (type !== TOKEN_FRAME.answer || sequence !== this.#sequence || asked === undefined)
      throw new CustodyError('TOKEN_PROTOCOL');
    this.#attempts.settle();
    this.#done();
    asked.settle(payload);
    this.#askNext();
  }

  #done(): void {
    clearTimeout(this.#late);
    this.#asked = undefined;
  }

  /** A call at the token came back: the next one has the whole deadline. @throws CustodyError TOKEN_PROTOCOL */
  #noteProgress({ sequence, payload }: Frame): void {
    if (sequence !== 0 || payload.length > 0 || this.#asked === undefined)
      throw new CustodyError('TOKEN_PROTOCOL');
    this.#late?.refresh();
  }

  /** A login is written down before it is tried. @throws CustodyError STATE_WRITE, PIN_…, TOKEN_PROTOCOL, FRAME_BAD */
  async #notePin({ type, payload }: Frame): Promise<void> {
    if (type === TOKEN_FRAME.pinTaken) {
      this.#attempts.taken();
      return;
    }
    if (type !== TOKEN_FRAME.pinBegins) throw new CustodyError('TOKEN_PROTOCOL');
    const tags = parsePinTags(payload);
    this.#waits = true;
    await this.#attempts.begin(tags).finally(() => {
      this.#waits = false;
      if (this.#asked !== undefined) this.#late?.refresh();
    });
    this.#send(TOKEN_FRAME.pinMayBegin, 0, new Uint8Array(0));
  }

  #end(reason: CustodyError): void {
    this.#reason ??= reason;
    this.#attempts.end();
    this.#channel.close();
    const asked = this.#asked;
    this.#done();
    asked?.fail(this.#reason);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      next.fail(this.#reason);
  }
}
