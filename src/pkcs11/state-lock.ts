// One keyholder for one state. The kernel owns the lock and frees it when the process dies.

import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { CustodyError, toCustodyError } from './error.ts';

const LOCK_NAME = 'lock';

/** Holds the lock of a state folder. */
export interface StateLock {
  release(): Promise<void>;
}

/**
 * Takes the lock; one that a killed process left behind is taken over. It is a socket with an abstract name, which two
 * processes cannot have at once; and one in the folder, for whoever lives in another network namespace.
 * @throws CustodyError STATE_LOCKED, STATE_MISSING (no such folder)
 */
export async function lockState(folder: string): Promise<StateLock> {
  const fd = openFolder(folder);
  const servers: Server[] = [];
  const release = async (): Promise<void> => {
    for (const server of servers.toReversed()) await closeServer(server);
    closeSync(fd);
  };
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    servers.push(await listen(`\0onion-signer-state-${dev}-${ino}`));
    // Through the descriptor, because the path of a socket may have 107 bytes only.
    servers.push(await listenAlone(`/proc/self/fd/${fd}/${LOCK_NAME}`));
    for (const server of servers) server.unref().on('connection', (socket: Socket) => socket.destroy());
    return { release };
  } catch (thrown) {
    await release();
    throw toCustodyError(thrown, 'STATE_LOCKED');
  }
}

/**
 * A listening socket at `path`. Only a socket at which nobody listens any more is put away, nothing else.
 * @throws CustodyError STATE_LOCKED
 */
export async function listenAlone(path: string): Promise<Server> {
  try {
    if (await isAbandoned(path)) unlinkSync(path);
    return await listen(path);
  } catch (thrown) {
    throw toCustodyError(thrown, 'STATE_LOCKED');
  }
}

async function listen(path: string): Promise<Server> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server;
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>(resolve => {
    server.close(() => resolve());
  });
}

/** Whether a socket without a listener is there; false when nothing is. @throws what says that somebody may be */
async function isAbandoned(path: string): Promise<boolean> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (!stat.isSocket()) throw new CustodyError('STATE_LOCKED', 'something that is no socket has the name');
  const fault = await connectFault(path);
  if (fault === 'ENOENT') return false;
  if (fault === 'ECONNREFUSED') return true;
  throw new CustodyError('STATE_LOCKED', fault);
}

/** The code with which a connection fails; undefined when it does not. */
async function connectFault(path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  });
}

function openFolder(folder: string): number {
  try {
    return openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new CustodyError('STATE_MISSING', undefined, { cause });
  }
}
