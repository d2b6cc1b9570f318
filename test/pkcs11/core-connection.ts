import { duplexPair } from 'node:stream';
import { vi } from 'vitest';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { type Frame, FrameChannel } from '../../src/pkcs11/frames.ts';
import { KEYHOLDER_FRAME, type SignOrder, parseFailed } from '../../src/pkcs11/keyholder-messages.ts';
import { serveKeyholder } from '../../src/pkcs11/keyholder-server.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { Turns } from '../../src/pkcs11/turns.ts';

export interface Connection {
  readonly core: FrameChannel;
  readonly end: () => void;
  readonly served: Promise<void>;
  /** The keyholder's end, as long as anything keeps it. */
  readonly kept: WeakRef<FrameChannel>;
}

/** A core that has connected to a keyholder in this process; `highWaterMark`: bytes that each side may leave unread. */
export function connectTo(keyholder: Keyholder, turns = new Turns(), highWaterMark?: number): Connection {
  const [ours, theirs] = duplexPair(highWaterMark === undefined ? {} : { highWaterMark });
  const channel = new FrameChannel(theirs);
  const served = serveKeyholder(channel, keyholder, turns);
  return {
    core: new FrameChannel(ours),
    end: () => void ours.end(),
    served,
    kept: new WeakRef(channel),
  };
}

/** Orders are begun, and answered only after `finish`. */
export function holdSigning(keyholder: Keyholder): {
  readonly begun: SignOrder[];
  readonly finish: () => void;
} {
  const begun: SignOrder[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  vi.spyOn(keyholder, 'sign').mockImplementation(async signOrder => {
    begun.push(signOrder);
    await promise;
    throw new CustodyError('SERVICE_FROZEN');
  });
  return { begun, finish: () => resolve() };
}

/** That many answers. */
export async function receive(core: FrameChannel, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.length < count) {
    const frame = await core.receive();
    if (frame === undefined) throw new Error('the keyholder hung up');
    frames.push(frame);
  }
  return frames;
}

/** What each says: the code of a failure, or that there is none. */
export const codesOf = (frames: readonly Frame[]): string[] =>
  frames.map(({ type, payload }) => (type === KEYHOLDER_FRAME.failed ? parseFailed(payload) : 'answered'));
