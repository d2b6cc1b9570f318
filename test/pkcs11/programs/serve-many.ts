/** A token process that serves request after request on fd 3, so that hundreds of rows need no process each. */

import { Socket } from 'node:net';
import { toCustodyError } from '../../../src/pkcs11/error.ts';
import { FrameChannel } from '../../../src/pkcs11/frames.ts';
import { PinGate } from '../../../src/pkcs11/pin-gate.ts';
import { PIN_KEY_BYTES } from '../../../src/pkcs11/pin-tags.ts';
import { unloadModules } from '../../../src/pkcs11/pkcs11js.ts';
import { encodeFailure, MAX_TOKEN_FRAME_BYTES, TOKEN_FRAME } from '../../../src/pkcs11/token-messages.ts';
import { handleTokenRequest } from '../../../src/pkcs11/token-requests.ts';

const nobody = { begin: async () => undefined, taken: async () => undefined };
const pins = new PinGate({ key: new Uint8Array(PIN_KEY_BYTES), records: [], isOwn: false }, nobody);
const caller = { pins, progress: async () => undefined };
const channel = new FrameChannel(
  new Socket({ fd: 3, readable: true, writable: true }),
  MAX_TOKEN_FRAME_BYTES,
);
for (;;) {
  const request = await channel.receive();
  if (request === undefined) process.exit(0);
  let answer: readonly [type: number, payload: Uint8Array];
  try {
    answer = [TOKEN_FRAME.answer, await handleTokenRequest(request.type, request.payload, caller)];
  } catch (thrown) {
    answer = [TOKEN_FRAME.failure, encodeFailure(toCustodyError(thrown, 'TOKEN_DEAD'))];
  }
  unloadModules();
  await channel.send(answer[0], 0, answer[1]);
}
