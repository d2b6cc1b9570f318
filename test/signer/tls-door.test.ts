import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { MAX_HANDSHAKES_PER_ADDRESS } from '../../src/signer/handshakes.ts';
import { pinOf, type TlsIdentity } from '../../src/signer/program/tls-identity.ts';
import { MAX_CONNECTIONS } from '../../src/signer/request-gate.ts';
import { createPublisherServer } from '../../src/signer/routes.ts';
import { TlsDoor } from '../../src/signer/tls-door.ts';
import { SMUGGLED } from '../e2e/daemon/smuggled.ts';
import { createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, OTHER_PUBLISHER, PUBLISHER } from './core-rig.ts';
import { closing, dial, makeIdentity, request, talk } from './tls-client.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
let door: TlsDoor;
let port: number;
let [own, one, other, stranger]: TlsIdentity[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});

beforeEach(async () => {
  core = new CoreRig(rig, keyholder);
  [own, one, other, stranger] = ['own', 'one', 'other', 'stranger'].map(name =>
    makeIdentity(core.folder, name),
  );
  await open();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await door.close(0);
  core.dispose();
});

async function open(handshakeLimitMs = 60_000): Promise<void> {
  door = new TlsDoor({ keyFile: `${core.folder}/own.key`, log: core.log, handshakeLimitMs });
  door.setPins(pins());
  for (const name of [PUBLISHER, OTHER_PUBLISHER]) {
    await door.offer(
      name,
      createPublisherServer(core.context, name, socket => door.admits(name, socket)),
    );
  }
  port = await door.listen({ host: '127.0.0.1', port: 0 });
}

const pins = (): Map<string, string> =>
  new Map([
    [PUBLISHER, one!.pin],
    [OTHER_PUBLISHER, other!.pin],
  ]);

const turnedAway = (): unknown[] =>
  core.lines.filter(({ msg }) => msg === 'turned away').map(({ code }) => code);

/** What somebody with this key is answered, and that the publisher is answered meanwhile. */
async function answerTo(...args: [TlsIdentity?, Parameters<typeof dial>[2]?]): Promise<string> {
  const said = await talk(dial(port, ...args), closing('/v1/services'));
  expect(await talk(dial(port, one), closing('/healthz'))).toMatch(/^HTTP\/1\.1 200 /u);
  return said;
}

describe('the key of a certificate', () => {
  it('is the publisher: each pin has its own services and no other', async () => {
    expect(await answerTo(one)).toMatch(/^HTTP\/1\.1 200 [^]*"service":"alpha"/u);
    const theirs = await answerTo(other);
    expect(theirs).toContain('"service":"beta"');
    expect(theirs).not.toContain('alpha');
  });

  it('is shown by the signer too, and is the one that `tls` prints', async () => {
    const socket = dial(port, one);
    await once(socket, 'secureConnect');
    expect(pinOf(socket.getPeerX509Certificate()!)).toBe(own!.pin);
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(['TLSv1.3', 'http/1.1']);
    socket.destroy();
  });

  it('of a stranger, or none, is the end before any HTTP', async () => {
    expect(await answerTo(stranger)).toBe('');
    expect(await answerTo()).toBe('');
    // Somebody else's certificate without its key is none.
    expect(() => dial(port, { ...one!, key: stranger!.key })).toThrow(/mismatch/u);
    expect(turnedAway()).toContain('STRANGER');
    expect(JSON.stringify(core.lines)).not.toMatch(/127\.0\.0\.1|sha256/u);
  });

  it('counts for each request: a pin that is removed is refused on a connection that stays open', async () => {
    const [mine, theirs] = [dial(port, one), dial(port, other)];
    sockets.push(mine, theirs);
    expect(await request(mine, '/healthz')).toMatch(/^HTTP\/1\.1 200 /u);
    expect(await request(mine, '/v1/services')).toMatch(/^HTTP\/1\.1 200 /u);
    door.setPins(new Map([[OTHER_PUBLISHER, other!.pin]]));
    const ended = once(mine, 'close');
    expect(await request(mine, '/v1/services')).toMatch(
      /^HTTP\/1\.1 401 [^]*connection: close[^]*"code":"PUBLISHER_UNKNOWN"/iu,
    );
    await ended;
    expect(await talk(dial(port, one), closing('/healthz'))).toBe('');
    expect(await request(theirs, '/healthz')).toMatch(/^HTTP\/1\.1 200 /u);
    // A pin that moved to another publisher is not the old one on an old connection either.
    door.setPins(new Map([[PUBLISHER, other!.pin]]));
    expect(await request(theirs, '/v1/services')).toMatch(/^HTTP\/1\.1 401 /u);
    expect(await talk(dial(port, other), closing('/v1/services'))).toContain('"service":"alpha"');
  });
});

describe('a handshake', () => {
  it('is TLS 1.3, for HTTP/1.1 by name, and nothing else', async () => {
    expect(await answerTo(one, { maxVersion: 'TLSv1.2' })).toBe('');
    expect(await answerTo(one, { ALPNProtocols: ['h2'] })).toBe('');
    expect(await answerTo(one, { ALPNProtocols: [] })).toBe('');
    expect(await answerTo(one, { ALPNProtocols: ['h2', 'http/1.1'] })).toMatch(/^HTTP\/1\.1 200 /u);
    const plain = connect(port, '127.0.0.1');
    plain.write(closing('/healthz'));
    expect((await plain.toArray()).toString()).not.toContain('HTTP');
  });

  it('is a whole one each time: no session is taken up again', async () => {
    const lenient = createServer({ key: own!.key, cert: own!.cert, ALPNProtocols: ['http/1.1'] }, socket =>
      socket.resume().end('.'),
    );
    lenient.listen(0, '127.0.0.1');
    await once(lenient, 'listening');
    const address = lenient.address();
    const ports = [typeof address === 'object' ? (address?.port ?? 0) : 0, port];
    const reused: boolean[] = [];
    for (const each of ports) {
      const first = dial(each, one);
      let session: Buffer | undefined;
      first.on('session', (ticket: Buffer) => (session = ticket));
      first.once('secureConnect', () => (session ??= first.getSession()));
      await talk(first, closing('/healthz'));
      const second = dial(each, one, session === undefined ? {} : { session });
      await once(second, 'secureConnect');
      reused.push(second.isSessionReused());
      second.destroy();
    }
    expect(reused).toEqual([true, false]);
    await lenient[Symbol.asyncDispose]();
  });

  it('that drips is cut off at its limit, and one that does not is not', async () => {
    expect(await talk(dial(port, one), closing('/healthz'))).toMatch(/^HTTP\/1\.1 200 /u);
    expect(turnedAway()).toEqual([]);
    await door.close(0);
    await open(500);
    const slow = connect(port, '127.0.0.1').on('error', () => undefined);
    // A ClientHello that never ends, one octet at a time.
    slow.write(Buffer.from('16030102000100', 'hex'));
    const drip = setInterval(() => slow.write(Buffer.of(1)), 50);
    await once(slow, 'close');
    clearInterval(drip);
    expect(turnedAway()).toEqual(['HANDSHAKE']);
  });

  it('gives way to newer ones of its address when there are too many, so that strangers keep nobody out', async () => {
    const held: Socket[] = [];
    for (let i = 0; i < MAX_HANDSHAKES_PER_ADDRESS; i += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      held.push(socket);
    }
    sockets.push(...held);
    expect(held.some(socket => socket.closed)).toBe(false);
    const first = once(held[0]!.resume(), 'close');
    expect(await talk(dial(port, one), closing('/healthz'))).toMatch(/^HTTP\/1\.1 200 /u);
    await first;
    expect(held.slice(1).some(socket => socket.closed)).toBe(false);
  });
});

describe('a publisher that is known', () => {
  it('has a bounded number of connections', async () => {
    for (let i = 0; i < MAX_CONNECTIONS; i += 1) {
      sockets.push(dial(port, one));
      expect(await request(sockets[i] as TLSSocket, '/healthz')).toMatch(/^HTTP\/1\.1 200 /u);
    }
    expect(await talk(dial(port, one), closing('/healthz'))).toBe('');
    expect(turnedAway()).toContain('CONNECTIONS');
    expect(await talk(dial(port, other), closing('/healthz'))).toMatch(/^HTTP\/1\.1 200 /u);
    sockets[0]!.destroy();
    let said = '';
    while (said === '') said = await talk(dial(port, one), closing('/healthz'));
    expect(said).toMatch(/^HTTP\/1\.1 200 /u);
  });

  it('that sends its headers too slowly is told so, and cut off', async () => {
    const said = await talk(dial(port, one), 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    expect(said).toMatch(/^HTTP\/1\.1 408 [^]*"code":"REQUEST_TIMEOUT"/u);
  });

  it.each(SMUGGLED)('cannot smuggle a second request: %s', async (_, bytes, status) => {
    const said = await talk(dial(port, one), bytes);
    expect(said.match(/HTTP\/1\.1/gu)).toHaveLength(1);
    expect(said.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
    expect(said).toContain(status === 431 ? '"code":"HEADERS_TOO_LARGE"' : '"code":"REQUEST_MALFORMED"');
    expect(said).not.toContain('backends');
  });

  it('that does not wait for its answers gets the first one only', async () => {
    const get = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
    const said = await talk(dial(port, one), get.repeat(100));
    expect(said.match(/HTTP\/1\.1/gu)).toHaveLength(1);
  });
});

describe('a publisher that is cut off', () => {
  it('loses its open connections, and the other keeps its own', async () => {
    const [mine, theirs] = [dial(port, one), dial(port, other)];
    sockets.push(mine, theirs);
    for (const socket of [mine, theirs]) expect(await request(socket, '/healthz')).toMatch(/ 200 /u);
    const closed = once(mine, 'close');
    door.setPins(new Map([[OTHER_PUBLISHER, other!.pin]]));
    door.cutOff(PUBLISHER);
    await closed;
    expect(await request(theirs, '/healthz')).toMatch(/ 200 /u);
    expect(await talk(dial(port, one), closing('/healthz')).catch(() => '')).toBe('');
  });
});
