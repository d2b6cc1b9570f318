import { afterEach, describe, expect, it } from 'vitest';
import { countMisses, probeBackend } from '../../src/publisher/probe.ts';
import { ScriptedPeer } from './scripted-peer.ts';

const HOST = `${'c'.repeat(56)}.onion`;
const CONFIG = { enabled: true, port: 80, timeout: 1, interval: 60 };

let peer: ScriptedPeer | undefined;
afterEach(() => peer?.close());

/** A SOCKS port that answers every request with this reply byte; undefined: not at all. */
async function probeWith(reply: number | undefined) {
  let greeted = false;
  peer = await ScriptedPeer.listen(socket => {
    if (!greeted) socket.write(Buffer.of(5, 0));
    else if (reply !== undefined) socket.write(Buffer.of(5, reply, 0, 1, 0, 0, 0, 0, 0, 0));
    greeted = true;
  });
  return probeBackend(peer.endpoint, HOST, CONFIG);
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

  it('counts silence beyond its limit as a miss.', async () => {
    expect(await probeWith(undefined)).toEqual({ verdict: 'miss', code: 'SOCKS_TIMEOUT' });
  });

  it('says nothing of a backend when our own tor is away.', async () => {
    const gone = await ScriptedPeer.listen(() => undefined);
    gone.close();
    expect(await probeBackend(gone.endpoint, HOST, CONFIG)).toEqual({
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
