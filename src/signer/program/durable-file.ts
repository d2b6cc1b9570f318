import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** As `writeDurably`, over a file that is there: the new one has its owner and mode, so whoever could read it still can. */
export function replaceDurably(path: string, bytes: Uint8Array): void {
  const { uid, gid, mode } = lstatSync(path);
  writeDurably(path, bytes, 0o600, fd => {
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode & 0o777);
  });
}

/** Puts `bytes` at `path`, all or nothing: written beside it, synced, renamed over it, the directory synced. */
export function writeDurably(
  path: string,
  bytes: Uint8Array,
  mode = 0o600,
  prepare: (fd: number) => void = () => undefined,
): void {
  const beside = `${path}.new`;
  try {
    unlinkSync(beside);
  } catch {
    // Nothing was left by an earlier run.
  }
  withFile(beside, 'wx', mode, fd => {
    prepare(fd);
    let written = 0;
    while (written < bytes.length) written += writeSync(fd, bytes, written);
    fsyncSync(fd);
  });
  renameSync(beside, path);
  withFile(dirname(path), 'r', 0, fd => fsyncSync(fd));
}

/** Puts `bytes` at `path` unless something is there (EEXIST). */
export function writeNew(path: string, bytes: Uint8Array, mode = 0o600): void {
  withFile(path, 'wx', mode, fd => {
    let written = 0;
    while (written < bytes.length) written += writeSync(fd, bytes, written);
    fsyncSync(fd);
  });
  withFile(dirname(path), 'r', 0, fd => fsyncSync(fd));
}

function withFile(path: string, flags: string, mode: number, use: (fd: number) => void): void {
  const fd = openSync(path, flags, mode);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}
