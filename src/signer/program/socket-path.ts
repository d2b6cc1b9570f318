import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { SignerError } from '../contract/problems.ts';

/**
 * Makes room for a socket at `path`: one that nobody answers on is left over and goes. SignerError JOURNAL_LOCKED when
 * another daemon listens there, SOCKET_PATH when something else has the name; that is never touched.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = inodeOf(path);
  if (found === undefined) return;
  const code = await connectFault(path);
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT')
    throw new SignerError('JOURNAL_LOCKED', 'another daemon listens on a socket of this one');
  // What was put there meanwhile is somebody else's.
  const left = inodeOf(path);
  if (left === undefined) return;
  if (left !== found)
    throw new SignerError('JOURNAL_LOCKED', 'another daemon is starting with these sockets');
  unlinkSync(path);
}

/** Undefined when nothing is there. */
function inodeOf(path: string): bigint | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  if (status === undefined) return undefined;
  if (!status.isSocket()) throw new SignerError('SOCKET_PATH', `${path}: take away what stands here`);
  return status.ino;
}

/** The code with which a connection fails; undefined when it does not. */
async function connectFault(path: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'));
  });
}
