import type { FastifyInstance } from 'fastify';
import { SignerError } from '../contract/problems.ts';
import type { RouteContext } from '../routes.ts';
import { type AuditHead, BUNDLE_ENTRIES, encodeBundle } from './source.ts';

/** The journal through the administration socket: the daemon is its one user. See daemon-source.ts. */
export function addAuditRoutes(server: FastifyInstance, { core, checkpoints, log }: RouteContext): void {
  const { journal } = core;
  server.get('/audit', async (): Promise<AuditHead> => {
    try {
      // A halted signer signs no head.
      if (checkpoints.halted === undefined) await checkpoints.newest();
      await checkpoints.keep();
    } catch (error) {
      log.problem('no head was signed for an audit; the last one is shown', error);
    }
    return {
      size: journal.head().size,
      checkpoints: [...journal.attestations.checkpoints()].map(({ note }) => note),
    };
  });
  server.get<{ Params: { from: string } }>('/audit/entries/:from', ({ params }, reply) => {
    if (!/^(?:0|[1-9][0-9]{0,14})$/.test(params.from)) throw new SignerError('NOT_FOUND', 'name an index');
    const entries: Uint8Array[] = [];
    for (const { bytes } of journal.archive.entries(Number(params.from))) {
      entries.push(bytes);
      if (entries.length === BUNDLE_ENTRIES) break;
    }
    return reply.type('application/octet-stream').send(Buffer.from(encodeBundle(entries)));
  });
  server.get<{ Params: { digest: string } }>('/audit/texts/:digest', ({ params }, reply) => {
    const text = /^[0-9a-f]{64}$/.test(params.digest) ? journal.archive.text(params.digest) : undefined;
    if (text === undefined) throw new SignerError('NOT_FOUND', 'this text is not kept');
    return reply.type('application/octet-stream').send(Buffer.from(text));
  });
}
