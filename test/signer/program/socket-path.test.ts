import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeStaleSocket } from '../../../src/signer/program/socket-path.ts';
import { rejection } from '../failure.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'socket-'));
  path = join(folder, 'a.sock');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('room for a socket', () => {
  it('is made where nothing is, and where a socket was left over', async () => {
    await removeStaleSocket(path);
    const server = createServer();
    // Closing removes the name under which it listens, not the one that it was given later.
    await once(server.listen(join(folder, 'b.sock')), 'listening');
    renameSync(join(folder, 'b.sock'), path);
    expect((await rejection(removeStaleSocket(path))).code).toBe('JOURNAL_LOCKED');
    expect(existsSync(path)).toBe(true);
    await once(server.close(), 'close');
    await removeStaleSocket(path);
    expect(existsSync(path)).toBe(false);
  });

  it('is never made by taking away what is no socket', async () => {
    writeFileSync(path, 'precious');
    expect((await rejection(removeStaleSocket(path))).code).toBe('SOCKET_PATH');
    expect(readFileSync(path, 'utf8')).toBe('precious');
    mkdirSync(join(folder, 'folder'));
    expect((await rejection(removeStaleSocket(join(folder, 'folder')))).code).toBe('SOCKET_PATH');
    symlinkSync(path, join(folder, 'link'));
    expect((await rejection(removeStaleSocket(join(folder, 'link')))).code).toBe('SOCKET_PATH');
  });
});
