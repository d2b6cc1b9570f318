import { connect, type Socket } from 'node:net';

/** Every way in which a connection through tor's SOCKS port can fail. */
export const SOCKS_ERROR_CODES = [
  /** Nobody listens at the SOCKS port, or the connection to it broke. */
  'SOCKS_CONNECT',
  /** Tor closed the connection before it answered. */
  'SOCKS_CLOSED',
  /** No answer within the limit: for an onion service, most often a dead one. */
  'SOCKS_TIMEOUT',
  /** What arrived is not SOCKS 5. */
  'SOCKS_PROTOCOL',
  /** A host name, port or credential does not fit into a request. */
  'SOCKS_ARGUMENT',
  'SOCKS_GENERAL_FAILURE',
  'SOCKS_NOT_ALLOWED',
  'SOCKS_NETWORK_UNREACHABLE',
  'SOCKS_HOST_UNREACHABLE',
  'SOCKS_CONNECTION_REFUSED',
  'SOCKS_TTL_EXPIRED',
  'SOCKS_COMMAND_NOT_SUPPORTED',
  'SOCKS_ADDRESS_NOT_SUPPORTED',
  /** The rest needs `ExtendedErrors` on tor's SocksPort line. */
  'ONION_DESCRIPTOR_NOT_FOUND',
  'ONION_DESCRIPTOR_INVALID',
  'ONION_INTRODUCTION_FAILED',
  'ONION_RENDEZVOUS_FAILED',
  'ONION_CLIENT_AUTH_MISSING',
  'ONION_CLIENT_AUTH_WRONG',
  'ONION_ADDRESS_INVALID',
  'ONION_INTRODUCTION_TIMED_OUT',
  /** A reply byte that neither RFC 1928 nor socks-extensions knows; see `replyByte`. */
  'SOCKS_UNKNOWN_REPLY',
] as const;

export type SocksErrorCode = (typeof SOCKS_ERROR_CODES)[number];

const REPLY_CODES: Readonly<Record<number, SocksErrorCode>> = {
  0x01: 'SOCKS_GENERAL_FAILURE',
  0x02: 'SOCKS_NOT_ALLOWED',
  0x03: 'SOCKS_NETWORK_UNREACHABLE',
  0x04: 'SOCKS_HOST_UNREACHABLE',
  0x05: 'SOCKS_CONNECTION_REFUSED',
  0x06: 'SOCKS_TTL_EXPIRED',
  0x07: 'SOCKS_COMMAND_NOT_SUPPORTED',
  0x08: 'SOCKS_ADDRESS_NOT_SUPPORTED',
  0xf0: 'ONION_DESCRIPTOR_NOT_FOUND',
  0xf1: 'ONION_DESCRIPTOR_INVALID',
  0xf2: 'ONION_INTRODUCTION_FAILED',
  0xf3: 'ONION_RENDEZVOUS_FAILED',
  0xf4: 'ONION_CLIENT_AUTH_MISSING',
  0xf5: 'ONION_CLIENT_AUTH_WRONG',
  0xf6: 'ONION_ADDRESS_INVALID',
  0xf7: 'ONION_INTRODUCTION_TIMED_OUT',
};

/** A failed SOCKS connection. Decide on `code`; the message names no host. */
export class SocksError extends Error {
  override readonly name = 'SocksError';
  readonly code: SocksErrorCode;
  /** Tor's reply byte, where it gave one. */
  readonly replyByte: number | undefined;

  constructor(code: SocksErrorCode, message: string, details: { replyByte?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.replyByte = details.replyByte;
  }
}

export type SocksProxy = { readonly host: string; readonly port: number } | { readonly path: string };

export interface SocksRequest {
  readonly proxy: SocksProxy;
  /** Host name for tor to resolve, usually `….onion`; at most 255 bytes of ASCII. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
  /** User name of a stream of its own (RFC 1929): tor never shares circuits between two names. 1..255 bytes. */
  readonly isolation?: string;
  /** Limit from here to tor's answer; default 120,000 ms. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens a stream through tor (RFC 1928, user name RFC 1929, socks-extensions). Returns the connected socket, paused,
 * with nothing read from it beyond the answer. Throws SocksError, or the abort reason.
 */
export async function connectThroughSocks(request: SocksRequest): Promise<Socket> {
  const connectRequest = encodeConnect(request.host, request.port);
  const credentials = request.isolation === undefined ? undefined : encodeCredentials(request.isolation);
  request.signal?.throwIfAborted();
  const socket = connect({ ...request.proxy });
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new SocksError('SOCKS_TIMEOUT', 'Tor did not connect in time.'));
  }, request.timeoutMs ?? 120_000);
  const abort = () => reject(request.signal?.reason as Error);
  const broken = (cause: Error) =>
    reject(new SocksError('SOCKS_CONNECT', 'No SOCKS port there; is tor running?', { cause }));
  const ended = () => reject(new SocksError('SOCKS_CLOSED', 'Tor closed the connection without an answer.'));
  request.signal?.addEventListener('abort', abort, { once: true });
  socket.on('error', broken).on('close', ended).on('end', ended);
  try {
    await Promise.race([negotiate(socket, connectRequest, credentials), failed]);
    return socket;
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', abort);
    socket.off('error', broken).off('close', ended).off('end', ended);
  }
}

async function negotiate(
  socket: Socket,
  connectRequest: Buffer,
  credentials: Buffer | undefined,
): Promise<void> {
  const method = credentials === undefined ? 0x00 : 0x02;
  const answers = new ExactReader(socket);
  try {
    socket.write(Buffer.of(0x05, 0x01, method));
    expectBytes(await answers.take(2), [0x05, method]);
    if (credentials !== undefined) {
      socket.write(credentials);
      expectBytes(await answers.take(2), [0x01, 0x00]);
    }
    socket.write(connectRequest);
    const head = await answers.take(4);
    expectBytes(head.subarray(0, 1), [0x05]);
    const replyByte = head[1] ?? 0xff;
    if (replyByte !== 0x00) {
      const code = REPLY_CODES[replyByte] ?? 'SOCKS_UNKNOWN_REPLY';
      throw new SocksError(code, `Tor could not connect: ${code}.`, { replyByte });
    }
    await answers.take((await boundAddressBytes(answers, head[3])) + 2);
  } finally {
    answers.release();
  }
}

async function boundAddressBytes(answers: ExactReader, addressType: number | undefined): Promise<number> {
  if (addressType === 0x01) return 4;
  if (addressType === 0x04) return 16;
  if (addressType === 0x03) return (await answers.take(1))[0] ?? 0;
  throw new SocksError('SOCKS_PROTOCOL', 'The SOCKS answer has an unknown address type.');
}

/** Reads pieces of known length and leaves the rest in the socket, for whoever speaks on the stream next. */
class ExactReader {
  readonly #socket: Socket;
  #wake = (): void => undefined;
  // One listener throughout: a new one is told at once of bytes that are too few, again and again, and the event
  // loop would never come to those that are missing.
  readonly #readable = (): void => this.#wake();

  constructor(socket: Socket) {
    this.#socket = socket.on('readable', this.#readable);
  }

  async take(size: number): Promise<Buffer> {
    for (;;) {
      const bytes = this.#socket.read(size) as Buffer | null;
      if (bytes !== null && bytes.length === size) return bytes;
      if (bytes !== null) throw new SocksError('SOCKS_CLOSED', 'Tor closed the connection within an answer.');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  release(): void {
    this.#socket.off('readable', this.#readable);
  }
}

function expectBytes(bytes: Buffer, expected: readonly number[]): void {
  if (!bytes.equals(Buffer.from(expected))) {
    throw new SocksError('SOCKS_PROTOCOL', 'The answer is not the SOCKS 5 that was asked for.');
  }
}

function encodeConnect(host: string, port: number): Buffer {
  if (!/^[\x21-\x7e]{1,255}$/u.test(host)) throw argument('A host name has 1 to 255 ASCII characters.');
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw argument('A port is 1 to 65535.');
  return Buffer.concat([
    Buffer.of(0x05, 0x01, 0x00, 0x03, host.length),
    Buffer.from(host, 'latin1'),
    Buffer.of(port >> 8, port & 0xff),
  ]);
}

function encodeCredentials(user: string): Buffer {
  if (!/^[\x21-\x7e]{1,255}$/u.test(user)) throw argument('An isolation name has 1 to 255 ASCII characters.');
  const name = Buffer.from(user, 'latin1');
  return Buffer.concat([Buffer.of(0x01, name.length), name, Buffer.of(0x01, 0x30)]);
}

function argument(message: string): SocksError {
  return new SocksError('SOCKS_ARGUMENT', message);
}
