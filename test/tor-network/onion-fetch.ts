import { request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connectThroughSocks, type SocksProxy } from '../../src/publisher/socks.ts';

export interface OnionFetchOptions {
  readonly signal?: AbortSignal;
  /** Limit for the connection; default 60 s. */
  readonly timeoutMs?: number;
  /** Streams with another word use another circuit, which meets the service at a point chosen anew. */
  readonly isolation?: string;
}

export interface OnionResponse {
  readonly status: number;
  readonly body: string;
}

/** GET http://address/path through a SOCKS port, on a connection of its own. One attempt. Throws SocksError. */
export async function onionFetch(
  proxy: SocksProxy,
  address: string,
  path: string,
  { signal, timeoutMs = 60_000, isolation }: OnionFetchOptions = {},
): Promise<OnionResponse> {
  const host = address.endsWith('.onion') ? address : `${address}.onion`;
  const aborting = signal === undefined ? {} : { signal };
  const socket = await connectThroughSocks({
    proxy,
    host,
    port: 80,
    timeoutMs,
    ...aborting,
    ...(isolation === undefined ? {} : { isolation }),
  });
  try {
    return await get(socket, host, path, aborting);
  } finally {
    socket.destroy();
  }
}

async function get(
  socket: Socket,
  host: string,
  path: string,
  aborting: { signal?: AbortSignal },
): Promise<OnionResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<OnionResponse>();
  const asked = request({ createConnection: () => socket, host, path, ...aborting }, response => {
    text(response).then(body => resolve({ status: response.statusCode ?? 0, body }), reject);
  });
  asked.once('error', reject).end();
  return promise;
}
