import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { denialBody, errorBody, type ProblemBody, problemBody, SignerError } from './contract/problems.ts';
import { MAX_BODY_BYTES, parseSignRequest, type SignAnswer } from './contract/requests.ts';
import type { SignerLog } from './program/log.ts';
import type { SignerCore } from './sign-descriptor.ts';
import { signDescriptor } from './sign-descriptor.ts';
import type { Checkpoints } from './checkpoints.ts';
import { describeServices, describeStatus, isReady } from './status.ts';

/** What the routes of one publisher work with. */
export interface RouteContext {
  readonly core: SignerCore;
  readonly checkpoints: Checkpoints;
  readonly log: SignerLog;
  readonly startedAt: number;
}

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often the two limits above are looked at. */
const TIMEOUT_CHECK_MS = 1_000;
/** Each may hold a whole body in memory. */
const MAX_CONNECTIONS = 16;

const METHODS = ['GET', 'POST'] as const;
const pathOf = (url: string): string => url.split('?', 1)[0] ?? '';

/**
 * The HTTP server of one publisher, not listening yet. Its identity is closed over: nothing in a request can name
 * another. Only this file knows HTTP; it maps outcomes to RFC 9457 problems and nothing else.
 */
export function createPublisherServer(context: RouteContext, publisher: string): FastifyInstance {
  const server = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 2 * REQUEST_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: 8192,
    },
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(reply, toBody(context, publisher, request, error));
    },
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: true,
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  server.setErrorHandler((error, request, reply) =>
    sendProblem(reply, toBody(context, publisher, request, error)),
  );
  server.setNotFoundHandler((request, reply) => {
    const allowed = METHODS.filter(method => server.hasRoute({ method, url: pathOf(request.url) }));
    if (allowed.length === 0) return sendProblem(reply, problemBody('NOT_FOUND'));
    return sendProblem(reply.header('allow', allowed.join(', ')), problemBody('METHOD_NOT_ALLOWED'));
  });
  addSigning(server, context, publisher);
  server.get('/v1/services', () => describeServices(context.core, publisher));
  server.get('/v1/status', () => describeStatus(context, publisher));
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) =>
    (await isReady(context)) ? { status: 'ok' } : sendProblem(reply, problemBody('NOT_READY')),
  );
  return server;
}

function addSigning(server: FastifyInstance, context: RouteContext, publisher: string): void {
  let busy = false;
  server.post('/v1/descriptors', async (request, reply) => {
    // One request in flight per publisher: a flood costs its author, not the others.
    if (busy)
      throw new SignerError('REQUEST_IN_FLIGHT', 'wait for the answer to the request before', {
        retryAfter: 1,
      });
    busy = true;
    try {
      return await answer(context, publisher, request, reply);
    } finally {
      busy = false;
    }
  });
}

async function answer(
  { core, checkpoints, log }: RouteContext,
  publisher: string,
  { body }: FastifyRequest,
  reply: FastifyReply,
): Promise<SignAnswer | FastifyReply> {
  if (checkpoints.halted !== undefined) throw checkpoints.halted;
  if (!Buffer.isBuffer(body)) throw new SignerError('MEDIA_TYPE', 'send application/json');
  const request = parseSignRequest(body);
  if (request.checkpoint !== undefined) await checkpoints.check(request.checkpoint);
  const outcome = await signDescriptor(core, publisher, request);
  if (outcome.kind === 'denied') {
    log.denied(publisher, outcome.denied);
    return sendProblem(reply, denialBody(outcome.denied, outcome.retryAfter));
  }
  log.signed(publisher, outcome.answer.service, outcome.answer.descriptors.length, outcome.repeated);
  return { ...outcome.answer, checkpoint: await checkpoints.newest() };
}

function sendProblem(reply: FastifyReply, body: ProblemBody): FastifyReply {
  if (body.retryAfter !== undefined) void reply.header('retry-after', String(body.retryAfter));
  return reply.code(body.status).type('application/problem+json').send(body);
}

/** What never became a request: broken, smuggled or too slow. The connection ends. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const body = problemBody(late ? 'REQUEST_TIMEOUT' : 'REQUEST_MALFORMED');
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy());
}

/** Fastify's own errors by their code; ours by theirs; anything else is a defect and shows a title alone. */
function toBody(
  { log }: RouteContext,
  publisher: string,
  request: FastifyRequest,
  error: unknown,
): ProblemBody {
  const body =
    error instanceof SignerError ? errorBody(error) : (frameworkBody(error) ?? problemBody('INTERNAL'));
  log.failed(
    publisher,
    request.routeOptions.url ?? '',
    body.code,
    body.code === 'INTERNAL' ? error : undefined,
  );
  return body;
}

function frameworkBody(error: unknown): ProblemBody | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return problemBody('BODY_TOO_LARGE');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return problemBody('MEDIA_TYPE');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return problemBody('REQUEST_SCHEMA');
    case 'FST_ERR_BAD_URL':
      return problemBody('NOT_FOUND');
    default:
      return undefined;
  }
}
