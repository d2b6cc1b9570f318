import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { LAST_BACK_OFF_MS, SILENCE_MS, TOUCH_INTERVAL_MS } from '../../../src/pkcs11/signing-token.ts';
import { KeyholderDoor, STATUS_AGE_MS } from '../../../src/signer/commands/keyholder-door.ts';
import { parseConfig } from '../../../src/signer/config.ts';
import { rejection } from '../failure.ts';

const LINES = 'tokens: ["pkcs11:token=press-a?module-name=softhsm2"]\npin: tty\npublishers: { vps1: unix }\n';
const door = (more = ''): KeyholderDoor =>
  new KeyholderDoor(parseConfig(LINES + more, '/etc/onion-signer/signer.yaml'));
const ELSEWHERE = 'keyholder: unix:/nowhere/keyholder.sock\n';

test('a keyholder of its own process is waited for until patience ends', async () => {
  let waits = 0;
  const waiting = (): void => void (waits += 1);
  const refused = await rejection(door(ELSEWHERE).reachable(waiting, { patienceMs: 1000 }));
  expect(refused.code).toBe('KEYHOLDER_UNAVAILABLE');
  expect(waits).toBe(1);
});

test('a wait that is called off ends at once, whatever patience is left', async () => {
  const called = new AbortController();
  const reached = door(ELSEWHERE).reachable(() => called.abort(), { signal: called.signal });
  expect((await rejection(reached)).code).toBe('KEYHOLDER_UNAVAILABLE');
});

test('a keyholder that is our child is not waited for', async () => {
  await expect(door().reachable(() => expect.fail('nothing to wait for'))).resolves.toBeUndefined();
});

test('a keyholder behind a socket has as long to prepare as one that is our child', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyholder-door-'));
  const path = join(folder, 'keyholder.sock');
  // Hangs up at the first request.
  const server = createServer(socket => void socket.once('data', () => socket.destroy()));
  const limits = vi.spyOn(globalThis, 'setTimeout');
  const reached = door(`keyholder: unix:${path}\ndeadline: 55s\n`);
  try {
    server.listen(path);
    await once(server, 'listening');
    expect((await rejection(reached.prepare())).code).toBe('KEYHOLDER_UNAVAILABLE');
    expect(limits.mock.calls.map(([, ms]) => ms)).toContain(130_000 + 2 * 55_000);
  } finally {
    limits.mockRestore();
    await reached.close();
    server.close();
    rmSync(folder, { recursive: true });
  }
});

// That readiness follows at all, by real processes, stands in test/e2e/period-keys.test.ts.
test('a token that signs is missed within two seconds, and met again early enough to be back within five', () => {
  expect(TOUCH_INTERVAL_MS + SILENCE_MS + STATUS_AGE_MS).toBeLessThanOrEqual(2_000);
  // What is left is for the process to start, log in and find its keys.
  expect(LAST_BACK_OFF_MS + STATUS_AGE_MS).toBeLessThanOrEqual(5_000 - 2_000);
});
