import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGatedServer, MAX_CONNECTIONS } from '../../src/signer/request-gate.ts';

let folder: string;
let server: Server;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gate-'));
  server = createGatedServer(
    (_, response) => void response.end('well'),
    () => undefined,
  );
  server.listen(join(folder, 'door.sock'));
  await once(server, 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  rmSync(folder, { recursive: true });
});

/** One answer on a connection that stays open; undefined when the connection ends before. */
async function answered(socket: Socket): Promise<string | undefined> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return await new Promise(resolve => {
    socket.once('data', said => resolve(String(said)));
    socket.once('close', () => resolve(undefined));
  });
}

test('a socket has a bounded number of connections, and one that ends makes room', async () => {
  const dial = (): Socket => connect(join(folder, 'door.sock')).on('error', () => undefined);
  const held = Array.from({ length: MAX_CONNECTIONS }, dial);
  for (const each of held) expect(await answered(each)).toMatch(/^HTTP\/1\.1 200 /u);
  expect(await answered(dial())).toBeUndefined();
  held[0]?.destroy();
  let said: string | undefined;
  do said = await answered(dial());
  while (said === undefined);
  for (const each of held) each.destroy();
});
