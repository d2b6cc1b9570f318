import { Socket } from 'node:net';
import { CustodyError, toCustodyError } from './error.ts';
import { type Frame, FrameChannel } from './frames.ts';
import { settleMemory } from './memory-lock.ts';
import { SWAP_ACCEPTED } from './memory-word.ts';
import { PinGate } from './pin-gate.ts';
import { encodePinTags, parsePinJudgement } from './pin-tags.ts';
import { guardProcess } from './process-guard.ts';
import { encodeFailure, MAX_TOKEN_FRAME_BYTES, TOKEN_FRAME } from './token-messages.ts';

/** Who asked, as far as a request has to do with it before its answer. */
export interface Caller {
  readonly pins: PinGate;
  /** Says that one more part of the request is done: the next one has the whole deadline again. */
  readonly progress: () => Promise<void>;
}

/**
 * Serves one request on fd 3 and ends the process: reads what is known of PINs and one frame, answers with `handle`'s bytes
 * or the code of what it threw, then runs `cleanUp` and exits. Exit code 0 when an answer or a failure was sent, 1 otherwise.
 */
export async function serveOneRequest(
  handle: (type: number, payload: Uint8Array, caller: Caller) => Promise<Uint8Array>,
  cleanUp: () => void,
): Promise<never> {
  const exposure = exposureOfProcess();
  const socket = new Socket({ fd: 3, readable: true, writable: true });
  const channel = new FrameChannel(socket, MAX_TOKEN_FRAME_BYTES);
  try {
    const first = await channel.receive();
    const request = first === undefined ? undefined : await channel.receive();
    if (first !== undefined && request !== undefined) {
      const [type, answer] = await answerTo(async () => {
        if (exposure !== undefined) throw exposure;
        const caller = {
          pins: gateOf(first, channel),
          progress: () => channel.send(TOKEN_FRAME.progress, 0, new Uint8Array(0)),
        };
        return handle(request.type, request.payload, caller);
      });
      await channel.send(type, request.sequence, answer);
    }
    // What a module does while it unloads spoils no answer.
    await new Promise(resolve => socket.once('close', resolve).destroy());
    cleanUp();
    process.exit(request === undefined ? 1 : 0);
  } catch {
    process.exit(1);
  }
}

/** Guards the process as soon as it runs, and goes on without locked memory where that was accepted; whoever asks learns by the answer why nothing is done. */
export function exposureOfProcess(): CustodyError | undefined {
  // A unit's stop reaches every process: this one ends with whoever asked, who waits for a login.
  process.on('SIGTERM', () => undefined);
  try {
    guardProcess();
    if (process.argv.includes(SWAP_ACCEPTED)) settleMemory(() => true);
    return undefined;
  } catch (thrown) {
    return toCustodyError(thrown, 'PROCESS_EXPOSED');
  }
}

/** From the first frame of a child. The caller learns of an attempt before it is made. Throws TOKEN_PROTOCOL, FRAME_BAD. */
export function gateOf(first: Frame, channel: FrameChannel): PinGate {
  if (first.type !== TOKEN_FRAME.pins) throw new CustodyError('TOKEN_PROTOCOL');
  return new PinGate(parsePinJudgement(first.payload), {
    begin: async tags => {
      await channel.send(TOKEN_FRAME.pinBegins, 0, encodePinTags(tags));
      if ((await channel.receive())?.type !== TOKEN_FRAME.pinMayBegin)
        throw new CustodyError('TOKEN_PROTOCOL');
    },
    taken: () => channel.send(TOKEN_FRAME.pinTaken, 0, new Uint8Array(0)),
  });
}

async function answerTo(handle: () => Promise<Uint8Array>): Promise<[number, Uint8Array]> {
  try {
    return [TOKEN_FRAME.answer, await handle()];
  } catch (thrown) {
    return [TOKEN_FRAME.failure, encodeFailure(toCustodyError(thrown, 'TOKEN_DEAD'))];
  }
}
