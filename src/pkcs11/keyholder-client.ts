// The core's side of the keyholder: typed requests, deadlines, refusals as values. Loads nothing that holds secrets.

import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { KpHsId } from '../descriptor/index.ts';
import { exitOf } from './child-exit.ts';
import { type CustodyDenial, CustodyError, parseCustodyErrorCode } from './error.ts';
import { type Frame, FrameChannel } from './frames.ts';
import {
  ANSWER_BIT,
  KEYHOLDER_FRAME,
  SIGN_DEADLINE_MS,
  type PreparedService,
  type ProvenEvidence,
  type SignOrder,
  type SignedDescriptor,
  type ProvenHead,
  encodeProve,
  encodeSign,
  encodeHead,
  parseEmpty,
  parseFailed,
  parseNote,
  parsePrepared,
  parseProven,
  parseRefused,
  parseSigned,
} from './keyholder-messages.ts';
import { type KeyholderPaths, startKeyholder } from './keyholder-start.ts';
import { encodeFence, encodeFloor, encodeFreeze } from './measure-messages.ts';
import { type KeyholderStatus, parseStatus } from './keyholder-status.ts';

export type {
  PreparedService,
  ProvenEvidence,
  SignOrder,
  SignTarget,
  SignedDescriptor,
  ProvenHead,
} from './keyholder-messages.ts';
export { initKeyholder, type KeyholderPaths } from './keyholder-start.ts';
export type { KeyholderStatus, PeriodStatus, ServiceStatus } from './keyholder-status.ts';

/** An invariant said no: nothing was signed, recorded or remembered. */
export interface Refused {
  readonly refused: CustodyDenial;
}

export interface KeyholderClientOptions {
  /** For every request but PREPARE; when not given 10 s, and 30 s for SIGN, which may wait for a token. */
  readonly deadlineMs?: number;
  /** For PREPARE, which waits for tokens; 130 s when not given. */
  readonly prepareDeadlineMs?: number;
}

interface Waiting {
  readonly type: number;
  readonly settle: (frame: Frame) => void;
  readonly fail: (error: CustodyError) => void;
}

const DEADLINE_MS = 10_000;
const PREPARE_DEADLINE_MS = 130_000;

/** A connection to a keyholder. Requests may overlap. Every method throws CustodyError, none a refusal. */
export class KeyholderClient {
  /** Resolves when the connection has ended, however it did. */
  readonly closed: Promise<void>;
  readonly #channel: FrameChannel;
  readonly #options: KeyholderClientOptions;
  readonly #waiting = new Map<number, Waiting>();
  #sequence = 0;
  #ended: CustodyError | undefined;

  /** @param end what else must happen once the connection has ended, such as the exit of a child */
  constructor(stream: Duplex, options: KeyholderClientOptions = {}, end?: () => Promise<void>) {
    this.#channel = new FrameChannel(stream);
    this.#options = options;
    this.closed = this.#read().then(end);
  }

  /** Shows a backend's descriptor (at most 50,000 bytes) as evidence for a service. */
  async prove(kpHsId: KpHsId, text: Uint8Array): Promise<ProvenEvidence | Refused> {
    const answer = await this.#ask(KEYHOLDER_FRAME.prove, encodeProve(kpHsId, text));
    return 'refused' in answer ? answer : parseProven(answer.payload);
  }

  /** Has descriptors built and signed, in the order of the targets: at most 16, all or none. Wipe their cookies. */
  async sign(order: SignOrder): Promise<{ readonly signed: readonly SignedDescriptor[] } | Refused> {
    const deadlineMs = this.#options.deadlineMs ?? SIGN_DEADLINE_MS;
    const answer = await this.#ask(KEYHOLDER_FRAME.sign, encodeSign(order), deadlineMs);
    if ('refused' in answer) return answer;
    try {
      return { signed: parseSigned(answer.payload) };
    } finally {
      // Cookies stand in it.
      answer.payload.fill(0);
    }
  }

  /** Has missing periods certified; failures of tokens stand in the result, one entry for each enabled service. */
  async prepare(): Promise<PreparedService[]> {
    const deadlineMs = this.#options.prepareDeadlineMs ?? PREPARE_DEADLINE_MS;
    return parsePrepared(await this.#demand(KEYHOLDER_FRAME.prepare, deadlineMs));
  }

  /** Has a tree head signed: the signed note, or CHECKPOINT-FORK. */
  async checkpoint(head: ProvenHead): Promise<{ readonly note: string } | Refused> {
    const answer = await this.#ask(KEYHOLDER_FRAME.checkpoint, encodeHead(head));
    return 'refused' in answer ? answer : { note: parseNote(answer.payload) };
  }

  /** Has nothing signed for a service any more, or lets it be signed for again. Durable, and repeatable. */
  async freeze(kpHsId: KpHsId, frozen: boolean): Promise<void> {
    await this.#order(KEYHOLDER_FRAME.freeze, encodeFreeze(kpHsId, frozen));
  }

  /** Spends all seconds up to the last spent one, of every period: counters run ahead from now on. Durable, repeatable. */
  async fence(kpHsId: KpHsId): Promise<void> {
    await this.#order(KEYHOLDER_FRAME.fence, encodeFence(kpHsId));
  }

  /** Spends every second (Unix time) before this one, of every key: what a recovery fenced. Durable, repeatable. */
  async raiseFloor(second: number): Promise<void> {
    await this.#order(KEYHOLDER_FRAME.floor, encodeFloor(second));
  }

  /** What is done, or refused as an error. */
  async #order(type: number, payload: Uint8Array): Promise<void> {
    const answer = await this.#ask(type, payload);
    if ('refused' in answer)
      throw new CustodyError('KEYHOLDER_REFUSED', undefined, { denial: answer.refused });
    parseEmpty(answer.payload);
  }

  async status(deadlineMs?: number): Promise<KeyholderStatus> {
    return parseStatus(await this.#demand(KEYHOLDER_FRAME.status, deadlineMs));
  }

  /** Has the list read again. Throws LIST_… when it is refused; the old one then stays in force. */
  async reload(): Promise<void> {
    await this.#demand(KEYHOLDER_FRAME.reload);
  }

  /** Ends the connection; a keyholder that is our child ends with it. */
  async close(): Promise<void> {
    this.#channel.close();
    await this.closed;
  }

  async #demand(type: number, deadlineMs?: number): Promise<Uint8Array> {
    const answer = await this.#ask(type, new Uint8Array(0), deadlineMs);
    if ('refused' in answer) throw new CustodyError('FRAME_BAD');
    return answer.payload;
  }

  async #ask(
    type: number,
    payload: Uint8Array,
    deadlineMs = this.#options.deadlineMs ?? DEADLINE_MS,
  ): Promise<Frame | Refused> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#sequence = (this.#sequence % 0xffff_ffff) + 1;
    const sequence = this.#sequence;
    let timer: NodeJS.Timeout | undefined;
    try {
      const answered = new Promise<Frame>((settle, fail) => {
        this.#waiting.set(sequence, { type, settle, fail });
        timer = setTimeout(() => fail(new CustodyError('KEYHOLDER_TIMEOUT')), deadlineMs);
      });
      const sent = this.#channel.send(type, sequence, payload);
      // Whichever fails first tells; an answer may come before the write is reported.
      sent.catch((cause: unknown) => this.#waiting.get(sequence)?.fail(deadOf(cause)));
      return readAnswer(await answered);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(sequence);
    }
  }

  async #read(): Promise<void> {
    let reason = new CustodyError('KEYHOLDER_DEAD');
    try {
      for (
        let frame = await this.#channel.receive();
        frame !== undefined;
        frame = await this.#channel.receive()
      ) {
        // A keyholder that cannot start says why, unasked.
        if (frame.sequence === 0) throw failureOf(frame);
        this.#settle(frame);
      }
    } catch (thrown) {
      reason = deadOf(thrown);
    }
    this.#ended = reason;
    this.#channel.close();
    for (const waiting of this.#waiting.values()) waiting.fail(reason);
  }

  /** Late answers find nobody and are dropped. */
  #settle(frame: Frame): void {
    const waiting = this.#waiting.get(frame.sequence);
    const { refused, failed } = KEYHOLDER_FRAME;
    const fits =
      frame.type === refused || frame.type === failed || frame.type === ((waiting?.type ?? 0) | ANSWER_BIT);
    if (fits) waiting?.settle(frame);
    else waiting?.fail(new CustodyError('FRAME_BAD'));
  }
}

function readAnswer(frame: Frame): Frame | Refused {
  if (frame.type === KEYHOLDER_FRAME.failed) throw failureOf(frame);
  return frame.type === KEYHOLDER_FRAME.refused ? { refused: parseRefused(frame.payload) } : frame;
}

function failureOf(frame: Frame): CustodyError {
  return new CustodyError(parseCustodyErrorCode(parseFailed(frame.payload)) ?? 'KEYHOLDER_FAULT');
}

function deadOf(cause: unknown): CustodyError {
  return cause instanceof CustodyError ? cause : new CustodyError('KEYHOLDER_DEAD', undefined, { cause });
}

export interface SpawnKeyholderOptions extends KeyholderClientOptions {
  /** Added to its cleared environment. Nothing secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process id, for status and tests. */
  readonly onSpawn?: (pid: number) => void;
}

const EXIT_GRACE_MS = 5_000;
/** For the first answer: on a host that is busy a process takes its time to begin, and that says nothing of custody. */
const START_DEADLINE_MS = 60_000;

/**
 * Starts a keyholder as our child, which the status then calls `same user`, and waits until it answers.
 * @throws CustodyError STATE_…, LIST_…, HOST_KEY, KEYHOLDER_… as the keyholder says
 */
export async function spawnKeyholder(
  paths: KeyholderPaths,
  options: SpawnKeyholderOptions = {},
): Promise<KeyholderClient> {
  const args = ['--state', paths.state, '--list', paths.list, '--host-key', paths.hostKey];
  const child = startKeyholder(args, options.env, ['ignore', 'ignore', 'inherit', 'pipe']);
  if (child.pid !== undefined) options.onSpawn?.(child.pid);
  const exited = exitOf(child);
  const client = new KeyholderClient(child.stdio[3] as Duplex, options, async () => {
    const grace = setTimeout(() => child.kill('SIGKILL'), EXIT_GRACE_MS);
    await exited;
    clearTimeout(grace);
  });
  try {
    await client.status(START_DEADLINE_MS);
    return client;
  } catch (thrown) {
    await client.close();
    throw thrown;
  }
}

/** Connects to a keyholder that runs by itself. @throws CustodyError KEYHOLDER_DEAD when nobody listens there */
export async function connectKeyholder(
  path: string,
  options: KeyholderClientOptions = {},
): Promise<KeyholderClient> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', cause => reject(new CustodyError('KEYHOLDER_DEAD', undefined, { cause })));
  });
  return new KeyholderClient(socket, options);
}
