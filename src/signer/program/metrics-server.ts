import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SignerError } from '../contract/problems.ts';
import { EXPOSITION_TYPE, type Family, formatExposition } from './exposition.ts';
import type { ListenAddress } from './listen-address.ts';

const TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 8;
/** A page of somebody's browser could reach a listener of this host by a name of its own. */
const OWN_NAME = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?$/;

/** Serves `GET /metrics` on an address of this host, and nothing else. SignerError LISTEN. */
export async function serveMetrics(
  { host, port }: ListenAddress,
  collect: () => Promise<readonly Family[]>,
): Promise<Server> {
  const options = { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, maxHeaderSize: 4096 };
  const server = createServer(options, (request, response) => void answer(request, response, collect));
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new SignerError('LISTEN', '`metrics`: name a free port of an address of this host', { cause });
  }
  return server;
}

async function answer(
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
  collect: () => Promise<readonly Family[]>,
): Promise<void> {
  const say = (status: number, text: string): void => {
    response.writeHead(status, { 'content-type': EXPOSITION_TYPE }).end(text);
  };
  if (!OWN_NAME.test(headers.host ?? '')) return say(403, '');
  if (url !== '/metrics') return say(404, '');
  if (method !== 'GET') return say(405, '');
  try {
    say(200, formatExposition(await collect()));
  } catch {
    say(503, '');
  }
}
