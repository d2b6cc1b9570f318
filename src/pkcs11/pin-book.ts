// Which PINs an operator's commands tried: in a file of that operator, so that the next command knows of a refusal.

import { existsSync, linkSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { CustodyError, toCustodyError } from './error.ts';
import { FolderAttempts, lockFolder } from './pin-lock.ts';
import { type PinStore, volatilePinStore } from './pin-memory.ts';
import { encodePinJudgement, parsePinJudgement, type PinJudgement, sameTag } from './pin-tags.ts';
import { readCheckedFile, removeFile, replaceFile, writeNewFile } from './private-file.ts';

const MAX_BOOK_BYTES = 0x1000;

/** `onion-signer/pins` below the folder where programs of this user keep their state. */
export function pinBookPath(): string {
  const folder = process.env['XDG_STATE_HOME'];
  const state = folder !== undefined && isAbsolute(folder) ? folder : join(homedir(), '.local', 'state');
  return join(state, 'onion-signer', 'pins');
}

/**
 * Read at each look, replaced at each change, mode 0600; changed by who tries a PIN alone, who has the lock of its folder. The key
 * of the tags lies beside them: whoever has the file can try PINs against the tags, also of a right one (see ADR 0038). With `isOwn`
 * a person names each token with its PIN: that another one refused it says nothing. Throws PIN_BOOK, STATE_WRITE.
 */
export function filePinStore(
  path: string,
  { isOwn = false, waitMs }: { readonly isOwn?: boolean; readonly waitMs?: number } = {},
): PinStore {
  const attempts = new FolderAttempts(dirname(path), waitMs);
  let told: Uint8Array | undefined;
  const judgement = (): PinJudgement => {
    const book = readBook(path) ?? newBook(path);
    // A child makes its tags with the key that it was told, whatever became of the book.
    told ??= book.key;
    return { key: told, records: sameTag(book.key, told) ? book.records : [], isOwn };
  };
  return {
    judgement,
    attempts,
    quiet: () => attempts.quiet(),
    nameOf: () => undefined,
    wasTaken: () => false,
    save: records => {
      makeFolder(path);
      replaceFile(path, encodePinJudgement({ key: judgement().key, records, isOwn: false }));
    },
  };
}

/** Every PIN may be tried again by commands. Those that run go on with the key that they were told. Throws STATE_WRITE. */
export async function forgetPinBook(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const release = await lockFolder(dirname(path));
  try {
    const book = readBook(path);
    if (book !== undefined)
      replaceFile(path, encodePinJudgement({ key: book.key, records: [], isOwn: false }));
  } catch (thrown) {
    if (!(thrown instanceof CustodyError) || thrown.code !== 'PIN_BOOK') throw thrown;
    removeFile(path);
  } finally {
    release();
  }
}

type Book = Pick<PinJudgement, 'key' | 'records'>;

/** An empty book with a new key: of several commands that begin with none, all get that of the first. */
function newBook(path: string): Book {
  const fresh = volatilePinStore().judgement();
  const own = `${path}.${process.pid}`;
  try {
    makeFolder(path);
    removeFile(own);
    writeNewFile(own, encodePinJudgement(fresh), 0o600);
    linkSync(own, path);
  } catch {
    // Another command was first. Where nothing can be written, it is said before a PIN is tried.
  }
  removeQuietly(own);
  return readBook(path) ?? fresh;
}

function removeQuietly(path: string): void {
  try {
    removeFile(path);
  } catch {
    // There is no folder, or nothing can be written there.
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw toCustodyError(thrown, 'STATE_WRITE');
  }
}

function readBook(path: string): Book | undefined {
  const demand = { maximum: MAX_BOOK_BYTES, forbidden: 0o077 } as const;
  try {
    return parsePinJudgement(
      readCheckedFile(path, { ...demand, missing: 'STATE_MISSING', refused: 'PIN_BOOK' }),
    );
  } catch (thrown) {
    if (thrown instanceof CustodyError && thrown.code === 'STATE_MISSING') return undefined;
    throw new CustodyError('PIN_BOOK', undefined, { cause: thrown });
  }
}
