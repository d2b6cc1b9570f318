import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { connectThroughSocks } from '../../src/publisher/socks.ts';
import { ScriptedPeer } from './scripted-peer.ts';

const HOST = `${'c'.repeat(56)}.onion`;
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

let peer: ScriptedPeer | undefined;
let opened: Socket | undefined;

afterEach(() => {
  opened?.destroy();
  peer?.close();
});

/** Answers the greeting with `method`, then each further message with the next of `answers`. */
async function proxy(method: number, ...answers: number[][]): Promise<ScriptedPeer> {
  const steps = [[0x05, method], ...answers];
  peer = await ScriptedPeer.listen(socket => {
    const answer = steps.shift();
    if (answer === undefined) return;
    if (answer.length === 0) socket.end();
    else socket.write(Buffer.from(answer));
  });
  return peer;
}

const connectTo = async (answers: Promise<ScriptedPeer>, more = {}) => {
  opened = await connectThroughSocks({ proxy: (await answers).endpoint, host: HOST, port: 80, ...more });
  return opened;
};

const CONNECTED = [0x05, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0];

describe('A connection through SOCKS', () => {
  it('asks tor for the name itself and hands on the first bytes of the other side.', async () => {
    const received: Buffer[] = [];
    peer = await ScriptedPeer.listen((socket, all) => {
      if (all.length === 3) socket.write(Buffer.of(0x05, 0x00));
      else if (all.length > 60) {
        received.push(all);
        socket.write(Buffer.concat([Buffer.from(CONNECTED), Buffer.from('hello')]));
      }
    });
    const socket = await connectTo(Promise.resolve(peer));
    const expected = [...Buffer.of(5, 1, 0, 5, 1, 0, 3, HOST.length), ...Buffer.from(HOST), 0, 80];
    expect([...received[0]!]).toEqual(expected);
    const first = await new Promise<Buffer>(resolve => socket.once('data', resolve));
    expect(first.toString()).toBe('hello');
  });

  it.each([
    ['an IPv6 address', [0x05, 0x00, 0x00, 0x04, ...Array<number>(18).fill(0)]],
    ['a name', [0x05, 0x00, 0x00, 0x03, 2, 0x61, 0x62, 0, 0]],
  ])('takes %s as bound address.', async (_, answer) => {
    await expect(connectTo(proxy(0x00, answer))).resolves.toBeDefined();
  });

  it('takes an answer that comes in pieces.', async () => {
    const answer = [0x05, 0x00, ...CONNECTED];
    peer = await ScriptedPeer.listen((socket, received) => {
      if (received.length > 3) return;
      const sendNext = (): void => {
        const byte = answer.shift();
        // A turn of the event loop between two bytes: the client gets to see each one alone.
        if (byte !== undefined) socket.write(Buffer.of(byte), () => setImmediate(sendNext));
      };
      socket.setNoDelay(true);
      sendNext();
    });
    await expect(connectTo(Promise.resolve(peer))).resolves.toBeDefined();
  });

  it.each([1, 3, 7, 11])('says that the proxy closed after %i bytes of an answer.', async length => {
    peer = await ScriptedPeer.listen(socket => {
      socket.end(Buffer.from([0x05, 0x00, ...CONNECTED].slice(0, length)));
    });
    await expect(connectTo(Promise.resolve(peer))).rejects.toThrow(code('SOCKS_CLOSED'));
  });

  it('isolates by user name when asked.', async () => {
    await expect(
      connectTo(proxy(0x02, [0x01, 0x00], CONNECTED), { isolation: 'probe-1' }),
    ).resolves.toBeDefined();
  });

  it.each([
    [0x01, 'SOCKS_GENERAL_FAILURE'],
    [0x04, 'SOCKS_HOST_UNREACHABLE'],
    [0x06, 'SOCKS_TTL_EXPIRED'],
    [0xf0, 'ONION_DESCRIPTOR_NOT_FOUND'],
    [0xf2, 'ONION_INTRODUCTION_FAILED'],
    [0xf6, 'ONION_ADDRESS_INVALID'],
    [0xf7, 'ONION_INTRODUCTION_TIMED_OUT'],
    [0x99, 'SOCKS_UNKNOWN_REPLY'],
  ])('tells reply %i as %s.', async (replyByte, expected) => {
    const refused = connectTo(proxy(0x00, [0x05, replyByte, 0x00, 0x01, 0, 0, 0, 0, 0, 0]));
    await expect(refused).rejects.toMatchObject({ code: expected, replyByte });
  });

  it('refuses a proxy that wants another method or is none.', async () => {
    await expect(connectTo(proxy(0xff))).rejects.toThrow(code('SOCKS_PROTOCOL'));
    peer?.close();
    await expect(connectTo(proxy(0x00, [0x48, 0x54, 0x54, 0x50]))).rejects.toThrow(code('SOCKS_PROTOCOL'));
    peer?.close();
    await expect(connectTo(proxy(0x00, [0x05, 0x00, 0x00, 0x09]))).rejects.toThrow(code('SOCKS_PROTOCOL'));
  });

  it('says when the proxy closes, is silent or is not there.', async () => {
    await expect(connectTo(proxy(0x00, []))).rejects.toThrow(code('SOCKS_CLOSED'));
    peer?.close();
    await expect(connectTo(proxy(0x00), { timeoutMs: 20 })).rejects.toThrow(code('SOCKS_TIMEOUT'));
    const gone = proxy(0x00);
    (await gone).close();
    await expect(connectTo(gone)).rejects.toThrow(code('SOCKS_CONNECT'));
  });

  it('ends by its signal, with the reason of the abort.', async () => {
    const abort = new AbortController();
    const waiting = connectTo(proxy(0x00), { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it.each([
    { host: '' },
    { host: 'a b' },
    { host: 'x'.repeat(256) },
    { port: 0 },
    { port: 65_536 },
    { isolation: '' },
  ])('refuses %j.', async wrong => {
    await expect(connectTo(proxy(0x00, CONNECTED), wrong)).rejects.toThrow(code('SOCKS_ARGUMENT'));
  });
});
