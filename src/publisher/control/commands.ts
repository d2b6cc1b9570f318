import { EventEmitter } from 'node:events';
import { authenticate, type ProtocolInfo } from './auth.ts';
import { ControlConnection, type ControlConnectionOptions, type ControlEndpoint } from './connection.ts';
import { ControlError } from './error.ts';
import { type ControlEvent, type ControlEventType, parseControlEvent } from './events.ts';
import type { Reply } from './grammar.ts';

export interface ControlPortOptions extends ControlConnectionOptions {
  /** Path of the cookie file; default is what tor names (then SAFECOOKIE only). */
  readonly cookiePath?: string;
}

export interface WaitOptions {
  /** Default: no limit of its own. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The event of one type. */
export type EventOf<T extends ControlEventType> = Extract<ControlEvent, { type: T }>;

/** Listener arguments: one event per type, and `close` once with the reason. */
export type ControlPortEvents = { [T in ControlEventType]: [EventOf<T>] } & { close: [ControlError] };

/** Signals that a controller may send (control-spec, SIGNAL). */
export type TorSignal = 'RELOAD' | 'SHUTDOWN' | 'HALT' | 'NEWNYM' | 'HEARTBEAT' | 'ACTIVE' | 'DORMANT';

/**
 * An authenticated control port. `on('HS_DESC', …)`, `events.on(port, 'HS_DESC')` or `waitFor` give the events that
 * `setEvents` asked for. When the connection ends, every pending promise rejects and `close` is emitted.
 */
export class ControlPort extends EventEmitter<ControlPortEvents> {
  readonly connection: ControlConnection;
  readonly protocolInfo: ProtocolInfo;

  private constructor(connection: ControlConnection, protocolInfo: ProtocolInfo) {
    super();
    this.connection = connection;
    this.protocolInfo = protocolInfo;
    this.setMaxListeners(0);
    connection.on('event', reply => this.#emitEvent(reply));
    connection.on('close', reason => this.emit('close', reason));
  }

  /** Connects and authenticates. Throws CONTROL_CONNECT, CONTROL_TIMEOUT, CONTROL_AUTH_*. */
  static async open(endpoint: ControlEndpoint, options: ControlPortOptions = {}): Promise<ControlPort> {
    const connection = await ControlConnection.connect(endpoint, options);
    try {
      return new ControlPort(connection, await authenticate(connection, options.cookiePath));
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Why the port is closed, or undefined while it is open. */
  get closed(): ControlError | undefined {
    return this.connection.closed;
  }

  /** Ends the connection; safe to call twice. */
  close(): void {
    this.connection.close();
  }

  /** SETEVENTS: from now on exactly these types are sent. */
  async setEvents(types: readonly ControlEventType[]): Promise<void> {
    await this.connection.send(['SETEVENTS', ...types].join(' '));
  }

  /**
   * Waits for the next event of a type that `accept` takes. Call it before the command that causes the event; a
   * result that nobody awaits after all does no harm.
   * Throws CONTROL_TIMEOUT, the reason of a close, or the abort reason.
   */
  waitFor<T extends ControlEventType>(
    type: T,
    accept: (event: EventOf<T>) => boolean = () => true,
    options: WaitOptions = {},
  ): Promise<EventOf<T>> {
    const found = this.#wait(type, accept, options);
    found.catch(() => undefined);
    return found;
  }

  async #wait<T extends ControlEventType>(
    type: T,
    accept: (event: EventOf<T>) => boolean,
    { timeoutMs, signal }: WaitOptions,
  ): Promise<EventOf<T>> {
    signal?.throwIfAborted();
    if (this.closed !== undefined) throw this.closed;
    const { promise, resolve, reject } = Promise.withResolvers<EventOf<T>>();
    const listener = (event: EventOf<T>) => {
      if (accept(event)) resolve(event);
    };
    const abort = () => reject(signal?.reason as Error);
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => reject(late(type)), timeoutMs);
    (this as EventEmitter).on(type, listener).on('close', reject);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      (this as EventEmitter).off(type, listener).off('close', reject);
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * GETINFO: the values of all `keys`; documents have LF line ends, the last included. Latin-1, one character per
   * byte. Throws CONTROL_REPLY: 552 for a key that tor does not know, 551 for one without a value now.
   */
  async getInfo<K extends string>(keys: readonly K[]): Promise<Record<K, string>> {
    const { lines } = await this.connection.send(['GETINFO', ...keys].join(' '));
    const values = new Map<string, string>();
    for (const { text, data } of lines) {
      const equals = text.indexOf('=');
      if (equals !== -1) values.set(text.slice(0, equals), data ?? text.slice(equals + 1));
    }
    if (!keys.every(key => values.has(key))) {
      throw new ControlError('CONTROL_SYNTAX', 'Tor answered GETINFO without one of the keys.');
    }
    return Object.fromEntries(values) as Record<K, string>;
  }

  /**
   * HSFETCH (control-spec, HSFETCH). Resolves when tor has accepted the command; results come as HS_DESC and
   * HS_DESC_CONTENT. `address`: 56 characters, `.onion` optional. `servers`: relay fingerprints, 40 hex digits; with
   * none tor chooses, and stays silent when it has asked all lately. Throws CONTROL_ARGUMENT, CONTROL_REPLY.
   */
  async hsFetch(address: string, servers: readonly string[] = []): Promise<void> {
    await this.connection.send(['HSFETCH', bareAddress(address), ...servers.map(serverArgument)].join(' '));
  }

  /**
   * HSPOST (control-spec, HSPOST) of a finished descriptor to `servers` (at least one, 40 hex digits each): tor's own
   * choice is wrong half of the time. HSADDRESS is always sent, without it tor neither answers nor uploads. Resolves
   * before any upload has ended; HS_DESC UPLOADED or FAILED follow, or nothing when a circuit fails.
   * Throws CONTROL_ARGUMENT; CONTROL_REPLY 552 for a server outside the consensus, 554 for a text tor does not take.
   */
  async hsPost(text: string, servers: readonly string[], hsAddress: string): Promise<void> {
    if (servers.length === 0)
      throw argument('HSPOST needs the directories that are to store the descriptor.');
    const line = ['HSPOST', ...servers.map(serverArgument), `HSADDRESS=${bareAddress(hsAddress)}`].join(' ');
    await this.connection.sendData(line, text);
  }

  /** SIGNAL (control-spec, SIGNAL). Resolves when tor has taken it; NEWNYM may act later, the SIGNAL event says when. */
  async signal(name: TorSignal): Promise<void> {
    await this.connection.send(`SIGNAL ${name}`);
  }

  #emitEvent(reply: Reply): void {
    try {
      const event = parseControlEvent(reply);
      if (event !== undefined) (this as EventEmitter).emit(event.type, event);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      this.connection.closeWith(error);
    }
  }
}

function bareAddress(address: string): string {
  const bare = address.endsWith('.onion') ? address.slice(0, -'.onion'.length) : address;
  if (!/^[a-z2-7]{56}$/u.test(bare)) throw argument('An onion address has 56 characters of base32.');
  return bare;
}

function serverArgument(fingerprint: string): string {
  if (!/^[0-9A-Fa-f]{40}$/u.test(fingerprint)) throw argument('A relay fingerprint has 40 hex digits.');
  return `SERVER=${fingerprint.toUpperCase()}`;
}

function argument(message: string): ControlError {
  return new ControlError('CONTROL_ARGUMENT', message);
}

function late(type: ControlEventType): ControlError {
  return new ControlError('CONTROL_TIMEOUT', `No ${type} event of the awaited kind came in time.`);
}
