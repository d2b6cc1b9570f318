import { Socket } from 'node:net';
import { toCustodyError } from './error.ts';
import { FrameChannel } from './frames.ts';
import { encodeFailure, MAX_TOKEN_FRAME_BYTES, TOKEN_FRAME } from './token-messages.ts';

/**
 * Serves one request on fd 3 and ends the process: reads one frame, answers with `handle`'s bytes or the code of
 * what it threw, then runs `cleanUp` and exits. Exit code 0 when an answer or a failure was sent, 1 otherwise.
 */
export async function serveOneRequest(
  handle: (type: number, payload: Uint8Array) => Promise<Uint8Array>,
  cleanUp: () => void,
): Promise<never> {
  const channel = new FrameChannel(
    new Socket({ fd: 3, readable: true, writable: true }),
    MAX_TOKEN_FRAME_BYTES,
  );
  try {
    const request = await channel.receive();
    if (request !== undefined) {
      const [type, answer] = await answerTo(() => handle(request.type, request.payload));
      await channel.send(type, request.sequence, answer);
    }
    cleanUp();
    process.exit(request === undefined ? 1 : 0);
  } catch {
    process.exit(1);
  }
}

async function answerTo(handle: () => Promise<Uint8Array>): Promise<[number, Uint8Array]> {
  try {
    return [TOKEN_FRAME.answer, await handle()];
  } catch (thrown) {
    return [TOKEN_FRAME.failure, encodeFailure(toCustodyError(thrown, 'TOKEN_DEAD'))];
  }
}
