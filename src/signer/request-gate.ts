import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type OnUnrouted, refuse } from './unrouted.ts';

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
 * They hold before `handler` sees anything: one publisher costs a bounded amount, whatever it sends. What `handler` never
 * sees is answered here, under an id of which `onUnrouted` is told.
 */
export function createGatedServer(handler: Handler, onUnrouted: OnUnrouted): Server {
  const gate = new RequestGate(handler, onUnrouted);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: 8192,
      // The gate asks for it: Node's own answer would have neither body nor id.
      requireHostHeader: false,
    },
    (request, response) => gate.take(request, response),
  );
  // An expectation that nobody here meets; without a listener Node answers it by itself.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    gate.take(request, response),
  );
  server.setTimeout(2 * REQUEST_TIMEOUT_MS);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

class RequestGate {
  readonly #handler: Handler;
  readonly #onUnrouted: OnUnrouted;
  /** What is being answered on a connection. */
  readonly #answering = new WeakMap<Socket, ServerResponse>();
  readonly #ending = new WeakSet<Socket>();
  #inProgress = 0;

  constructor(handler: Handler, onUnrouted: OnUnrouted) {
    this.#handler = handler;
    this.#onUnrouted = onUnrouted;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const before = this.#answering.get(socket);
    if (before !== undefined) {
      this.#endAfter(socket, before);
      return;
    }
    this.#enter(socket, response);
    if (this.#inProgress > MAX_IN_PROGRESS) refuse(request, response, 'OVERLOADED', this.#onUnrouted);
    else if (!isWellFormed(request)) refuse(request, response, 'REQUEST_MALFORMED', this.#onUnrouted);
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

/** RFC 9112 §3.2: HTTP/1.1 names a host. RFC 9110 §10.1.1: there is one expectation, and it is met by Node. */
function isWellFormed({ httpVersionMinor, headers }: IncomingMessage): boolean {
  const { host, expect } = headers;
  return (httpVersionMinor === 0 || host !== undefined) && (expect === undefined || isContinue(expect));
}

const isContinue = (expect: string): boolean => expect.toLowerCase() === '100-continue';
