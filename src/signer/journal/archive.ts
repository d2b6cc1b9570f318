import { createHash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { consistencyProof, emptyRoot, inclusionProof, type LogHash } from '../contract/log-proof.ts';
import { SignerError } from '../contract/problems.ts';
import type { Approval } from '../policy/approval.ts';
import { parseEntry, type Entry, type PolicyEntry } from './entries.ts';
import { storeError } from './store.ts';

/** A reservation without a release: what was being signed when a process died. */
export interface Unreleased {
  readonly entry: number;
  readonly publisher: string;
  readonly service: string;
  readonly at: number;
}

/** Which entry uses a text, when (Unix seconds) and for whom. */
export interface TextUse {
  readonly entry: number;
  readonly at: number;
  readonly publisher: string;
}

/** Texts and answers that one run of retention removes at most: it must not hold up signatures. */
const PRUNE_BATCH = 500;

/** The archive of the journal: entries, texts, proofs, and what retention takes away. */
export class JournalArchive {
  readonly #db: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)]);
    this.#sql = Object.fromEntries(prepared) as Record<keyof typeof SQL, StatementSync>;
  }

  /** Stores `text`, charged to `publisher` (empty: to nobody), as used by an entry. Gives its SHA-256, 64 hex digits. */
  store(text: Uint8Array, { entry, at, publisher }: TextUse): string {
    const digest = sha256Hex(text);
    // A text that is used again is kept as long as its latest use, and stays charged to its first user.
    const again = this.#sql.touch.run(entry, at, digest).changes !== 0;
    if (again) return digest;
    this.#sql.insert.run(digest, entry, at, publisher, text);
    this.charge(publisher, text.length);
    return digest;
  }

  /** Stores what administrators signed; gives what the entry of their policy says of it. */
  storeApproval(approval: Approval | undefined, use: TextUse): Pick<PolicyEntry, 'proposal' | 'signatures'> {
    if (approval === undefined) return { proposal: null, signatures: [] };
    const signatures = approval.signatures.map(({ administrator, text }) => ({
      administrator,
      digest: this.store(text, use),
    }));
    return { proposal: this.store(approval.proposal, use), signatures };
  }

  /** Adds to what a publisher's requests take of the quota; see usedBy. */
  charge(publisher: string, bytes: number): void {
    this.#sql.charge.run(publisher, bytes);
  }

  /** Bytes that this publisher's requests take: entries and marks for ever, texts until they are pruned. */
  usedBy(publisher: string): number {
    return Number(this.#sql.usage.get(publisher)?.['bytes'] ?? 0);
  }

  /** The archived text with this SHA-256, or undefined. SignerError JOURNAL_TORN if its bytes changed. */
  text(digest: string): Uint8Array | undefined {
    const body = reading(() => this.#sql.text.get(digest)?.['body']);
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
    return inclusionProof(index, this.leaves(0, size));
  }

  /** RFC 6962 consistency proof between two sizes. SignerError LOG_PROOF. */
  consistencyProof(oldSize: number, newSize: number): LogHash[] {
    return consistencyProof(oldSize, this.leaves(0, newSize));
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

  /** See Journal.prune; the caller has a transaction open. Gives how many texts went. */
  prune(signedSize: number, before: number): number {
    const gone = this.#sql.prune.all(before, signedSize, PRUNE_BATCH);
    for (const row of gone) this.charge(String(row['publisher']), -Number(row['bytes']));
    this.#sql.forget.run(before, signedSize, PRUNE_BATCH);
    return gone.length;
  }

  /** Leaf hashes of the entries from index `from` to below `to`. SignerError LOG_PROOF when there are not so many. */
  leaves(from: number, to: number): LogHash[] {
    const rows = this.#sql.leaves.all(from, to);
    const leaves = rows.map(row => row['leaf']).filter(leaf => leaf instanceof Uint8Array);
    if (leaves.length !== to - from)
      throw new SignerError('LOG_PROOF', 'name a size that the log has reached');
    return leaves;
  }
}

const SQL = {
  text: 'SELECT body FROM texts WHERE digest = ?',
  leaves: 'SELECT leaf FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx',
  touch: 'UPDATE texts SET entry = ?, at = ? WHERE digest = ?',
  insert: 'INSERT INTO texts (digest, entry, at, publisher, body) VALUES (?, ?, ?, ?, ?)',
  charge: `INSERT INTO usage (publisher, bytes) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes`,
  usage: 'SELECT bytes FROM usage WHERE publisher = ?',
  prune: `DELETE FROM texts WHERE rowid IN
    (SELECT rowid FROM texts WHERE at < ? AND entry < ? AND publisher <> '' ORDER BY at LIMIT ?)
    RETURNING publisher, length(body) AS bytes`,
  forget: `UPDATE requests SET answer = NULL, answered = NULL WHERE (publisher, service, id) IN
    (SELECT q.publisher, q.service, q.id FROM requests q JOIN reservations r ON r.entry = q.reserved
      WHERE q.answered < ? AND r.released < ? ORDER BY q.answered LIMIT ?)`,
} as const;

/** A page may be torn that no earlier read met. SignerError JOURNAL_TORN, JOURNAL_FAILED. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw storeError(cause, 'JOURNAL_FAILED');
  }
}

/** SHA-256 as 64 hex digits: the name of a text. */
export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const torn = (): SignerError =>
  new SignerError(
    'JOURNAL_TORN',
    'a stored value changed; restore the state directory, then `init --recover`',
  );
