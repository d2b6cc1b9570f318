import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { consistencyProof, emptyRoot, inclusionProof, type LogHash } from '../contract/log-proof.ts';
import { SignerError } from '../contract/problems.ts';
import { parseEntry, type Entry } from './entries.ts';

/** A reservation without a release: what was being signed when a process died. */
export interface Unreleased {
  readonly entry: number;
  readonly publisher: string;
  readonly service: string;
  readonly at: number;
}

/** Stores `text` under its SHA-256 (64 hex digits, given back), as used by entry `index`. */
export function storeText(db: DatabaseSync, text: Uint8Array, index: number): string {
  const digest = sha256Hex(text);
  // A text that is used again is kept as long as its latest use.
  db.prepare(
    'INSERT INTO texts (digest, entry, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET entry = excluded.entry',
  ).run(digest, index, text);
  return digest;
}

/** The reading side of the journal: entries, texts, proofs. */
export class JournalArchive {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** The archived text with this SHA-256, or undefined. SignerError JOURNAL_TORN if its bytes changed. */
  text(digest: string): Uint8Array | undefined {
    const body = this.#db.prepare('SELECT body FROM texts WHERE digest = ?').get(digest)?.['body'];
    if (!(body instanceof Uint8Array)) return undefined;
    if (sha256Hex(body) !== digest) throw torn();
    return body;
  }

  /** Entries from `from` on with their canonical bytes, in order. */
  *entries(from = 0): Generator<{ index: number; bytes: Uint8Array; entry: Entry }> {
    for (const row of this.#db
      .prepare('SELECT idx, body FROM entries WHERE idx >= ? ORDER BY idx')
      .iterate(from)) {
      const bytes = row['body'];
      if (!(bytes instanceof Uint8Array)) throw torn();
      yield { index: Number(row['idx']), bytes, entry: parseEntry(bytes) };
    }
  }

  /** The root when the log had `size` entries. SignerError LOG_PROOF for a size that it never had. */
  rootAt(size: number): LogHash {
    if (size === 0) return emptyRoot();
    const root =
      Number.isSafeInteger(size) && this.#db.prepare('SELECT root FROM entries WHERE idx = ?').get(size - 1);
    if (!root || !(root['root'] instanceof Uint8Array)) {
      throw new SignerError('LOG_PROOF', 'name a size that the log has reached');
    }
    return root['root'];
  }

  /** RFC 6962 audit path of entry `index` in the tree of `size` entries. SignerError LOG_PROOF. */
  inclusionProof(index: number, size: number): LogHash[] {
    return inclusionProof(index, this.#leaves(size));
  }

  /** RFC 6962 consistency proof between two sizes. SignerError LOG_PROOF. */
  consistencyProof(oldSize: number, newSize: number): LogHash[] {
    return consistencyProof(oldSize, this.#leaves(newSize));
  }

  /** Reservations that no release followed, oldest first, at most 1,000. */
  unreleased(): Unreleased[] {
    return this.#db
      .prepare(
        'SELECT entry, publisher, service, at FROM reservations WHERE released IS NULL ORDER BY entry LIMIT 1000',
      )
      .all()
      .map(row => ({
        entry: Number(row['entry']),
        publisher: String(row['publisher']),
        service: String(row['service']),
        at: Number(row['at']),
      }));
  }

  /** See Journal.prune; the caller has a transaction open. */
  prune(signedSize: number, before: number, keep: string | undefined): void {
    this.#db
      .prepare(
        `DELETE FROM texts WHERE entry < ? AND digest <> ?
          AND entry IN (SELECT idx FROM entries WHERE at < ?)`,
      )
      .run(signedSize, keep ?? '', before);
    this.#db
      .prepare(
        `UPDATE requests SET answer = NULL WHERE answer IS NOT NULL AND reserved IN
          (SELECT entry FROM reservations WHERE released < ? AND at < ?)`,
      )
      .run(signedSize, before);
  }

  #leaves(size: number): LogHash[] {
    const rows = this.#db.prepare('SELECT leaf FROM entries WHERE idx < ? ORDER BY idx').all(size);
    const leaves = rows.map(row => row['leaf']).filter(leaf => leaf instanceof Uint8Array);
    if (leaves.length !== size) throw new SignerError('LOG_PROOF', 'name a size that the log has reached');
    return leaves;
  }
}

const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const torn = (): SignerError =>
  new SignerError(
    'JOURNAL_TORN',
    'a stored value changed; restore the state directory, then `init --recover`',
  );
