import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, PublisherError } from './error.ts';

/** Makes a folder of ours (mode 0700) or checks that it is one nobody else may write. Throws STATE_DIRECTORY. */
export function openFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const status = statSync(path);
    if (!status.isDirectory() || (status.mode & 0o022) !== 0) throw new Error('writable by others');
  } catch (cause) {
    throw new PublisherError('STATE_DIRECTORY', path, { cause });
  }
}

/**
 * Replaces a file so that after a crash either the old or the new content is there, whole: a new file is written,
 * flushed and renamed over the old one, then the folder is flushed. Mode 0600 unless given, whatever the umask. Throws
 * system errors.
 */
export function replaceFile(path: string, content: string, mode = 0o600): void {
  const temporary = `${path}.new`;
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = openSync(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    fchmodSync(file, mode);
    const bytes = Buffer.from(content, 'utf8');
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The content of a regular file of at most `maxBytes`; undefined when there is none. Throws STATE_CORRUPT, STATE_DIRECTORY. */
export function readSmallFile(path: string, maxBytes: number): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw new PublisherError('STATE_DIRECTORY', path, { cause });
  }
  try {
    const status = fstatSync(file);
    if (!status.isFile() || status.size > maxBytes) throw new PublisherError('STATE_CORRUPT', path);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}
