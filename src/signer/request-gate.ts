import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { problemBody } from './contract/problems.ts';

/** Requests of one publisher that may be in progress at once; each may hold a whole body. */
export const MAX_IN_PROGRESS = 8;
/** Each may hold a whole body in memory. */
export const MAX_CONNECTIONS = 16;

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** A connection that waits for its next request: each new one may cost a handshake, or a process. */
const KEEP_ALIVE_MS = 60_000;
/** How often the two limits above are looked at. */
const TIMEOUT_CHECK_MS = 1_000;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The HTTP server of one publisher with all of its bounds: on sizes, times, connections, and requests in progress.
 * They hold before `handler` sees anything: one publisher costs a bounded amount, whatever it sends.
 */
export function createGatedServer(handler: Handler): Server {
  const gate = new RequestGate(handler);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: 8192,
    },
    (request, response) => gate.take(request, response),
  );
  server.setTimeout(2 * REQUEST_TIMEOUT_MS);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

class RequestGate {
  readonly #handler: Handler;
  /** What is being answered on a connection. */
  readonly #answering = new WeakMap<Socket, ServerResponse>();
  readonly #ending = new WeakSet<Socket>();
  #inProgress = 0;

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const before = this.#answering.get(socket);
    if (before !== undefined) {
      this.#endAfter(socket, before);
      return;
    }
    this.#enter(socket, response);
    if (this.#inProgress > MAX_IN_PROGRESS) refuse(request, response);
    else this.#handler(request, response);
  }

  #enter(socket: Socket, response: ServerResponse): void {
    this.#answering.set(socket, response);
    this.#inProgress += 1;
    const leave = (): void => {
      if (this.#answering.get(socket) !== response) return;
      this.#answering.delete(socket);
      this.#inProgress -= 1;
    };
    response.once('finish', leave);
    response.once('close', leave);
  }

  /**
   * A request that does not wait for the answer before it is never answered: nothing more is read, and the connection
   * ends with that answer. Otherwise each would queue an answer in memory, as fast as they can be written.
   */
  #endAfter(socket: Socket, before: ServerResponse): void {
    if (this.#ending.has(socket)) return;
    this.#ending.add(socket);
    socket.pause();
    before.shouldKeepAlive = false;
    before.once('finish', () => socket.destroySoon());
  }
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const body = problemBody('OVERLOADED', { retryAfter: 1 });
  const text = JSON.stringify(body);
  request.resume();
  response.writeHead(body.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(text),
    'retry-after': '1',
    connection: 'close',
  });
  response.end(text);
}
