import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leafHash } from '../../../src/signer/contract/log-proof.ts';
import { encodeEntry, parseEntry, type Entry } from '../../../src/signer/journal/entries.ts';
import { verifyFold } from '../../../src/signer/journal/fold.ts';
import { Journal, createJournal } from '../../../src/signer/journal/journal.ts';
import { openStore, readPragma } from '../../../src/signer/journal/store.ts';
import { failure, rejection } from '../failure.ts';
import { KEY, NOW, TestJournal, request, text } from './open-test-journal.ts';

let test: TestJournal;
beforeEach(() => {
  test = new TestJournal();
});
afterEach(() => test.remove());

const opens = () => test.reopen().head().size;
const refuses = () => failure(() => test.openAgain());

/** Fills the journal with one entry of most kinds and closes it. */
async function fill(): Promise<void> {
  const { journal } = test;
  await journal.policies.apply(1, text('policy'));
  const outcome = await journal.reserve(request({ second: NOW }));
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
  await journal.release(outcome.reserved, { answer: 'answer', texts: [text('text')], evidence: [] });
  await journal.reserve(request({ second: NOW + 1 }));
  test.close();
}

/** Changes the closed file with another tool, as root or a bad disk would. */
function tamper(sql: string): void {
  const db = new DatabaseSync(test.path);
  db.exec('DROP TRIGGER IF EXISTS entries_keep; DROP TRIGGER IF EXISTS entries_stay');
  db.exec(sql);
  db.close();
}

describe('creating a journal', () => {
  it('never replaces one and leaves nothing else behind', () => {
    const before = readFileSync(test.path);
    expect(failure(() => createJournal(test.path, { origin: 'x', now: NOW })).code).toBe('JOURNAL_EXISTS');
    expect(readFileSync(test.path).equals(before)).toBe(true);
    expect(readdirSync(test.directory)).toEqual(['journal.sqlite']);
    expect(statSync(test.path).mode & 0o777).toBe(0o600);
  });

  it('needs a directory and a name for the log', () => {
    const path = join(test.directory, 'none', 'journal.sqlite');
    expect(failure(() => createJournal(path, { origin: 'x', now: NOW })).code).toBe('JOURNAL_FAILED');
    const other = join(test.directory, 'other.sqlite');
    expect(failure(() => createJournal(other, { origin: 'a b', now: NOW })).code).toBe('JOURNAL_ENTRY');
    expect(existsSync(other)).toBe(false);
    expect(createJournal(other, { origin: 'a.b/c', now: NOW })).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('opening a journal', () => {
  it('needs one that is there', () => {
    expect(opens()).toBe(1);
    test.close();
    rmSync(test.path);
    expect(refuses().code).toBe('JOURNAL_MISSING');
    expect(existsSync(test.path)).toBe(false);
  });

  it('locks out every other opener, also a reader, until it is closed', () => {
    expect(test.journal.head().size).toBe(1);
    expect(refuses().code).toBe('JOURNAL_LOCKED');
    const reader = new DatabaseSync(test.path, { readOnly: true });
    expect(() => reader.prepare('SELECT * FROM entries').all()).toThrow('locked');
    reader.close();
    test.close();
    expect(opens()).toBe(1);
  });

  it('refuses files of others', () => {
    expect(test.openAgain({ journalId: test.journalId }).close()).toBeUndefined();
    expect(failure(() => test.openAgain({ journalId: '0'.repeat(32) })).code).toBe('JOURNAL_FOREIGN');
    tamper('PRAGMA user_version = 4');
    expect(refuses().code).toBe('JOURNAL_FOREIGN');
    tamper('PRAGMA user_version = 5; PRAGMA application_id = 1');
    expect(refuses().code).toBe('JOURNAL_FOREIGN');
    for (const bytes of ['', 'no database at all\n'.repeat(500)]) {
      writeFileSync(test.path, bytes);
      expect(refuses().code).toBe('JOURNAL_FOREIGN');
    }
    rmSync(test.path);
    mkdirSync(test.path);
    expect(refuses().code).toBe('JOURNAL_FOREIGN');
  });

  it('refuses a torn file', async () => {
    await fill();
    const copy = join(test.directory, 'copy');
    copyFileSync(test.path, copy);
    truncateSync(test.path, 8192);
    expect(refuses().code).toBe('JOURNAL_TORN');
    copyFileSync(copy, test.path);
    expect(opens()).toBe(5);
  });
});

describe('the marks are the fold of the entries', () => {
  const hexKey = Buffer.from(KEY).toString('hex');
  it.each([
    ['a mark is gone', `DELETE FROM marks WHERE second = ${NOW}`],
    ['a mark was added', `INSERT INTO marks VALUES (x'${hexKey}', 0, 7, 2)`],
    ['a mark moved', `UPDATE marks SET second = second + 5 WHERE second = ${NOW}`],
    ['a mark belongs to another entry', `UPDATE marks SET entry = 4 WHERE second = ${NOW}`],
    ['a reservation is gone', 'DELETE FROM reservations WHERE entry = 2'],
    ['a reservation was added', "INSERT INTO reservations VALUES (9, 'vps1', 'frontpage', 1, NULL)"],
    ['a reservation is of another publisher', "UPDATE reservations SET publisher = 'vps2' WHERE entry = 2"],
    ['a reservation is of another time', 'UPDATE reservations SET at = at - 9000 WHERE entry = 2'],
    ['a release is forgotten', 'UPDATE reservations SET released = NULL'],
    ['a release was added', 'UPDATE reservations SET released = 3'],
    ['a request id is gone', 'DELETE FROM requests WHERE reserved = 2'],
    [
      'a request id was added',
      `INSERT INTO requests VALUES ('vps1', 'x', 'y', '${'0'.repeat(64)}', 2, NULL, NULL)`,
    ],
    [
      'a request id has another digest',
      `UPDATE requests SET digest = '${'0'.repeat(64)}' WHERE reserved = 2`,
    ],
    ['the last entry is gone', 'DELETE FROM entries WHERE idx = 4'],
    ['an entry in the middle is gone', 'DELETE FROM entries WHERE idx = 1'],
    ['all entries are gone', 'DELETE FROM entries'],
    [
      'an entry changed',
      "UPDATE entries SET body = cast(replace(cast(body AS TEXT), 'vps1', 'vps2') AS BLOB) WHERE idx = 2",
    ],
    ['an entry is of another time', 'UPDATE entries SET at = at + 1 WHERE idx = 2'],
    ['a leaf hash changed', 'UPDATE entries SET leaf = zeroblob(32) WHERE idx = 2'],
    ['a root changed', 'UPDATE entries SET root = zeroblob(32) WHERE idx = 4'],
  ])('or the journal is not opened: %s', async (_, sql) => {
    await fill();
    tamper('SELECT 1');
    expect(opens()).toBe(5);
    test.close();
    tamper(sql);
    expect(refuses().code).toBe('JOURNAL_TORN');
  });

  it('also when an entry was replaced with fitting hashes but another meaning', async () => {
    await fill();
    const bytes = encodeEntry({
      kind: 'started',
      at: NOW,
      version: 'x',
      network: 'tor',
      votingInterval: 3600,
    });
    const leaf = leafHash(bytes);
    const db = new DatabaseSync(test.path);
    expect(() => db.exec('UPDATE entries SET at = 1')).toThrow('append only');
    expect(() => db.exec('DELETE FROM entries')).toThrow('append only');
    db.exec('DROP TRIGGER entries_stay');
    db.prepare('UPDATE entries SET body = ?, leaf = ? WHERE idx = 4').run(bytes, leaf);
    db.close();
    expect(refuses().code).toBe('JOURNAL_TORN');
  });

  it('and a stored policy has its digest', async () => {
    await fill();
    tamper("UPDATE texts SET body = x'00'");
    const journal = test.reopen();
    expect(failure(() => journal.policies.current()).code).toBe('JOURNAL_TORN');
    test.close();
    tamper('DELETE FROM texts');
    expect(failure(() => test.reopen().policies.current()).code).toBe('JOURNAL_TORN');
  });
});

describe('a store that fails', () => {
  it('stops the journal: what was asked is refused and nothing more is written', async () => {
    await fill();
    const db = openStore(test.path);
    const pages = readPragma(db, 'page_count');
    // To SQLite this is a full disk.
    db.exec(`PRAGMA max_page_count = ${pages + 50}`);
    const journal = new Journal(db, verifyFold(db), { path: test.path, now: () => NOW });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => journal.policies.apply(1000 + Math.random(), text('x'))),
    );
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(journal.stopped).toBeUndefined();
    const error = await rejection(journal.policies.apply(2000, new Uint8Array(1_000_000)));
    expect(error.code).toBe('JOURNAL_FULL');
    expect(journal.stopped?.code).toBe('JOURNAL_FULL');
    expect((await rejection(journal.reserve(request()))).code).toBe('JOURNAL_FULL');
    expect(journal.head().size).toBe(5);
    journal.close();
    expect(opens()).toBe(5);
    expect(test.journal.policies.current()?.serial).toBe(1);
  });
});

describe('an entry', () => {
  const entry: Entry = {
    kind: 'refused',
    at: 1,
    until: 2,
    publisher: 'a',
    service: '',
    rule: 'X',
    count: 1,
    observed: '',
    limit: '',
  };
  const encoded = new TextDecoder().decode(encodeEntry(entry));

  it('has one encoding, whatever the order of its keys', () => {
    const { kind, ...rest } = entry;
    expect(new TextDecoder().decode(encodeEntry({ ...rest, kind }))).toBe(encoded);
    expect(parseEntry(text(encoded))).toEqual(entry);
  });

  it.each([
    ['spaces', encoded.replace(',', ', ')],
    ['another order', '{"at":1,"kind":"started","version":"x"}'],
    ['an unknown kind', '{"kind":"erased","at":1}'],
    ['an unknown key', '{"kind":"started","at":1,"version":"x","more":1}'],
    ['a key less', '{"kind":"started","at":1}'],
    ['a fraction', '{"kind":"started","at":1.5,"version":"x","network":"tor","votingInterval":3600}'],
    [
      'another number form',
      '{"kind":"started","at":1e0,"version":"x","network":"tor","votingInterval":3600}',
    ],
    [
      'a duplicate key',
      '{"kind":"started","at":1,"at":1,"version":"x","network":"tor","votingInterval":3600}',
    ],
    [
      'a time beyond its bound',
      '{"kind":"started","at":1099511627777,"version":"x","network":"tor","votingInterval":3600}',
    ],
    ['a key of Object.prototype as kind', '{"kind":"constructor","at":1}'],
    ['no JSON', 'x'],
  ])('is not read with %s', (_, bytes) => {
    expect(
      parseEntry(
        text('{"kind":"started","at":1099511627776,"version":"x","network":"tor","votingInterval":3600}'),
      ).at,
    ).toBe(2 ** 40);
    expect(failure(() => parseEntry(text(bytes))).code).toBe('JOURNAL_ENTRY');
  });
});
