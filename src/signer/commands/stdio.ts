import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';

/**
 * `serve --stdio NAME`, for a forced command of ssh or a service of qrexec: standard input and output become one
 * connection to the running daemon's socket of that publisher, until either side ends it. It judges, signs and writes
 * nothing, and may run as any user who may open the socket. SignerError BAD_VALUE, NOT_READY.
 */
export async function serveStdio(config: SignerConfig, publisher: string): Promise<void> {
  const door = config.publishers.get(publisher);
  if (door?.kind !== 'unix')
    throw new SignerError('BAD_VALUE', 'name a publisher that signer.yaml gives a socket: `NAME: unix`');
  const socket = await open(door.path);
  socket.on('error', () => socket.destroy());
  pipeline(process.stdin, socket).catch(() => socket.destroy());
  // Its end is the daemon's word, or that nobody reads on.
  await pipeline(socket, process.stdout, { end: false }).catch(() => undefined);
  process.stdin.destroy();
  socket.destroy();
}

async function open(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  try {
    await once(socket, 'connect');
  } catch (cause) {
    socket.destroy();
    const message = 'the daemon does not run, or its socket is not for this user: see `onion-signer serve`';
    throw new SignerError('NOT_READY', message, { cause });
  }
  return socket;
}
