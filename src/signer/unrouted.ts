import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ProblemBody, type ProblemCode, problemBody } from './contract/problems.ts';

/** Every answer has it, and every line of the log about this request. */
export const REQUEST_ID = 'x-request-id';

/** Told of each answer that no route gave: its code, and the id that it carries. */
export type OnUnrouted = (code: ProblemCode, request: string) => void;

const newRequestId = (): string => randomBytes(16).toString('base64url');

/** The caller's own id when it fits into a log as it is, else one of ours. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers[REQUEST_ID];
  return typeof given === 'string' && /^[A-Za-z0-9_-]{1,36}$/.test(given) ? given : newRequestId();
}

/** A request that no route is to see. The connection ends. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  code: 'OVERLOADED' | 'REQUEST_MALFORMED',
  onUnrouted: OnUnrouted,
): void {
  const id = requestIdOf(request);
  const body = problemBody(code, code === 'OVERLOADED' ? { retryAfter: 1 } : {});
  const { text, headers } = describe(body, id);
  request.resume();
  response.writeHead(body.status, headers).end(text);
  onUnrouted(code, id);
}

/** What never became a request: broken, smuggled, too much or too slow. The connection ends. */
export function refuseUnreadable(
  { code }: Error & { readonly code?: string },
  socket: Duplex,
  onUnrouted: OnUnrouted,
): void {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const id = newRequestId();
  const body = problemBody(unreadableCode(code));
  const { text, headers } = describe(body, id);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}\r\n${lines.join('')}`;
  socket.end(`${head}\r\n${text}`, () => socket.destroy());
  onUnrouted(body.code, id);
}

function unreadableCode(code: string | undefined): ProblemCode {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  return code === 'HPE_HEADER_OVERFLOW' ? 'HEADERS_TOO_LARGE' : 'REQUEST_MALFORMED';
}

function describe(body: ProblemBody, id: string): { text: string; headers: Record<string, string> } {
  const text = JSON.stringify(body);
  const headers = {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(text)),
    [REQUEST_ID]: id,
    connection: 'close',
    ...(body.retryAfter === undefined ? {} : { 'retry-after': String(body.retryAfter) }),
  };
  return { text, headers };
}
