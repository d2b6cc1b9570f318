// The processes that load vendor modules, seen from who starts them.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { childCommand, MODULE_PROCESS_FLAGS, passedEnvironment } from './child-command.ts';
import { awaitEnd, exitOf, killGroup } from './child-exit.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { type Frame, FrameChannel } from './frames.ts';
import { memoryArguments } from './memory-word.ts';
import { PinAttempts, type PinStore, volatilePinStore } from './pin-memory.ts';
import { encodePinJudgement, parsePinTags, type PinTags } from './pin-tags.ts';
import { MAX_TOKEN_FRAME_BYTES, parseFailure, TOKEN_FRAME, type TokenAccess } from './token-messages.ts';

export interface TokenClientOptions {
  /** From spawn to login, and for each opening, default 10 s; a terminal as PIN source gets 120 s at least. Then SIGKILL. */
  readonly deadlineMs?: number;
  /** Added to what PKCS#11 modules need of our environment. Nothing secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process id of each child, for status and tests. */
  readonly onSpawn?: (pid: number) => void;
  /** Secrets may reach swap in the child where no memory can be locked; as in this process when not given. */
  readonly swapAccepted?: boolean;
  /** Remembers what tokens said of PINs; for the life of this client when not given. */
  readonly pins?: PinStore;
}

export interface ChildOptions extends TokenClientOptions {
  /** Then everything that a module leaves running in the child's process group is killed with it. */
  readonly ownSession?: boolean;
  /** How often the child may say that a part is done and get the whole deadline again. */
  readonly parts?: number;
  /** The token, when the request is to one alone. */
  readonly access?: TokenAccess;
}

/** Entry points beside this file, in source and in the built package. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
export const DEADLINE_MS = 10_000;

/**
 * Spawns an entry point beside this file with a cleared environment, sends one frame on its fd 3 and returns the
 * payload of the answer once the child has ended, or cannot be ended. Its standard output and error are discarded: vendor modules write
 * there. Throws the failure that the child names, TOKEN_TIMEOUT at the deadline, TOKEN_DEAD when it ends mute.
 */
export async function askChild(
  entry: 'token-process' | 'administration',
  type: number,
  payload: Uint8Array,
  options: ChildOptions,
  stdin: 'ignore' | 'inherit' = 'ignore',
): Promise<Uint8Array> {
  await options.pins?.quiet?.();
  const attempts = new PinAttempts(options.pins ?? volatilePinStore(), options.access);
  const path = fileURLToPath(new URL(`./${entry}.${EXTENSION}`, import.meta.url));
  const args = [path, ...memoryArguments(options.swapAccepted)];
  const child = spawn(...childCommand([...MODULE_PROCESS_FLAGS, ...args]), {
    env: { ...passedEnvironment(), ...options.env },
    stdio: [stdin, 'ignore', 'ignore', 'pipe'],
    detached: options.ownSession ?? false,
  });
  const exited = exitOf(child);
  if (child.pid !== undefined) options.onSpawn?.(child.pid);
  let [timedOut, waits] = [false, false];
  const deadline = setTimeout(() => {
    if (waits) return;
    timedOut = true;
    child.kill('SIGKILL');
  }, options.deadlineMs ?? DEADLINE_MS);
  try {
    let parts = options.parts ?? 0;
    return await exchange(child, { type, payload }, attempts, {
      onProgress: () => {
        if (parts > 0) deadline.refresh();
        parts -= 1;
      },
      beginPin: async tags => {
        waits = true;
        await attempts.begin(tags).finally(() => {
          waits = false;
          deadline.refresh();
        });
      },
    });
  } catch (thrown) {
    throw timedOut
      ? new CustodyError('TOKEN_TIMEOUT', undefined, { cause: thrown })
      : toCustodyError(thrown, 'TOKEN_DEAD');
  } finally {
    clearTimeout(deadline);
    await awaitEnd(child, exited);
    if (options.ownSession === true) killGroup(child);
  }
}

/** What the child's deadline has to do with what it says. */
interface Patience {
  readonly onProgress: () => void;
  /** Begins an attempt; that others try the PIN meanwhile is not the child's fault. */
  readonly beginPin: (tags: PinTags) => Promise<void>;
}

async function exchange(
  child: ChildProcess,
  request: Pick<Frame, 'type' | 'payload'>,
  attempts: PinAttempts,
  patience: Patience,
): Promise<Uint8Array> {
  const channel = new FrameChannel(child.stdio[3] as Duplex, MAX_TOKEN_FRAME_BYTES);
  try {
    await channel.send(TOKEN_FRAME.pins, 0, encodePinJudgement(attempts.judgement));
    await channel.send(request.type, 0, request.payload);
    const { type, payload } = await answerOf(channel, attempts, patience);
    if (type === TOKEN_FRAME.answer) {
      attempts.settle();
      return payload;
    }
    const error = parseFailure(payload);
    attempts.fail(error);
    throw error;
  } finally {
    attempts.end();
    channel.close();
  }
}

/** The frame with answer or failure. Throws TOKEN_DEAD, TOKEN_PROTOCOL, FRAME_…, STATE_WRITE. */
async function answerOf(
  channel: FrameChannel,
  attempts: PinAttempts,
  { onProgress, beginPin }: Patience,
): Promise<Frame> {
  for (;;) {
    const frame = await channel.receive();
    if (frame === undefined) throw new CustodyError('TOKEN_DEAD');
    if (frame.sequence !== 0) throw new CustodyError('TOKEN_PROTOCOL');
    switch (frame.type) {
      case TOKEN_FRAME.answer:
      case TOKEN_FRAME.failure:
        return frame;
      case TOKEN_FRAME.pinBegins:
        await beginPin(parsePinTags(frame.payload));
        await channel.send(TOKEN_FRAME.pinMayBegin, 0, new Uint8Array(0));
        break;
      case TOKEN_FRAME.pinTaken:
        attempts.taken();
        break;
      case TOKEN_FRAME.progress:
        onProgress();
        break;
      default:
        throw new CustodyError('TOKEN_PROTOCOL');
    }
  }
}
