import { afterEach, describe, expect, it } from 'vitest';
import { countMisses, newIsolation, probeBackend } from '../../src/publisher/probe.ts';
import { ScriptedPeer } from './scripted-peer.ts';

const HOST = `${'c'.repeat(56)}.onion`;
const CONFIG = { enabled: true, port: 80, timeout: 1, interval: 60 };

const TARGET = { address: HOST, isolation: 'probe-1' };

let heard: Buffer = Buffer.alloc(0);
let peer: ScriptedPeer | undefined;
afterEach(() => peer?.close());

/** A SOCKS port that answers every request with this reply byte; undefined: not at all. */
async function probeWith(reply: number | undefined) {
  const answers = [Buffer.of(5, 2), Buffer.of(1, 0)];
  if (reply !== undefined) answers.push(Buffer.of(5, reply, 0, 1, 0, 0, 0, 0, 0, 0));
  peer = await ScriptedPeer.listen((socket, received) => {
    heard = received;
    const answer = answers.shift();
    if (answer !== undefined) socket.write(answer);
  });
  return probeBackend(peer.endpoint, CONFIG, TARGET);
}

describe('A probe', () => {
  it('finds a backend alive that takes a connection, or refuses one at its port.', async () => {
    expect(await probeWith(0)).toEqual({ verdict: 'alive' });
    expect(await probeWith(5)).toEqual({ verdict: 'alive', code: 'SOCKS_CONNECTION_REFUSED' });
  });

  it.each([
    [4, 'SOCKS_HOST_UNREACHABLE'],
    [0xf0, 'ONION_DESCRIPTOR_NOT_FOUND'],
    [0xf2, 'ONION_INTRODUCTION_FAILED'],
  ])('counts reply %i as a miss.', async (reply, code) => {
    expect(await probeWith(reply)).toEqual({ verdict: 'miss', code });
  });

  it('goes over a stream of its own, whose name is new after a miss.', async () => {
    await probeWith(0);
    expect(heard.toString('latin1')).toContain('probe-1');
    expect(newIsolation()).not.toBe(newIsolation());
  });

  it('counts silence beyond its limit as a miss.', async () => {
    expect(await probeWith(undefined)).toEqual({ verdict: 'miss', code: 'SOCKS_TIMEOUT' });
  });

  it('says nothing of a backend when our own tor is away.', async () => {
    const gone = await ScriptedPeer.listen(() => undefined);
    gone.close();
    expect(await probeBackend(gone.endpoint, CONFIG, TARGET)).toEqual({
      verdict: 'unknown',
      code: 'SOCKS_CONNECT',
    });
  });

  it('adds up misses in a row, and one success ends the row.', () => {
    expect(countMisses(1, { verdict: 'miss' })).toBe(2);
    expect(countMisses(1, { verdict: 'unknown' })).toBe(1);
    expect(countMisses(5, { verdict: 'alive' })).toBe(0);
  });
});
