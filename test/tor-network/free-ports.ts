import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/** Below Linux's range for outgoing connections, of which a tor network opens very many. */
const LOWEST = 10_240;
const HIGHEST = 32_000;

/** Loopback ports that stay bound, and so ours, until `release`. */
export class PortReservation {
  readonly #held = new Map<number, Server>();

  /** Binds one free port and returns its number. */
  async take(): Promise<number> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const port = randomInt(LOWEST, HIGHEST);
      const server = await bind(port);
      if (server === undefined) continue;
      this.#held.set(port, server);
      return port;
    }
    throw new Error('No free loopback port was found in 200 attempts.');
  }

  /** Frees ports immediately before their tor binds them; without arguments all. */
  async release(ports: readonly number[] = [...this.#held.keys()]): Promise<void> {
    await Promise.all(
      ports.map(async port => {
        const server = this.#held.get(port);
        this.#held.delete(port);
        await server?.[Symbol.asyncDispose]();
      }),
    );
  }
}

async function bind(port: number): Promise<Server | undefined> {
  const { promise, resolve } = Promise.withResolvers<Server | undefined>();
  const server = createServer(socket => socket.destroy());
  server.once('error', () => resolve(undefined));
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  return promise;
}
