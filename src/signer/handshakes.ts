import { isIPv6, type Socket } from 'node:net';

/** Connections that have not yet shown a key: in all, and from one address (IPv6: one /64). */
export const MAX_HANDSHAKES = 128;
export const MAX_HANDSHAKES_PER_ADDRESS = 16;

interface Pending {
  readonly socket: Socket;
  readonly address: string;
  readonly timer: NodeJS.Timeout;
}

/**
 * Connections of strangers, who every peer is until its handshake is done. Each has `limitMs` from its first byte to its
 * last, however it drips. Above a limit the oldest goes: strangers who hold connections open keep nobody out.
 */
export class Handshakes {
  readonly #limitMs: number;
  readonly #onCut: () => void;
  /** In the order of their arrival. */
  readonly #pending = new Map<string, Pending>();

  constructor(limitMs: number, onCut: () => void) {
    this.#limitMs = limitMs;
    this.#onCut = onCut;
  }

  /** A connection whose handshake begins. */
  begin(socket: Socket): void {
    const name = nameOf(socket);
    const address = addressOf(socket);
    const same = [...this.#pending].filter(([, each]) => each.address === address);
    const oldest = same.length >= MAX_HANDSHAKES_PER_ADDRESS ? same[0] : undefined;
    if (oldest !== undefined) this.#cut(oldest[0]);
    else if (this.#pending.size >= MAX_HANDSHAKES) this.#cut(this.#pending.keys().next().value);
    const timer = setTimeout(() => this.#cut(name), this.#limitMs);
    this.#pending.set(name, { socket, address, timer });
    socket.once('close', () => this.#forget(name, socket));
  }

  /** The handshake on this connection is done. */
  end(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void {
    this.#forget(nameOf(socket));
  }

  /** Ends all of them. */
  close(): void {
    for (const name of this.#pending.keys()) this.#cut(name);
  }

  #cut(name: string | undefined): void {
    const pending = this.#pending.get(name ?? '');
    if (pending === undefined || name === undefined) return;
    this.#forget(name);
    pending.socket.destroy();
    this.#onCut();
  }

  #forget(name: string, socket?: Socket): void {
    const pending = this.#pending.get(name);
    // The next connection may come from the same port.
    if (pending === undefined || (socket !== undefined && pending.socket !== socket)) return;
    clearTimeout(pending.timer);
    this.#pending.delete(name);
  }
}

/** Of two connections that are open no two have the same; a TLS stream has that of the stream below it. */
const nameOf = ({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${remoteAddress} ${remotePort}`;

/** One host may use a whole /64. */
function addressOf({ remoteAddress = '' }: Socket): string {
  if (!isIPv6(remoteAddress) || remoteAddress.startsWith('::ffff:')) return remoteAddress;
  const [head = '', tail] = remoteAddress.split('::');
  const groups = head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').length;
  return [...groups, ...Array.from({ length: missing }, () => '0'), ...(tail?.split(':') ?? [])]
    .slice(0, 4)
    .join(':');
}
