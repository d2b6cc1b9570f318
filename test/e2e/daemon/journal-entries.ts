import { join } from 'node:path';
import { parseCheckpoint, parseSignedNote } from '../../../src/signer/contract/signed-note.ts';
import type { Entry } from '../../../src/signer/journal/entries.ts';
import { openJournal } from '../../../src/signer/journal/journal.ts';
import type { SignerHome } from './home.ts';
import { nowSeconds } from './backends.ts';

/** The number of journal entries that a checkpoint covers. */
export const sizeOf = (note: string): number => parseCheckpoint(parseSignedNote(note).text).size;

/** The journal's entries from index `from` on. No daemon may run: the journal has one user. */
export function entriesSince(home: SignerHome, from: number): Entry[] {
  const journal = openJournal({ path: join(home.state, 'journal.sqlite'), now: nowSeconds });
  try {
    return [...journal.archive.entries(from)].map(({ entry }) => entry);
  } finally {
    journal.close();
  }
}
