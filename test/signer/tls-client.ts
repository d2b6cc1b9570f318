import { once } from 'node:events';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { makeTlsKey, readTlsIdentity, type TlsIdentity } from '../../src/signer/program/tls-identity.ts';

/** A fresh key in a file of `folder`, and its identity. */
export function makeIdentity(folder: string, name: string): TlsIdentity & { readonly file: string } {
  const file = join(folder, `${name}.key`);
  makeTlsKey(file);
  return { ...readTlsIdentity(file), file };
}

/** A connection to a port of this host, whose handshake has begun; with the key of `identity`, if there is one. */
export function dial(port: number, identity?: TlsIdentity, options: ConnectionOptions = {}): TLSSocket {
  const own = identity === undefined ? {} : { key: identity.key, cert: identity.cert };
  return connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...own,
    ...options,
  });
}

/** Writes `bytes` and gives everything that comes back until the other side ends it, or breaks off. */
export async function talk(socket: TLSSocket, bytes: string): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(bytes, 'latin1');
  if (!socket.destroyed) await once(socket, 'close').catch(() => undefined);
  return Buffer.concat(chunks).toString('latin1');
}

/** One request on a connection that stays open: gives the answer's head and body as they came. */
export async function request(socket: TLSSocket, path: string): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  let said = '';
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    said += chunk.toString('latin1');
    const length = /content-length: (\d+)/iu.exec(said)?.[1];
    const body = said.indexOf('\r\n\r\n') + 4;
    if (length !== undefined && body >= 4 && said.length >= body + Number(length)) return said;
  }
}

/** One request on a connection of its own. */
export const closing = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
