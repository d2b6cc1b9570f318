// Files that the keyholder believes: opened once, never through a link, owner and mode checked on the open file.

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CustodyError, type CustodyErrorCode, toCustodyError } from './error.ts';

/** What a file must be before a byte of it is read. */
export interface FileDemand {
  /** Largest permitted size in bytes. */
  readonly maximum: number;
  /** Mode bits that must be clear. */
  readonly forbidden: number;
  /** Code when there is no such file. */
  readonly missing: CustodyErrorCode;
  /** Code when it is not a regular file of root's or ours, too large, or open to others. */
  readonly refused: CustodyErrorCode;
  /** Code when it is too large, if that has one of its own. */
  readonly tooLarge?: CustodyErrorCode;
}

/** Opens the file, checks it and hands descriptor and size to `read`. @throws CustodyError with the demand's codes */
export function withCheckedFile<T>(
  path: string,
  demand: FileDemand,
  read: (fd: number, size: number) => T,
): T {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    const ours = stat.uid === 0 || stat.uid === process.geteuid?.();
    const fit = stat.isFile() && ours && (stat.mode & demand.forbidden) === 0;
    if (!fit) throw new CustodyError(demand.refused);
    if (stat.size > demand.maximum) throw new CustodyError(demand.tooLarge ?? demand.refused);
    return read(fd, stat.size);
  } catch (thrown) {
    throw toCustodyError(thrown, isAbsent(thrown) ? demand.missing : demand.refused);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The whole file. @throws CustodyError with the demand's codes */
export function readCheckedFile(path: string, demand: FileDemand): Uint8Array {
  return withCheckedFile(path, demand, (fd, size) => {
    const bytes = new Uint8Array(size);
    readFully(fd, bytes);
    return bytes;
  });
}

/** Fills `out` from the start of the file; a file that shrank meanwhile is an error. */
export function readFully(fd: number, out: Uint8Array): void {
  let at = 0;
  while (at < out.length) {
    const count = readSync(fd, out, at, out.length - at, at);
    if (count === 0) throw new RangeError('the file ended early');
    at += count;
  }
}

/** Replaces the file in one step: temporary file (mode 0600), fsync, rename, fsync of the folder. @throws STATE_WRITE */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new`;
  try {
    // Left behind by a crash, or put there by nobody we know: either way not ours to write into.
    removeFile(temporary);
    writeNewFile(temporary, bytes, 0o600);
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (thrown) {
    throw toCustodyError(thrown, 'STATE_WRITE');
  }
}

/** Creates a file that must not exist yet, with exactly this mode, durably. */
export function writeNewFile(path: string, bytes: Uint8Array, mode: number): void {
  const fd = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    writeFully(fd, bytes);
    fchmodSync(fd, mode);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  syncFolder(dirname(path));
}

/** Writes all of `bytes` at the descriptor's position. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) at += writeSync(fd, bytes, at, bytes.length - at);
}

/** Makes names in a folder durable. */
export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Removes a file if there is one. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (!isAbsent(thrown)) throw thrown;
  }
}

function isAbsent(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}
