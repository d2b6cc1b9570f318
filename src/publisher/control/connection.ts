import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ControlError } from './error.ts';
import {
  DEFAULT_REPLY_BOUNDS,
  formatCommand,
  formatDataCommand,
  type Reply,
  ReplyParser,
} from './grammar.ts';

/** Where tor's control port listens: TCP, or a Unix socket (`ControlPort unix:…`). */
export type ControlEndpoint = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ControlConnectionOptions {
  /** Limit for the connection to be made; default 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Limit from sending a command to the end of its reply; default 30,000 ms. */
  readonly commandTimeoutMs?: number;
  /** Default 64 KiB. */
  readonly maxLineBytes?: number;
  /** Default 64 MiB. */
  readonly maxReplyBytes?: number;
}

interface ConnectionEvents {
  /** A reply with status 650. */
  event: [Reply];
  /** Emitted once, with the reason; every pending command has been rejected. */
  close: [ControlError];
}

interface Pending {
  readonly bytes: Buffer;
  resolve(reply: Reply): void;
  reject(error: ControlError): void;
}

/**
 * One connection to a control port: commands in, replies and events out (control-spec §2). One command is in flight
 * at a time, so replies need no matching. Any failure of the stream ends the connection: there is no resynchronizing.
 */
export class ControlConnection extends EventEmitter<ConnectionEvents> {
  readonly #socket: Socket;
  readonly #parser: ReplyParser;
  readonly #commandTimeoutMs: number;
  readonly #queue: Pending[] = [];
  #inFlight: Pending | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed: ControlError | undefined;

  private constructor(socket: Socket, options: ControlConnectionOptions) {
    super();
    this.#socket = socket;
    this.#parser = new ReplyParser({ ...DEFAULT_REPLY_BOUNDS, ...boundsOf(options) });
    this.#commandTimeoutMs = options.commandTimeoutMs ?? 30_000;
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('error', cause => this.#fail(closed('The connection to the control port failed.', cause)));
    socket.on('close', () => this.#fail(closed('Tor closed the control port; is it still running?')));
  }

  /** Connects; nothing is sent yet. Throws CONTROL_CONNECT or CONTROL_TIMEOUT. */
  static async connect(
    endpoint: ControlEndpoint,
    options: ControlConnectionOptions = {},
  ): Promise<ControlConnection> {
    const socket = connect({ ...endpoint });
    await established(socket, options.connectTimeoutMs ?? 10_000);
    return new ControlConnection(socket, options);
  }

  /** Why the connection is over, or undefined while it stands. */
  get closed(): ControlError | undefined {
    return this.#closed;
  }

  /**
   * Sends one line and returns tor's reply, whatever follows on success (status 2xx). Throws CONTROL_REPLY on any
   * other status, CONTROL_ARGUMENT, CONTROL_TIMEOUT (which also closes), CONTROL_CLOSED.
   */
  async send(line: string): Promise<Reply> {
    return this.#enqueue(formatCommand(line));
  }

  /** The same for a command with data (`+KEYWORD`); `data` has LF line ends, the last included. */
  async sendData(line: string, data: string): Promise<Reply> {
    return this.#enqueue(formatDataCommand(line, data));
  }

  /** Ends the connection; pending commands are rejected with CONTROL_CLOSED. Safe to call twice. */
  close(): void {
    this.#fail(closed('The control connection was closed here.'));
  }

  /** Ends the connection for a reason found by the caller. */
  closeWith(reason: ControlError): void {
    this.#fail(reason);
  }

  async #enqueue(bytes: Buffer): Promise<Reply> {
    if (this.#closed !== undefined) throw this.#closed;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#queue.push({ bytes, resolve, reject });
    this.#next();
    const reply = await promise;
    if (reply.status >= 200 && reply.status < 300) return reply;
    throw new ControlError('CONTROL_REPLY', `Tor refused a command with status ${reply.status}.`, {
      replyStatus: reply.status,
      reply: reply.lines.map(line => line.text).join('\n'),
    });
  }

  #next(): void {
    if (this.#inFlight !== undefined || this.#closed !== undefined) return;
    this.#inFlight = this.#queue.shift();
    if (this.#inFlight === undefined) return;
    this.#socket.write(this.#inFlight.bytes);
    const late = new ControlError('CONTROL_TIMEOUT', 'Tor did not answer a command in time.');
    this.#timer = setTimeout(() => this.#fail(late), this.#commandTimeoutMs);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed !== undefined) return;
    try {
      for (const reply of this.#parser.push(chunk)) this.#dispatch(reply);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      this.#fail(error);
    }
  }

  #dispatch(reply: Reply): void {
    if (reply.status === 650) {
      this.emit('event', reply);
      return;
    }
    if (this.#inFlight === undefined) throw new ControlError('CONTROL_SYNTAX', 'A reply came to no command.');
    clearTimeout(this.#timer);
    const answered = this.#inFlight;
    this.#inFlight = undefined;
    answered.resolve(reply);
    this.#next();
  }

  #fail(reason: ControlError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    const pending = this.#inFlight === undefined ? this.#queue : [this.#inFlight, ...this.#queue];
    this.#inFlight = undefined;
    for (const command of pending.splice(0)) command.reject(reason);
    this.#queue.length = 0;
    this.emit('close', reason);
  }
}

async function established(socket: Socket, timeoutMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new ControlError('CONTROL_TIMEOUT', 'The control port took no connection in time.')),
    timeoutMs,
  );
  const refused = (cause: Error) =>
    reject(
      new ControlError('CONTROL_CONNECT', 'No control port there; is tor running, is the endpoint right?', {
        cause,
      }),
    );
  socket.once('connect', resolve).once('error', refused);
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('connect', resolve).off('error', refused);
  }
}

function boundsOf({ maxLineBytes, maxReplyBytes }: ControlConnectionOptions) {
  return {
    ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
    ...(maxReplyBytes === undefined ? {} : { maxReplyBytes }),
  };
}

function closed(message: string, cause?: Error): ControlError {
  return new ControlError('CONTROL_CLOSED', message, cause === undefined ? {} : { cause });
}
