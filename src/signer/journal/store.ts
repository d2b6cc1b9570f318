import { closeSync, fsyncSync, linkSync, lstatSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SignerError, type ProblemCode } from '../contract/problems.ts';

/** The file of the journal: how it is made, opened and locked. What it means stands in journal.ts and fold.ts. */

// "OSIJ" in the file's header; another number is another program's file.
const APPLICATION_ID = 0x4f53494a;
const SCHEMA_VERSION = 5;

const SCHEMA = `
  CREATE TABLE entries (
    idx INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL, leaf BLOB NOT NULL, root BLOB NOT NULL
  ) STRICT;
  CREATE TRIGGER entries_keep BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append only'); END;
  CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append only'); END;
  CREATE TABLE marks (
    kp_hs_blind_id BLOB NOT NULL, variant INTEGER NOT NULL, second INTEGER NOT NULL, entry INTEGER NOT NULL,
    PRIMARY KEY (kp_hs_blind_id, variant, second)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE reservations (
    entry INTEGER PRIMARY KEY, publisher TEXT NOT NULL, service TEXT NOT NULL, at INTEGER NOT NULL,
    released INTEGER
  ) STRICT;
  CREATE INDEX reservations_rate ON reservations (publisher, service, at);
  CREATE TABLE requests (
    publisher TEXT NOT NULL, service TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL,
    reserved INTEGER NOT NULL, answer TEXT, answered INTEGER,
    PRIMARY KEY (publisher, service, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX requests_answered ON requests (answered) WHERE answered IS NOT NULL;
  CREATE TABLE texts (
    digest TEXT PRIMARY KEY, entry INTEGER NOT NULL, at INTEGER NOT NULL, publisher TEXT NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE INDEX texts_at ON texts (at);
  CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY, at INTEGER NOT NULL, origin TEXT NOT NULL, note TEXT NOT NULL
  ) STRICT;
  CREATE TABLE usage (publisher TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/**
 * Makes a new store with `fill` inside one transaction. The file appears under its name only when it is whole
 * and on disk, mode 0600. SignerError JOURNAL_EXISTS, JOURNAL_FAILED.
 */
export function createStore(path: string, fill: (db: DatabaseSync) => void): void {
  const draft = `${path}.new-${process.pid}`;
  try {
    // SQLite would make the file with the umask's mode.
    closeSync(openSync(draft, 'wx', 0o600));
    const db = new DatabaseSync(draft);
    try {
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ${SCHEMA}`);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`);
      fill(db);
      db.exec('COMMIT');
    } finally {
      db.close();
    }
    // Unlike rename, link never replaces a journal that is there already.
    linkSync(draft, path);
  } catch (cause) {
    throw storeError(cause, 'JOURNAL_FAILED');
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(draft + suffix, { force: true });
  }
  syncDirectory(dirname(path));
}

/**
 * Opens the store as its only user: WAL, synchronous FULL, locked exclusively until it is closed. SignerError
 * JOURNAL_MISSING, JOURNAL_FOREIGN, JOURNAL_TORN, JOURNAL_LOCKED or JOURNAL_FAILED.
 */
export function openStore(path: string): DatabaseSync {
  checkPresent(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0, enableDoubleQuotedStringLiterals: false });
    // EXCLUSIVE before the first read: then no shared memory file exists and nobody else can even read.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;');
    db.exec('BEGIN IMMEDIATE; COMMIT;');
    checkHeader(db);
    return db;
  } catch (cause) {
    db?.close();
    throw storeError(cause, 'JOURNAL_FAILED');
  }
}

function checkPresent(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) {
    throw new SignerError('JOURNAL_MISSING', 'run `init` for a new signer, or restore the state directory');
  }
  if (!status.isFile()) throw foreign();
}

function checkHeader(db: DatabaseSync): void {
  if (readPragma(db, 'application_id') !== APPLICATION_ID) throw foreign();
  if (readPragma(db, 'user_version') !== SCHEMA_VERSION) {
    throw new SignerError('JOURNAL_FOREIGN', 'use the version of onion-signer that made this journal');
  }
  const mode = Object.values(db.prepare('PRAGMA journal_mode = WAL').get() ?? {})[0];
  if (mode !== 'wal')
    throw new SignerError('JOURNAL_FAILED', 'put the state directory on a local file system');
}

/** The value of a numeric pragma. */
export function readPragma(
  db: DatabaseSync,
  pragma: 'application_id' | 'user_version' | 'page_count' | 'page_size' | 'freelist_count',
): number {
  return Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
}

/** Bytes that the store's pages hold now, without free ones. */
export function usedBytes(db: DatabaseSync): number {
  return (readPragma(db, 'page_count') - readPragma(db, 'freelist_count')) * readPragma(db, 'page_size');
}

const foreign = (): SignerError =>
  new SignerError('JOURNAL_FOREIGN', 'point `state` at the state directory of this signer');

const BY_SQLITE_CODE: Readonly<Record<number, [ProblemCode, string]>> = {
  5: ['JOURNAL_LOCKED', 'stop the other process that has this journal open'],
  6: ['JOURNAL_LOCKED', 'stop the other process that has this journal open'],
  11: ['JOURNAL_TORN', 'restore the state directory, then run `init --recover`'],
  13: ['JOURNAL_FULL', 'make room on the disk of the state directory'],
  26: ['JOURNAL_FOREIGN', 'point `state` at the state directory of this signer'],
};

/** Whether SQLite itself failed; then nothing is known of the transaction. */
export const isSqliteError = (error: unknown): boolean => sqliteCode(error) !== undefined;

/** Converts SQLite's and the file system's errors by number, once, at this edge. */
export function storeError(cause: unknown, fallback: ProblemCode): SignerError {
  if (cause instanceof SignerError) return cause;
  const [code, message] = BY_SQLITE_CODE[(sqliteCode(cause) ?? 0) & 0xff] ?? [];
  if (code !== undefined && message !== undefined) return new SignerError(code, message, { cause });
  if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
    return new SignerError('JOURNAL_EXISTS', 'keep the journal that is there; `init` never replaces one', {
      cause,
    });
  }
  return new SignerError(fallback, 'check the disk and the rights of the state directory', { cause });
}

function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode
    : undefined;
}

/** A new name is durable only when its directory is. */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
