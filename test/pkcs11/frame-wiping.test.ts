import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FrameChannel, FrameReader, WireWriter, encodeFrame } from '../../src/pkcs11/frames.ts';
import { encodeSigned, parseSigned } from '../../src/pkcs11/keyholder-messages.ts';

const cookie = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const holds = (bytes: Uint8Array): boolean => Buffer.from(bytes).includes(Buffer.from(cookie));
const payload = () => new WireWriter().blob32(cookie).finish();

test('what was read into a frame is overwritten, in one piece or in many', () => {
  const whole = encodeFrame({ type: 1, sequence: 1, payload: payload() });
  for (const size of [whole.length, 7, 1]) {
    const reader = new FrameReader(undefined, true);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += size) chunks.push(whole.slice(at, at + size));
    const frames = chunks.flatMap(chunk => reader.push(chunk));
    expect(frames.map(frame => holds(frame.payload))).toEqual([true]);
    expect(chunks.every(chunk => chunk.every(byte => byte === 0))).toBe(true);
    const kept = whole.slice();
    expect(new FrameReader().push(kept)).toEqual(frames);
    expect(kept).toEqual(whole);
  }
  // What belongs to the next frame is kept.
  const two = new Uint8Array(Buffer.concat([whole, whole]));
  const reader = new FrameReader(undefined, true);
  expect(reader.push(two.slice(0, whole.length + 3))).toHaveLength(1);
  expect(reader.push(two.slice(whole.length + 3)).map(frame => holds(frame.payload))).toEqual([true]);
});

test('what was written into a socket is overwritten once that has taken it, and arrives', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'frame-wiping-'));
  const server = createServer(socket => socket.pipe(socket)).listen(join(folder, 'socket'));
  await once(server, 'listening');
  const socket = connect(join(folder, 'socket'));
  const written: Uint8Array[] = [];
  const write = socket.write.bind(socket);
  socket.write = (chunk: Uint8Array, ...rest: unknown[]) => {
    written.push(chunk);
    expect(holds(chunk)).toBe(true);
    return Reflect.apply(write, socket, [chunk, ...rest]) as boolean;
  };
  const channel = new FrameChannel(socket);
  await channel.send(1, 1, payload());
  expect(written.map(holds)).toEqual([false]);
  const echo = await channel.receive();
  expect(echo && holds(echo.payload)).toBe(true);
  channel.close();
  server.close();
  rmSync(folder, { recursive: true });
});

test('an order’s answer is written and read with one copy of the cookie, in a buffer of its own', () => {
  const signed = {
    periodNum: 1,
    variant: 0 as const,
    second: 2,
    lead: 0,
    revisionCounter: 1n,
    text: Uint8Array.of(1),
    descriptorCookie: Uint8Array.from(cookie),
    settingsSerial: 1,
  };
  const bytes = encodeSigned([signed]);
  expect(holds(bytes)).toBe(true);
  const [read] = parseSigned(bytes);
  expect(read?.descriptorCookie).toEqual(cookie);
  expect(read?.descriptorCookie?.buffer.byteLength).toBe(16);
});
