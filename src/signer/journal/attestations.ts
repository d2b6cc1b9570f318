import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EntryWriter } from './entry-writer.ts';

/** A signed head that the journal keeps: entries covered, and the note. */
export interface KeptCheckpoint {
  readonly size: number;
  readonly note: string;
}

type Write = (work: () => void) => Promise<void>;

/**
 * What others signed about this journal: heads, beside the entries, and the identities' word for the key that signs
 * them, as entries. For `audit`; nothing here decides.
 */
export class Attestations {
  readonly #writer: EntryWriter;
  readonly #write: Write;
  readonly #vouchings: Set<string>;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;

  constructor(db: DatabaseSync, writer: EntryWriter, vouchings: ReadonlySet<string>, write: Write) {
    this.#writer = writer;
    this.#write = write;
    this.#vouchings = new Set(vouchings);
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)]);
    this.#sql = Object.fromEntries(prepared) as Record<keyof typeof SQL, StatementSync>;
  }

  /** Entries that the newest kept note covers; 0 for none. */
  get keptSize(): number {
    return Number(this.#sql.largest.get()?.['size'] ?? 0);
  }

  /** Keeps a signed head, made at `at` (Unix seconds). Of each hour and name the newest stays: this must not grow. */
  keep({ size, note }: KeptCheckpoint, at: number): Promise<void> {
    const [origin = ''] = note.split('\n', 1);
    return this.#write(() => {
      this.#sql.thin.run(origin, Math.floor(at / 3600));
      this.#sql.keep.run(size, at, origin, note);
    });
  }

  /** The kept notes, smallest first. */
  *checkpoints(): Generator<KeptCheckpoint> {
    for (const row of this.#sql.all.iterate()) yield { size: Number(row['size']), note: String(row['note']) };
  }

  isKnown(vouching: string): boolean {
    return this.#vouchings.has(vouching);
  }

  /** Notes that the identity of `service` vouches for the checkpoint key; once for each note, verified elsewhere. */
  async vouched(service: string, note: string, at: number): Promise<void> {
    if (this.isKnown(note)) return;
    await this.#write(() => void this.#writer.append({ kind: 'vouched', at, service, note }));
    this.#vouchings.add(note);
  }
}

const SQL = {
  largest: 'SELECT max(size) AS size FROM checkpoints',
  thin: 'DELETE FROM checkpoints WHERE origin = ? AND at / 3600 = ?',
  keep: 'INSERT OR REPLACE INTO checkpoints (size, at, origin, note) VALUES (?, ?, ?, ?)',
  all: 'SELECT size, note FROM checkpoints ORDER BY size',
} as const;
