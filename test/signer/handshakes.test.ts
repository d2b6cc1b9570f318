import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Handshakes, MAX_HANDSHAKES, MAX_HANDSHAKES_PER_ADDRESS } from '../../src/signer/handshakes.ts';

const LONG_MS = 600_000;

let server: Server;
let handshakes: Handshakes;
let cut: number;
const clients: Socket[] = [];

beforeEach(async () => {
  cut = 0;
  handshakes = new Handshakes(LONG_MS, () => {
    cut += 1;
  });
  server = createServer(socket => {
    socket.on('error', () => undefined);
    handshakes.begin(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  handshakes.close();
  for (const each of clients.splice(0)) each.destroy();
  server.close();
  await once(server, 'close');
});

/** A connection from this address of the host, which the other end has taken. */
async function from(localAddress: string): Promise<Socket> {
  const { port } = server.address() as AddressInfo;
  const taken = once(server, 'connection');
  const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
  clients.push(socket.resume());
  await Promise.all([once(socket, 'connect'), taken]);
  return socket;
}

test('of many addresses are bounded together: the oldest goes, whoever it is', async () => {
  const addresses = MAX_HANDSHAKES / MAX_HANDSHAKES_PER_ADDRESS;
  const first = await from('127.0.0.2');
  for (let i = 1; i < MAX_HANDSHAKES; i += 1) await from(`127.0.0.${2 + (i % addresses)}`);
  expect([cut, first.closed]).toEqual([0, false]);
  const gone = once(first, 'close');
  await from('127.0.0.99');
  await gone;
  expect(cut).toBe(1);
});

test('of one address give way to its own alone', async () => {
  const other = await from('127.0.0.3');
  const first = await from('127.0.0.2');
  for (let i = 1; i < MAX_HANDSHAKES_PER_ADDRESS; i += 1) await from('127.0.0.2');
  expect(cut).toBe(0);
  const gone = once(first, 'close');
  await from('127.0.0.2');
  await gone;
  expect([cut, other.closed]).toEqual([1, false]);
});
