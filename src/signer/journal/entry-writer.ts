import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LogFrontier, leafHash, type LogHash } from '../contract/log-proof.ts';
import { encodeEntry, type Entry } from './entries.ts';

/** Number of entries and root hash (32 bytes) of the log: what a checkpoint signs. */
export interface LogHead {
  readonly size: number;
  readonly rootHash: LogHash;
}

/** Appends entries: bytes, leaf hash and the root after it. The caller has a transaction open. */
export class EntryWriter {
  #frontier: LogFrontier;
  readonly #insert: StatementSync;

  constructor(db: DatabaseSync, frontier = new LogFrontier()) {
    this.#frontier = frontier;
    this.#insert = db.prepare('INSERT INTO entries (idx, at, body, leaf, root) VALUES (?, ?, ?, ?, ?)');
  }

  get nextIndex(): number {
    return this.#frontier.size;
  }

  head(): LogHead {
    return { size: this.#frontier.size, rootHash: this.#frontier.root() };
  }

  /** `bytes` is the entry's own length. SignerError JOURNAL_ENTRY when the entry has no canonical form. */
  append(entry: Entry): { readonly index: number; readonly head: LogHead; readonly bytes: number } {
    const body = encodeEntry(entry);
    const leaf = leafHash(body);
    const index = this.#frontier.append(leaf);
    const head = this.head();
    this.#insert.run(index, entry.at, body, leaf, head.rootHash);
    return { index, head, bytes: body.length };
  }

  /** Notes the frontier and gives the way back, for a transaction that is undone. */
  save(): () => void {
    const saved = this.#frontier.copy();
    return () => {
      this.#frontier = saved;
    };
  }
}
