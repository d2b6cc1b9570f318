import { chmodSync, mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { SignerConfig } from './config.ts';
import { SignerError } from './contract/problems.ts';
import type { Family } from './program/exposition.ts';
import { serveMetrics } from './program/metrics-server.ts';
import { removeStaleSocket } from './program/socket-path.ts';
import { createPublisherServer, type RouteContext } from './routes.ts';
import { TlsDoor } from './tls-door.ts';

const STOP_GRACE_MS = 2_000;

/** Everything that the daemon listens on: a Unix socket or a TLS pin for each publisher, and what else is opened here. */
export class Doors {
  readonly #context: RouteContext;
  readonly #servers: FastifyInstance[] = [];
  /** Sockets of publishers, by name. */
  readonly #sockets = new Map<string, FastifyInstance>();
  #tls: TlsDoor | undefined;
  #metrics: Server | undefined;

  constructor(context: RouteContext) {
    this.#context = context;
  }

  /** One door for each publisher of `config`. SignerError TLS_KEY, SOCKET_PATH, JOURNAL_LOCKED, LISTEN. */
  async openPublishers(config: SignerConfig): Promise<void> {
    for (const publisher of config.publishers.keys()) await this.openPublisher(config, publisher);
    if (config.listen === undefined) return;
    const tls = new TlsDoor({ keyFile: config.tlsKey, log: this.#context.log });
    this.#tls = tls;
    tls.setPins(this.#pinsOf(config));
    for (const publisher of pinsOf(config).keys()) {
      const admits = tls.admits.bind(tls, publisher);
      await tls.offer(publisher, createPublisherServer(this.#context, publisher, admits));
    }
    try {
      await tls.listen(config.listen);
    } catch (cause) {
      throw new SignerError('LISTEN', '`listen`: name a free port of an address of this host', { cause });
    }
  }

  /** The socket of one publisher, unless it was evicted or has one. SignerError SOCKET_PATH, JOURNAL_LOCKED. */
  async openPublisher(config: SignerConfig, publisher: string): Promise<void> {
    const door = config.publishers.get(publisher);
    const isOut = this.#context.core.journal.measures.inForce.isEvicted(publisher);
    if (door?.kind !== 'unix' || isOut || this.#sockets.has(publisher)) return;
    const server = createPublisherServer(this.#context, publisher);
    this.#sockets.set(publisher, server);
    await this.openSocket(server, door.path, 0o660);
  }

  /** Ends every door of an evicted publisher and each of its connections, whatever is being answered there. */
  async shut(config: SignerConfig, publisher: string): Promise<void> {
    this.setPins(config);
    this.#tls?.cutOff(publisher);
    const server = this.#sockets.get(publisher);
    if (server === undefined) return;
    this.#sockets.delete(publisher);
    this.#servers.splice(this.#servers.indexOf(server), 1);
    server.server.closeAllConnections();
    await server.close();
  }

  /** `server` on a socket of its own. SignerError SOCKET_PATH, JOURNAL_LOCKED. */
  async openSocket(server: FastifyInstance, path: string, mode: number): Promise<void> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStaleSocket(path);
    await server.listen({ path });
    chmodSync(path, mode);
    this.#servers.push(server);
  }

  /** A listener of this host for numbers, if `config` has one. SignerError LISTEN. */
  async openMetrics({ metrics }: SignerConfig, collect: () => Promise<readonly Family[]>): Promise<void> {
    if (metrics !== undefined) this.#metrics = await serveMetrics(metrics, collect);
  }

  /** The pins of `config` count from now on, for open connections too. A door that is new there waits for the next start. */
  setPins(config: SignerConfig): void {
    this.#tls?.setPins(this.#pinsOf(config));
  }

  #pinsOf(config: SignerConfig): ReadonlyMap<string, string> {
    const { inForce } = this.#context.core.journal.measures;
    return new Map([...pinsOf(config)].filter(([publisher]) => !inForce.isEvicted(publisher)));
  }

  /** No new request; running ones are answered. */
  async close(): Promise<void> {
    this.#metrics?.close();
    this.#metrics?.closeAllConnections();
    await Promise.all([...this.#servers.map(closeServer), this.#tls?.close(STOP_GRACE_MS)]);
  }
}

const pinsOf = ({ publishers }: SignerConfig): ReadonlyMap<string, string> =>
  new Map([...publishers].flatMap(([name, door]) => (door.kind === 'tls' ? [[name, door.pin]] : [])));

/** Requests that are being answered may end; who only holds a connection open does not delay us. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const force = setTimeout(() => server.server.closeAllConnections(), STOP_GRACE_MS);
  await server.close();
  clearTimeout(force);
}
