// Frames in, frames out: the keyholder's only door.

import { CustodyError, type CustodyErrorCode, toCustodyError } from './error.ts';
import type { Frame, FrameChannel } from './frames.ts';
import {
  ANSWER_BIT,
  KEYHOLDER_FRAME,
  MAX_SLOW_REQUESTS,
  type PreparedService,
  SIGN_DEADLINE_MS,
  encodeFailed,
  encodeNote,
  encodePrepared,
  encodeProven,
  encodeRefused,
  encodeSigned,
  parseEmpty,
  parseProve,
  parseSign,
  parseHead,
} from './keyholder-messages.ts';
import { wipeCookies } from './descriptor-builder.ts';
import type { Keyholder } from './keyholder-service.ts';
import { encodeStatus } from './keyholder-status.ts';
import { parseFence, parseFloor, parseFreeze } from './measure-messages.ts';
import { slotName } from './service-slot.ts';
import type { Turns } from './turns.ts';

/** Longest frame either way: sixteen descriptors. */
export const MAX_ANSWER_BYTES = 1 << 20;

/**
 * Answers the requests of one connection until it ends. A request that cannot be read or is refused gets an answer;
 * a stream that is no stream of frames is closed. PREPARE and SIGN, which may wait for a token, are answered when they are done,
 * SIGN one after the other for each service; the rest, as what an operator orders, in between. It never waits for a token
 * itself: whoever connects next is served while that still works for the core that has gone. `turns` are the keyholder's.
 */
export async function serveKeyholder(
  channel: FrameChannel,
  keyholder: Keyholder,
  turns: Turns,
): Promise<void> {
  const slow = new SlowRequests(channel, keyholder, turns);
  try {
    for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
      expireQuietly(keyholder);
      const isSlow = frame.type === KEYHOLDER_FRAME.prepare || frame.type === KEYHOLDER_FRAME.sign;
      await (isSlow ? slow.take(frame) : answer(channel, frame, () => handle(keyholder, frame)));
    }
  } catch {
    // The stream broke or was broken; its owner connects again.
  } finally {
    channel.close();
    slow.dropAll();
  }
}

/** Those of one connection that are not answered yet. */
class SlowRequests {
  readonly #channel: FrameChannel;
  readonly #keyholder: Keyholder;
  readonly #turns: Turns;
  /** By what makes a request that has not begun be forgotten. */
  readonly #unanswered = new Set<() => void>();

  constructor(channel: FrameChannel, keyholder: Keyholder, turns: Turns) {
    this.#channel = channel;
    this.#keyholder = keyholder;
    this.#turns = turns;
  }

  /**
   * Begins with it, now or when its turn comes. Waits for nothing but, when they are too many or it cannot be read, for its
   * refusal to be sent: what is kept is no longer than a SIGN can be, 2442 bytes.
   */
  async take(frame: Frame): Promise<void> {
    if (this.#unanswered.size >= MAX_SLOW_REQUESTS) {
      await fail(this.#channel, frame, 'KEYHOLDER_BUSY');
      return;
    }
    try {
      if (frame.type === KEYHOLDER_FRAME.sign) this.#sign(frame, slotName(parseSign(frame.payload).kpHsId));
      else this.#prepare(frame);
    } catch (thrown) {
      await answer(this.#channel, frame, () => Promise.reject(toCustodyError(thrown, 'FRAME_BAD')));
    }
  }

  #sign(frame: Frame, owner: string): void {
    const until = performance.now() + SIGN_DEADLINE_MS;
    const work = (): Promise<void> =>
      this.#finish(drop, async () => {
        // The core has given it up: its second stays unspent here, and reserved there.
        if (performance.now() >= until) await fail(this.#channel, frame, 'KEYHOLDER_TIMEOUT');
        else await answer(this.#channel, frame, () => handle(this.#keyholder, frame));
      });
    const drop = (): void => this.#turns.drop(owner, work);
    this.#unanswered.add(drop);
    this.#turns.take(owner, work);
  }

  /** One run for all connections: of one that has gone nothing is kept while a token hangs. @throws CustodyError FRAME_BAD */
  #prepare(frame: Frame): void {
    parseEmpty(frame.payload);
    const { preparation } = this.#turns;
    const waiter = (outcome: Promise<PreparedService[]>): void =>
      void this.#finish(drop, () => answer(this.#channel, frame, async () => encodePrepared(await outcome)));
    const drop = (): void => preparation.leave(waiter);
    this.#unanswered.add(drop);
    preparation.join(waiter, () => this.#keyholder.prepare());
  }

  /** Answers, and forgets it. */
  async #finish(drop: () => void, send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch {
      this.#channel.close();
    } finally {
      this.#unanswered.delete(drop);
    }
  }

  /** Nobody waits any more. What has begun goes on: keys that a token certified are kept. */
  dropAll(): void {
    for (const drop of this.#unanswered) drop();
  }
}

async function fail(
  channel: FrameChannel,
  { sequence }: Pick<Frame, 'sequence'>,
  code: CustodyErrorCode,
): Promise<void> {
  await channel.send(KEYHOLDER_FRAME.failed, sequence, encodeFailed(code));
}

/** Keys that are of no use any more go; a disk that refuses is asked again with the next request. */
export function expireQuietly(keyholder: Keyholder): void {
  try {
    keyholder.expire();
  } catch {
    // The keys stay; the next signature meets the disk's error itself.
  }
}

async function answer(
  channel: FrameChannel,
  { type, sequence }: Pick<Frame, 'type' | 'sequence'>,
  make: () => Promise<Uint8Array>,
): Promise<void> {
  let payload: Uint8Array;
  try {
    payload = await make();
  } catch (thrown) {
    const error = toCustodyError(thrown, 'KEYHOLDER_FAULT');
    const { denial } = error;
    if (denial === undefined) logFailure(error);
    return denial !== undefined && error.code === 'KEYHOLDER_REFUSED'
      ? channel.send(KEYHOLDER_FRAME.refused, sequence, encodeRefused(denial))
      : fail(channel, { sequence }, error.code);
  }
  try {
    await channel.send(type | ANSWER_BIT, sequence, payload);
  } finally {
    // It may hold cookies.
    payload.fill(0);
  }
}

/** To the journal of the unit: codes and names of errors, never their messages. The core learns the code alone. */
function logFailure({ code, cause }: CustodyError): void {
  const named = cause instanceof Error ? cause : undefined;
  const reason =
    named === undefined ? '' : ` (${named.name}${'code' in named ? ` ${String(named.code)}` : ''})`;
  process.stderr.write(`keyholder: ${code}${reason}\n`);
}

async function handle(keyholder: Keyholder, { type, payload }: Frame): Promise<Uint8Array> {
  switch (type) {
    case KEYHOLDER_FRAME.prove: {
      const { kpHsId, text } = parseProve(payload);
      return encodeProven(keyholder.prove(kpHsId, text));
    }
    case KEYHOLDER_FRAME.sign: {
      const signed = await keyholder.sign(parseSign(payload));
      try {
        return encodeSigned(signed);
      } finally {
        wipeCookies(signed);
      }
    }
    case KEYHOLDER_FRAME.checkpoint:
      return encodeNote(keyholder.checkpoint(parseHead(payload)));
    case KEYHOLDER_FRAME.status:
      parseEmpty(payload);
      return encodeStatus(keyholder.status());
    case KEYHOLDER_FRAME.reload:
      parseEmpty(payload);
      keyholder.reload();
      return new Uint8Array(0);
    case KEYHOLDER_FRAME.freeze: {
      const { kpHsId, frozen } = parseFreeze(payload);
      keyholder.freeze(kpHsId, frozen);
      return new Uint8Array(0);
    }
    case KEYHOLDER_FRAME.fence:
      keyholder.fence(parseFence(payload));
      return new Uint8Array(0);
    case KEYHOLDER_FRAME.floor:
      keyholder.raiseFloor(parseFloor(payload));
      return new Uint8Array(0);
    default:
      throw new CustodyError('FRAME_BAD', 'an unknown request');
  }
}
