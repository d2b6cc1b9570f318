/**
 * Main of the process that probes a token for an operator's command: the only other one than the administration process
 * that loads a module through graphene-pk11. It finds the token, logs in once, and tries line after line as it is asked to; the
 * caller kills it when a line takes too long, and goes on in a new one.
 */

import { Socket } from 'node:net';
import { findToken, type FoundToken, logInOnce } from './administration-login.ts';
import { exposureOfProcess, gateOf } from './child-entry.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { type Frame, FrameChannel } from './frames.ts';
import { unloadModule } from './graphene.ts';
import type { PinGate } from './pin-gate.ts';
import { ProbeBench } from './probe-bench.ts';
import { PROBED_MECHANISMS } from './probe-lines.ts';
import { encodeSighting, encodeTried, parseAttempt, parseLook, PROBE_FRAME } from './probe-messages.ts';
import { tryLine } from './probe-tries.ts';
import { encodeFailure, MAX_TOKEN_FRAME_BYTES, TOKEN_FRAME } from './token-messages.ts';

const exposure = exposureOfProcess();
let found: FoundToken | undefined;
let bench: ProbeBench | undefined;

async function handle({ type, payload }: Frame, pins: PinGate): Promise<Uint8Array> {
  if (exposure !== undefined) throw exposure;
  if (type === PROBE_FRAME.look && found === undefined) return look(payload);
  if (type === PROBE_FRAME.login && found !== undefined && bench === undefined) {
    await logInOnce(found, pins);
    bench = new ProbeBench(found.token);
    return new Uint8Array(0);
  }
  if (type === PROBE_FRAME.attempt && bench !== undefined)
    return encodeTried(tryLine(parseAttempt(payload), bench));
  throw new CustodyError('TOKEN_PROTOCOL');
}

function look(payload: Uint8Array): Uint8Array {
  found = findToken(parseLook(payload));
  const { module, token } = found;
  const mechanisms = token.mechanisms().filter(({ type }) => PROBED_MECHANISMS.has(type));
  return encodeSighting({ module, token: token.facts, mechanisms });
}

async function serve(): Promise<void> {
  const socket = new Socket({ fd: 3, readable: true, writable: true });
  const channel = new FrameChannel(socket, MAX_TOKEN_FRAME_BYTES);
  const first = await channel.receive();
  if (first === undefined) return;
  const pins = gateOf(first, channel);
  for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
    try {
      await channel.send(TOKEN_FRAME.answer, frame.sequence, await handle(frame, pins));
    } catch (thrown) {
      await channel.send(
        TOKEN_FRAME.failure,
        frame.sequence,
        encodeFailure(toCustodyError(thrown, 'TOKEN_DEAD')),
      );
      return;
    }
  }
}

await serve()
  .catch(() => undefined)
  .finally(() => {
    unloadModule();
    process.exit(0);
  });
