// One keyholder for one state: a socket in its folder that lives as long as the process.

import { closeSync, constants, openSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { CustodyError } from './error.ts';
import { removeFile } from './private-file.ts';

const LOCK_NAME = 'lock';

/** Holds the lock of a state folder. */
export interface StateLock {
  release(): Promise<void>;
}

/**
 * Takes the lock; one that a killed process left behind is taken over.
 * @throws CustodyError STATE_LOCKED, STATE_MISSING (no such folder)
 */
export async function lockState(folder: string): Promise<StateLock> {
  const fd = openFolder(folder);
  // Through the descriptor, because the path of a socket may have 107 bytes only.
  const path = `/proc/self/fd/${fd}/${LOCK_NAME}`;
  try {
    const server = await listenAlone(path);
    server.unref().on('connection', (socket: Socket) => socket.destroy());
    return {
      release: async () => {
        await new Promise<void>(resolve => {
          server.close(() => resolve());
        });
        closeSync(fd);
      },
    };
  } catch (cause) {
    closeSync(fd);
    throw cause instanceof CustodyError ? cause : new CustodyError('STATE_LOCKED', undefined, { cause });
  }
}

/** A listening socket at `path`, unless somebody answers there already. @throws CustodyError STATE_LOCKED */
export async function listenAlone(path: string): Promise<Server> {
  if (await isAnswered(path)) throw new CustodyError('STATE_LOCKED');
  removeFile(path);
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

async function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function openFolder(folder: string): number {
  try {
    return openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new CustodyError('STATE_MISSING', undefined, { cause });
  }
}
