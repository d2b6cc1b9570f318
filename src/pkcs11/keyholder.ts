// Main of the keyholder process.
//   keyholder init --state DIR --host-key SOURCE [--recover [--fence SECOND]] [--swap-accepted]
//   keyholder forget-pins --state DIR --host-key SOURCE [--swap-accepted]
//   keyholder      --state DIR --host-key SOURCE --list FILE [--socket PATH]
// Without --socket it is a child of the core and speaks on fd 3. Arguments carry paths only.

import { chmodSync } from 'node:fs';
import { Socket, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CustodyError, toCustodyError } from './error.ts';
import { FrameChannel } from './frames.ts';
import { parseHostKeySource } from './host-key.ts';
import { HostState } from './host-state.ts';
import { KEYHOLDER_FRAME, encodeFailed } from './keyholder-messages.ts';
import { MAX_ANSWER_BYTES, expireQuietly, serveKeyholder } from './keyholder-server.ts';
import { Keyholder } from './keyholder-service.ts';
import { settleMemory } from './memory-lock.ts';
import { isMemoryLocked } from './memory-word.ts';
import { guardProcess } from './process-guard.ts';
import { acceptsSwap } from './read-list.ts';
import { listenAlone, lockState } from './state-lock.ts';
import { TokenClient } from './token-client.ts';
import { Turns } from './turns.ts';

const EXPIRE_INTERVAL_MS = 60_000;
const WAITING_CONNECTIONS = 4;
/** A token process is killed with us; so long one is left in a login, which would stay without an answer. Milliseconds. */
const LOGIN_GRACE_MS = 3_000;

/** `init` and `forget-pins` change the state and end. */
type Task = 'serve' | 'init' | 'forget-pins';

interface Arguments {
  readonly task: Task;
  readonly recover: boolean;
  /** Of a task that reads no list: secrets may reach swap where no memory can be locked. */
  readonly swapAccepted: boolean;
  /** Unix seconds; 0 for none. */
  readonly fence: number;
  readonly state: string;
  readonly hostKey: string;
  readonly list: string;
  readonly socket: string | undefined;
}

async function main(): Promise<void> {
  process.umask(0o077);
  guardProcess();
  const args = readArguments();
  settleMemory(() => (args.task === 'serve' ? acceptsSwap(args.list) : args.swapAccepted));
  const source = parseHostKeySource(args.hostKey);
  if (args.task === 'init') {
    HostState.create(args.state, source, { recover: args.recover, fence: args.fence });
    return;
  }
  const lock = await lockState(args.state);
  if (args.task === 'forget-pins') {
    const host = HostState.open(args.state, source);
    host.forgetPins();
    host.close();
    await lock.release();
    return;
  }
  const host = HostState.open(args.state, source);
  const keyholder = openKeyholder(args, host);
  if (!isMemoryLocked())
    process.stderr.write('keyholder: memory cannot be locked, as the list accepts: secrets can reach swap\n');
  setInterval(() => expireQuietly(keyholder), EXPIRE_INTERVAL_MS).unref();
  let server: Server | undefined;
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    // Closing removes the sockets' names, so that nobody meets a door without a house.
    server?.close();
    void Promise.race([host.pins.attempts.close(), sleep(LOGIN_GRACE_MS)])
      .then(() => keyholder.close())
      .then(() => lock.release())
      .finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  if (args.socket === undefined) {
    // A terminal's Ctrl-C reaches the whole group; this process ends when its core does.
    process.on('SIGINT', () => undefined);
    await serveKeyholder(channelOf(childSocket()), keyholder, new Turns());
    stop();
  } else {
    process.on('SIGINT', stop);
    server = await listenAlone(args.socket);
    serveSocket(server, args.socket, keyholder);
  }
}

/** @throws CustodyError KEYHOLDER_ARGUMENTS */
function readArguments(): Arguments {
  try {
    const text = { type: 'string' } as const;
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        state: text,
        list: text,
        'host-key': text,
        socket: text,
        fence: text,
        recover: { type: 'boolean' },
        'swap-accepted': { type: 'boolean' },
      },
    });
    const { state, 'host-key': hostKey, list = '', socket, recover = false, fence = '0' } = values;
    const { 'swap-accepted': swapAccepted = false } = values;
    const [task = 'serve', ...more] = positionals;
    if (!isTask(task) || more.length > 0) throw new CustodyError('KEYHOLDER_ARGUMENTS');
    const complete =
      task === 'serve'
        ? list !== '' && !recover && !swapAccepted
        : list === '' && socket === undefined && (task === 'init' || !recover);
    const isFit = /^(?:0|[1-9][0-9]{0,11})$/u.test(fence) && (recover || fence === '0');
    if (state === undefined || hostKey === undefined || !complete || !isFit)
      throw new CustodyError('KEYHOLDER_ARGUMENTS');
    return { task, recover, swapAccepted, fence: Number(fence), state, hostKey, list, socket };
  } catch (thrown) {
    throw toCustodyError(thrown, 'KEYHOLDER_ARGUMENTS');
  }
}

const isTask = (text: string): text is Task => ['serve', 'init', 'forget-pins'].includes(text);

function openKeyholder(args: Arguments, host: HostState): Keyholder {
  try {
    return new Keyholder({
      host,
      listPath: args.list,
      isolation: args.socket === undefined ? 'same user' : 'own process',
      openerFor: (deadlineMs, pins) => new TokenClient({ deadlineMs, pins }),
    });
  } catch (thrown) {
    host.close();
    throw thrown;
  }
}

function childSocket(): Socket {
  return new Socket({ fd: 3, readable: true, writable: true });
}

function channelOf(socket: Socket): FrameChannel {
  return new FrameChannel(socket, MAX_ANSWER_BYTES);
}

/** One connection is served at a time; the next ones wait unread, and more than a few are turned away. */
function serveSocket(server: Server, path: string, keyholder: Keyholder): void {
  // Who may connect is the folder's and the group's matter.
  chmodSync(path, 0o660);
  let queue = Promise.resolve();
  const turns = new Turns();
  let waiting = 0;
  server.on('connection', (socket: Socket) => {
    if (waiting >= WAITING_CONNECTIONS) {
      socket.destroy();
      return;
    }
    waiting += 1;
    queue = queue
      .then(() => serveKeyholder(channelOf(socket), keyholder, turns))
      .finally(() => {
        waiting -= 1;
      });
  });
}

/** Tells whoever started us, by code and on standard error, and ends. */
async function fail(thrown: unknown): Promise<never> {
  const error = toCustodyError(thrown, 'KEYHOLDER_FAULT');
  process.stderr.write(`keyholder: ${error.code}: ${error.message}\n`);
  const isAlone = ['init', 'forget-pins', '--socket'].some(each => process.argv.includes(each));
  if (!isAlone) {
    await channelOf(childSocket())
      .send(KEYHOLDER_FRAME.failed, 0, encodeFailed(error.code))
      .catch(() => undefined);
  }
  return process.exit(2);
}

await main().catch(fail);
