import { rmSync } from 'node:fs';
import { createServer, connect, type Server } from 'node:net';
import { join } from 'node:path';
import { codeOf, PublisherError } from './error.ts';

/**
 * Makes sure that one publisher at a time uses a state folder: it listens on a socket there, and a socket whose owner
 * has died is taken over. Returns what ends the lock. Throws STATE_LOCKED or STATE_DIRECTORY.
 */
export async function lockState(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock');
  const server = createServer(stream => stream.destroy()).unref();
  try {
    await listen(server, path);
  } catch (cause) {
    if (codeOf(cause) !== 'EADDRINUSE') throw new PublisherError('STATE_DIRECTORY', path, { cause });
    if (await answers(path)) throw new PublisherError('STATE_LOCKED', folder);
    rmSync(path, { force: true });
    await listen(server, path);
  }
  return async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    await promise;
  };
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(path, resolve);
  try {
    await promise;
  } finally {
    server.off('error', reject);
  }
}

async function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stream = connect({ path })
    .once('connect', () => resolve(true))
    .once('error', () => resolve(false));
  try {
    return await promise;
  } finally {
    stream.destroy();
  }
}
