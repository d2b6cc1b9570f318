import type { Journal } from '../journal/journal.ts';
import type { AuditSource } from './source.ts';

/** The journal of a signer that is stopped, opened by us: its marks were compared with its entries by then. */
export function journalSource(journal: Journal): AuditSource {
  return {
    size: journal.head().size,
    checkpoints: [...journal.attestations.checkpoints()].map(({ note }) => note),
    // oxlint-disable-next-line typescript/require-await -- other sources wait
    async *entries(from) {
      for (const { bytes } of journal.archive.entries(from)) yield bytes;
    },
    text: async digest => journal.archive.text(digest),
    close: () => journal.close(),
  };
}
