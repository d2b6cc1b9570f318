/**
 * Main of the process that signs with period keys inside a token. Unlike the token process it stays, logged in, as long
 * as the keyholder does: so does the PIN in its memory. It has no identity and opens no envelope. It signs what it can
 * name: a descriptor that lacks its signature only and names this very key, and certificates 09 and 0B whose bodies it writes
 * itself. After any failure it ends: a token that failed is met anew, by a new process.
 */

import { Socket } from 'node:net';
import { exposureOfProcess, gateOf } from './child-entry.ts';
import { DescriptorError, encodeCertBody, messageOfUnsigned } from '../descriptor/index.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { type Frame, FrameChannel } from './frames.ts';
import { checkLockedMemory } from './memory-lock.ts';
import { logIn } from './open-token.ts';
import type { PinGate } from './pin-gate.ts';
import { unloadModules } from './pkcs11js.ts';
import {
  type EnterRequest,
  MAX_SIGNING_FRAME_BYTES,
  SIGNING_FRAME,
  encodeEntered,
  encodeRecord,
  encodeSignatures,
  parseEnter,
  parseId,
  parsePointCerts,
  parseUnsigned,
} from './signing-messages.ts';
import { TOKEN_FRAME, encodeFailure } from './token-messages.ts';
import { TokenSigningKeys } from './token-signing-keys.ts';
import { WritingSession } from './writing-session.ts';

interface Entrance {
  readonly session: WritingSession;
  readonly keys: TokenSigningKeys;
}

let entrance: Entrance | undefined;
const exposure = exposureOfProcess();

/** Who asked, as far as a request has to do with it before its answer. */
interface Caller {
  readonly pins: PinGate;
  /** Says that a call at the token came back: the next one has the whole deadline again. */
  readonly progress: () => void;
}

async function enter(
  { access, label, known }: EnterRequest,
  { pins, progress }: Caller,
): Promise<Uint8Array> {
  if (exposure !== undefined) throw exposure;
  if (entrance !== undefined) throw new CustodyError('TOKEN_PROTOCOL');
  checkLockedMemory();
  const { token } = await logIn(access, pins);
  const session = new WritingSession(token, progress);
  const keys = new TokenSigningKeys(session, label);
  entrance = { session, keys };
  return encodeEntered({ tokenLabel: token.label, present: keys.open(known) });
}

function handle({ type, payload }: Frame): Uint8Array {
  if (entrance === undefined) throw new CustodyError('TOKEN_PROTOCOL');
  const { session, keys } = entrance;
  switch (type) {
    case SIGNING_FRAME.make:
      return encodeRecord(keys.make());
    case SIGNING_FRAME.descriptor: {
      const { id, unsigned } = parseUnsigned(payload);
      const nowSeconds = Math.floor(Date.now() / 1000);
      const message = messageOfUnsigned(unsigned, { kpHsDescSign: keys.publicKeyOf(id), nowSeconds });
      return encodeSignatures([keys.sign(id, message)]);
    }
    case SIGNING_FRAME.pointCerts: {
      const { id, certs } = parsePointCerts(payload);
      const signingKey = keys.publicKeyOf(id);
      return encodeSignatures(certs.map(cert => keys.sign(id, encodeCertBody({ ...cert, signingKey }))));
    }
    case SIGNING_FRAME.destroy:
      keys.destroy(parseId(payload));
      return new Uint8Array(0);
    case SIGNING_FRAME.touch:
      session.touch();
      return new Uint8Array(0);
    default:
      throw new CustodyError('TOKEN_PROTOCOL');
  }
}

function failureOf(thrown: unknown): CustodyError {
  return toCustodyError(thrown, thrown instanceof DescriptorError ? 'TOKEN_PROTOCOL' : 'TOKEN_DEAD');
}

async function serve(): Promise<void> {
  const socket = new Socket({ fd: 3, readable: true, writable: true });
  const channel = new FrameChannel(socket, MAX_SIGNING_FRAME_BYTES);
  const first = await channel.receive();
  if (first === undefined) return;
  const progress = (): void => {
    // The calls before and after it leave the event loop no turn: a socket takes what is so short at once.
    channel.send(TOKEN_FRAME.progress, 0, new Uint8Array(0)).catch(() => undefined);
  };
  const caller = { pins: gateOf(first, channel), progress };
  for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
    const { type, sequence, payload } = frame;
    try {
      const answer = type === SIGNING_FRAME.enter ? await enter(parseEnter(payload), caller) : handle(frame);
      await channel.send(TOKEN_FRAME.answer, sequence, answer);
    } catch (thrown) {
      await channel.send(TOKEN_FRAME.failure, sequence, encodeFailure(failureOf(thrown)));
      return;
    }
  }
}

await serve()
  .catch(() => undefined)
  .finally(() => {
    unloadModules();
    process.exit(0);
  });
