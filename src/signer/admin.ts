import Fastify, { type FastifyInstance } from 'fastify';
import { addAuditRoutes } from './audit/routes.ts';
import { errorBody, SignerError } from './contract/problems.ts';
import { NAME_PATTERN } from './contract/name.ts';
import { parseSignRequest } from './contract/requests.ts';
import { explainRequest } from './explain-request.ts';
import { EXPOSITION_TYPE, type Family, formatExposition } from './program/exposition.ts';
import { parseApplication, type SignatureFile, type SignerIdentity } from './policy/approval.ts';
import type { ServiceNames } from './policy/service-names.ts';
import type { RouteContext } from './routes.ts';
import { type MeasureReport, type OperatorOrder, parseOrder } from './operator.ts';
import { describeStatus } from './status.ts';

/** What the daemon does for `policy apply`. */
export interface PolicyDoor {
  /** The policy in force: its serial and canonical text, and whom a proposal for the next one must name. */
  current(): {
    readonly serial: number;
    readonly text: Uint8Array;
    readonly signer: SignerIdentity;
    readonly names: ServiceNames;
  };
  /**
   * Puts the canonical `text` in force under `serial`, for which the keyholder's list is written already; the same
   * again changes nothing. False when the keyholder has not read its list yet, which the daemon then tries again.
   */
  apply(serial: number, text: Uint8Array, signatures: readonly SignatureFile[]): Promise<boolean>;
}

/** What the daemon does for `evict`, `readmit`, `fence`, `freeze` and `thaw`. */
export type MeasureDoor = (order: OperatorOrder) => Promise<MeasureReport>;

const NAME = new RegExp(NAME_PATTERN);
const MAX_POLICY_BYTES = 16 * 2 ** 20;

/** The server behind the administration socket, not listening yet. */
export function createAdminServer(
  context: RouteContext,
  { policy, take }: { readonly policy: PolicyDoor; readonly take: MeasureDoor },
  collect: () => Promise<readonly Family[]>,
): FastifyInstance {
  const server = Fastify({ bodyLimit: MAX_POLICY_BYTES, logger: false, exposeHeadRoutes: false });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  server.setErrorHandler((error, _request, reply) => {
    const body = errorBody(error);
    context.log.problem('an administration request failed', error);
    return reply.code(body.status).type('application/problem+json').send(body);
  });
  addAuditRoutes(server, context);
  server.get('/status', () => describeStatus(context, undefined));
  server.get('/metrics', async (_request, reply) =>
    reply.type(EXPOSITION_TYPE).send(formatExposition(await collect())),
  );
  server.get('/policy', (_request, reply) => {
    const { serial, text, signer } = policy.current();
    return reply
      .header('policy-serial', String(serial))
      .header('policy-signer', JSON.stringify(signer))
      .type('application/octet-stream')
      .send(Buffer.from(text));
  });
  server.get('/policy/names', () => policy.current().names.all);
  server.put<{ Params: { serial: string } }>('/policy/:serial', async ({ params, body }) => {
    const serial = Number(params.serial);
    if (!Buffer.isBuffer(body) || !/^[1-9][0-9]{0,14}$/.test(params.serial)) {
      throw new SignerError('REQUEST_SCHEMA', 'send a canonical policy and its signatures');
    }
    const { text, signatures } = parseApplication(body);
    return { serial, settled: await policy.apply(serial, text, signatures) };
  });
  server.post<{ Querystring: { publisher?: unknown } }>(
    '/explain',
    async ({ query: { publisher }, body }) => {
      const isName = publisher === undefined || (typeof publisher === 'string' && NAME.test(publisher));
      if (!Buffer.isBuffer(body) || !isName) throw new SignerError('REQUEST_SCHEMA', 'send a request');
      const { core, checkpoints } = context;
      return await explainRequest(core, publisher, parseSignRequest(body), { halted: checkpoints.halted });
    },
  );
  server.put<{ Params: { kind: string; name: string } }>('/measures/:kind/:name', ({ params }) =>
    take(parseOrder(params.kind, params.name)),
  );
  return server;
}
