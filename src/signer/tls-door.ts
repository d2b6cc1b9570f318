import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { Handshakes } from './handshakes.ts';
import type { ListenAddress } from './program/listen-address.ts';
import type { SignerLog } from './program/log.ts';
import { pinOf, readTlsIdentity, TLS_PROTOCOL, TLS_VERSION } from './program/tls-identity.ts';
import { MAX_CONNECTIONS } from './request-gate.ts';

const HANDSHAKE_LIMIT_MS = 5_000;

export interface TlsDoorOptions {
  readonly keyFile: string;
  readonly log: SignerLog;
  /** From the first byte of a connection to the end of its handshake; 5,000 ms unless given. */
  readonly handshakeLimitMs?: number;
}

/**
 * The TLS 1.3 listener before the HTTP servers of the publishers that are known by a pin. Who shows no certificate, or
 * one of another key, is cut off when its handshake ends: not one byte of HTTP is read of a stranger. No tickets, no
 * resumption: each connection proves its key. What a pin may do is asked again for each request, with `admits`.
 */
export class TlsDoor {
  readonly #log: SignerLog;
  readonly #server: Server;
  readonly #handshakes: Handshakes;
  readonly #servers = new Map<string, FastifyInstance>();
  readonly #pinOfSocket = new WeakMap<Socket, string>();
  readonly #connections = new Map<string, Set<TLSSocket>>();
  /** Pin → publisher, as configuration has it now. */
  #publishers: ReadonlyMap<string, string> = new Map();

  /** SignerError TLS_KEY. */
  constructor({ keyFile, log, handshakeLimitMs = HANDSHAKE_LIMIT_MS }: TlsDoorOptions) {
    this.#log = log;
    this.#handshakes = new Handshakes(handshakeLimitMs, () => log.turnedAway('HANDSHAKE'));
    const { key, cert } = readTlsIdentity(keyFile);
    this.#server = createServer({
      ...TLS_VERSION,
      key,
      cert,
      ALPNProtocols: [TLS_PROTOCOL],
      requestCert: true,
      // There is no CA to ask: the key is compared with the pins as soon as it is proven.
      rejectUnauthorized: false,
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    key.fill(0);
    this.#server.on('connection', (socket: Socket) => this.#handshakes.begin(socket));
    this.#server.on('secureConnection', socket => this.#welcome(socket));
    this.#server.on('tlsClientError', (_, socket) => {
      socket.destroy();
      log.turnedAway('HANDSHAKE');
    });
  }

  /** Whether the key that was proven on this connection is, at this moment, `publisher`'s. */
  admits(publisher: string, socket: Socket): boolean {
    const pin = this.#pinOfSocket.get(socket);
    return pin !== undefined && this.#publishers.get(pin) === publisher;
  }

  /** The pins that count from now on; a connection whose pin is gone gets no further answer. */
  setPins(pins: ReadonlyMap<string, string>): void {
    this.#publishers = new Map([...pins].map(([publisher, pin]) => [pin, publisher]));
  }

  /** Ends every connection of a publisher, whatever is being answered there. */
  cutOff(publisher: string): void {
    this.#servers.get(publisher)?.server.closeAllConnections();
  }

  /** Hands the connections of `publisher` to its server, which listens nowhere itself. */
  async offer(publisher: string, server: FastifyInstance): Promise<void> {
    await server.ready();
    // Without it the limits for slow headers and requests are not watched.
    server.server.emit('listening');
    this.#servers.set(publisher, server);
  }

  /** Gives the port. */
  async listen({ host, port }: ListenAddress): Promise<number> {
    this.#server.listen({ host, port, exclusive: true });
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** No new connection; running requests are answered for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#handshakes.close();
    const closed = once(this.#server, 'close');
    this.#server.close();
    const http = [...this.#servers.values()].map(({ server }) => server);
    const force = setTimeout(() => {
      for (const server of http) server.closeAllConnections();
    }, graceMs);
    await Promise.all([...this.#servers.values()].map(server => server.close()));
    // They listen nowhere, so this only ends idle connections and timers.
    for (const server of http) server.close();
    await closed;
    clearTimeout(force);
  }

  #welcome(socket: TLSSocket): void {
    this.#handshakes.end(socket);
    socket.on('error', () => socket.destroy());
    const certificate = socket.getPeerX509Certificate();
    const pin = certificate === undefined ? '' : pinOf(certificate);
    const publisher = this.#publishers.get(pin);
    const server = publisher === undefined ? undefined : this.#servers.get(publisher);
    if (server === undefined || socket.alpnProtocol !== TLS_PROTOCOL || socket.isSessionReused()) {
      socket.destroy();
      this.#log.turnedAway('STRANGER');
      return;
    }
    if (!this.#count(pin, socket)) {
      socket.destroy();
      this.#log.turnedAway('CONNECTIONS');
      return;
    }
    this.#pinOfSocket.set(socket, pin);
    server.server.emit('connection', socket);
  }

  /** False when this key has as many connections as a publisher may have. */
  #count(pin: string, socket: TLSSocket): boolean {
    const open = this.#connections.get(pin) ?? new Set();
    if (open.size >= MAX_CONNECTIONS) return false;
    this.#connections.set(pin, open.add(socket));
    socket.once('close', () => {
      open.delete(socket);
      if (open.size === 0 && this.#connections.get(pin) === open) this.#connections.delete(pin);
    });
    return true;
  }
}
