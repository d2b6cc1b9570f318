import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Checkpoints } from './checkpoints.ts';
import { denialBody, errorBody, type ProblemBody, problemBody, SignerError } from './contract/problems.ts';
import {
  type CheckAnswer,
  MAX_BODY_BYTES,
  parseSignRequest,
  type SignAnswer,
  type SignRequest,
} from './contract/requests.ts';
import type { SignerMetrics } from './metrics.ts';
import type { Asked, SignerLog } from './program/log.ts';
import { createGatedServer } from './request-gate.ts';
import { checkDescriptor, type DeniedOutcome, type SignerCore, signDescriptor } from './sign-descriptor.ts';
import { describeServices, describeStatus, isReady } from './status.ts';
import { type OnUnrouted, refuseUnreadable, REQUEST_ID, requestIdOf } from './unrouted.ts';

/** What the routes of one publisher work with. */
export interface RouteContext {
  readonly core: SignerCore;
  readonly checkpoints: Checkpoints;
  readonly log: SignerLog;
  readonly metrics: SignerMetrics;
  readonly startedAt: number;
}

const METHODS = ['GET', 'POST'] as const;
const pathOf = (url: string): string => url.split('?', 1)[0] ?? '';

/**
 * The HTTP server of one publisher, not listening yet. Its identity is closed over: nothing in a request can name
 * another, and `admits` says for each request whether its connection still is this publisher's. Only this file knows
 * HTTP; it maps outcomes to RFC 9457 problems and nothing else.
 */
export function createPublisherServer(
  context: RouteContext,
  publisher: string,
  admits: (socket: Socket) => boolean = () => true,
): FastifyInstance {
  const onUnrouted = noteUnrouted(context, publisher);
  const server = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    serverFactory: handler => createGatedServer(handler, onUnrouted),
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, onUnrouted),
    frameworkErrors: (error, request, reply) => {
      void sendProblem(reply, toBody(context, publisher, request, error));
    },
    logger: false,
    genReqId: requestIdOf,
    exposeHeadRoutes: false,
    // Its answer would be none of ours.
    return503OnClosing: false,
  });
  let closing = false;
  server.addHook('preClose', async () => {
    closing = true;
  });
  server.addHook('onRequest', async ({ raw, id }, reply) => {
    void reply.header(REQUEST_ID, id);
    if (closing) throw new SignerError('NOT_READY', 'the signer stops', { retryAfter: 1 });
    if (admits(raw.socket) && !context.core.journal.measures.inForce.isEvicted(publisher)) return;
    void reply.header('connection', 'close');
    throw new SignerError('PUBLISHER_UNKNOWN', 'have the operator of the signer write down your new pin');
  });
  server.addHook('onResponse', async ({ routeOptions }, { statusCode, elapsedTime }) => {
    context.metrics.answered(publisher, routeOptions.url ?? '', statusCode, elapsedTime / 1000);
  });
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
  server.get('/v1/services', async () => describeServices(context.core, publisher));
  server.get('/v1/status', () => describeStatus(context, publisher));
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) =>
    (await isReady(context, publisher)) ? { status: 'ok' } : sendProblem(reply, problemBody('NOT_READY')),
  );
  return server;
}

/** A request that no route saw leaves what others leave, under the id of its answer. */
function noteUnrouted({ log, metrics }: RouteContext, publisher: string): OnUnrouted {
  return (code, request) => {
    metrics.failed(publisher, code);
    log.failed({ publisher, request }, '', code);
  };
}

type Answer = (
  context: RouteContext,
  asked: Asked,
  request: SignRequest,
) => Promise<SignAnswer | CheckAnswer | DeniedOutcome>;

function addSigning(server: FastifyInstance, context: RouteContext, publisher: string): void {
  let busy = false;
  const offer = (path: string, answer: Answer): void => {
    server.post(path, async ({ body, id }, reply) => {
      const asked = { publisher, request: id };
      // One request in flight per publisher: a flood costs its author, not the others.
      if (busy)
        throw new SignerError('REQUEST_IN_FLIGHT', 'wait for the answer to the request before', {
          retryAfter: 1,
        });
      busy = true;
      try {
        const outcome = await answer(context, asked, await readRequest(context, body));
        if (!('denied' in outcome)) return outcome;
        context.log.denied(asked, outcome.denied);
        context.metrics.denied(publisher, outcome.denied);
        return sendProblem(reply, denialBody(outcome.denied, outcome.retryAfter));
      } finally {
        busy = false;
      }
    });
  };
  offer('/v1/descriptors', sign);
  offer('/v1/descriptors/check', check);
}

/** Bytes → request, unless the signer is halted or the echo in it halts it now. */
async function readRequest({ checkpoints }: RouteContext, body: unknown): Promise<SignRequest> {
  if (checkpoints.halted !== undefined) throw checkpoints.halted;
  if (!Buffer.isBuffer(body)) throw new SignerError('MEDIA_TYPE', 'send application/json');
  const request = parseSignRequest(body);
  if (request.checkpoint !== undefined) await checkpoints.check(request.checkpoint);
  return request;
}

const sign: Answer = async ({ core, checkpoints, log, metrics }, asked, request) => {
  const { publisher } = asked;
  const outcome = await signDescriptor(core, publisher, request);
  if (outcome.kind === 'denied') return outcome;
  const { service, descriptors } = outcome.answer;
  log.signed(asked, service, descriptors.length, outcome.repeated);
  metrics.signed(publisher, service, descriptors.length, outcome.repeated);
  return { ...outcome.answer, checkpoint: await checkpoints.newest() };
};

const check: Answer = async ({ core }, { publisher }, request) => {
  const outcome = await checkDescriptor(core, publisher, request);
  return outcome.kind === 'denied' ? outcome : outcome.answer;
};

function sendProblem(reply: FastifyReply, body: ProblemBody): FastifyReply {
  void reply.header(REQUEST_ID, reply.request.id);
  if (body.retryAfter !== undefined) void reply.header('retry-after', String(body.retryAfter));
  return reply.code(body.status).type('application/problem+json').send(body);
}

/** Fastify's own errors by their code; ours by theirs; anything else is a defect and shows a title alone. */
function toBody(
  { log, metrics }: RouteContext,
  publisher: string,
  request: FastifyRequest,
  error: unknown,
): ProblemBody {
  const body =
    error instanceof SignerError ? errorBody(error) : (frameworkBody(error) ?? problemBody('INTERNAL'));
  metrics.failed(publisher, body.code);
  log.failed(
    { publisher, request: request.id },
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
