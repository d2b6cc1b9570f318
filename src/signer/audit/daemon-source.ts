import { askDaemon } from '../daemon-client.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { sha256Hex } from '../journal/archive.ts';
import { type AuditHead, type AuditSource, damaged, parseBundle } from './source.ts';

/** The running daemon's journal; undefined when none runs. SignerError NOT_READY. */
export async function daemonSource(config: Pick<SignerConfig, 'run'>): Promise<AuditSource | undefined> {
  const answer = await askDaemon(config, 'GET', '/audit');
  if (answer === undefined) return undefined;
  if (answer.status !== 200)
    throw new SignerError('NOT_READY', 'the daemon cannot show its journal; see its log');
  const { size, checkpoints } = JSON.parse(answer.body.toString('utf8')) as AuditHead;
  return {
    size,
    checkpoints,
    async *entries(from) {
      // Entries that came after the head are of the next audit.
      for (let at = from; at < size; ) {
        const bundle = parseBundle(await fetchBytes(config, `/audit/entries/${at}`));
        if (bundle.length === 0) throw damaged();
        yield* bundle.slice(0, size - at);
        at += bundle.length;
      }
    },
    text: async digest => {
      const found = await askDaemon(config, 'GET', `/audit/texts/${digest}`);
      if (found?.status === 404) return undefined;
      if (found?.status !== 200 || sha256Hex(found.body) !== digest) throw damaged();
      return found.body;
    },
    close: () => undefined,
  };
}

async function fetchBytes(config: Pick<SignerConfig, 'run'>, path: string): Promise<Uint8Array> {
  const answer = await askDaemon(config, 'GET', path);
  if (answer?.status === 200) return answer.body;
  throw new SignerError('NOT_READY', 'the daemon ended or refused; run the audit once more');
}
