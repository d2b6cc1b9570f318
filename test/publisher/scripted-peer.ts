import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A TCP peer that says exactly what a test lets it say: for answers that no real tor gives. */
export class ScriptedPeer {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', socket => this.#sockets.add(socket));
  }

  /** `serve` gets each connection and all bytes received on it so far; it is called again when more arrive. */
  static async listen(serve: (socket: Socket, received: Buffer) => void): Promise<ScriptedPeer> {
    const server = createServer(socket => {
      const chunks: Buffer[] = [];
      socket.on('error', () => undefined);
      socket.on('data', chunk => {
        chunks.push(chunk);
        serve(socket, Buffer.concat(chunks));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new ScriptedPeer(server);
  }

  /** The same for line protocols: `answer` gets one line, without its end, and returns what to send. */
  static async listenLines(answer: (line: string, socket: Socket) => string): Promise<ScriptedPeer> {
    const seen = new WeakMap<Socket, number>();
    return ScriptedPeer.listen((socket, received) => {
      const lines = received.toString('latin1').split('\r\n').slice(0, -1);
      const first = seen.get(socket) ?? 0;
      seen.set(socket, lines.length);
      for (const line of lines.slice(first)) socket.write(answer(line, socket), 'latin1');
    });
  }

  get endpoint(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
