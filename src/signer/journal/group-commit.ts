import type { DatabaseSync } from 'node:sqlite';
import { SignerError } from '../contract/problems.ts';
import { isSqliteError, storeError } from './store.ts';

interface Job {
  /** Runs inside the transaction; gives what tells the caller once it is durable. */
  readonly work: () => () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Group commit: everything asked for in one turn of the event loop becomes one transaction, each job whole or
 * not at all, in the order of asking. Callers hear of a result only when it is on disk. After a failure of the
 * store nothing more is written: what the disk holds is then unknown until the journal is opened again.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  /** Notes the state in memory that jobs change and gives the way back to it. */
  readonly #save: () => () => void;
  #queue: Job[] = [];
  #scheduled = false;
  #stopped: SignerError | undefined;

  constructor(db: DatabaseSync, save: () => () => void) {
    this.#db = db;
    this.#save = save;
  }

  /** Whether and why nothing more is written. */
  get stopped(): SignerError | undefined {
    return this.#stopped;
  }

  /** Runs `work` in the next transaction. A SignerError of `work` undoes its own writes alone. */
  run<T>(work: () => T): Promise<T> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    return new Promise<T>((resolve, fail) => {
      const job = (): (() => void) => {
        const result = work();
        return () => resolve(result);
      };
      this.#queue.push({ work: job, fail });
      if (!this.#scheduled) setImmediate(() => this.drain());
      this.#scheduled = true;
    });
  }

  /** Writes what is queued, now. */
  drain(): void {
    this.#scheduled = false;
    const batch = this.#queue;
    this.#queue = [];
    if (batch.length === 0) return;
    if (this.#stopped !== undefined) return rejectAll(batch, this.#stopped);
    let settled: (() => void)[];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      settled = batch.map(job => this.#runOne(job));
      this.#db.exec('COMMIT');
    } catch (cause) {
      this.#stopped = storeError(cause, 'JOURNAL_FAILED');
      return rejectAll(batch, this.#stopped);
    }
    for (const settle of settled) settle();
  }

  /** Writes what is queued and refuses the rest. */
  close(): void {
    this.drain();
    this.#stopped ??= new SignerError('JOURNAL_CLOSED', 'start the signer again');
  }

  #runOne(job: Job): () => void {
    const restore = this.#save();
    this.#db.exec('SAVEPOINT job');
    try {
      const settle = job.work();
      this.#db.exec('RELEASE job');
      return settle;
    } catch (error) {
      // SQLite may have ended the whole transaction by itself, so its errors end the batch.
      if (isSqliteError(error)) throw error;
      this.#db.exec('ROLLBACK TO job; RELEASE job');
      restore();
      return () => job.fail(error);
    }
  }
}

function rejectAll(batch: readonly Job[], error: SignerError): void {
  for (const { fail } of batch) fail(error);
}
