import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { SignerError } from '../contract/problems.ts';

/**
 * Reads a configuration file once: a regular file of at most `maxBytes`, not a symbolic link, UTF-8. Gives its
 * text; SignerError FILE_UNREADABLE, or YAML_SYNTAX for other encodings.
 */
export function readConfigFile(path: string, maxBytes = 1_048_576): string {
  const bytes = readFileBytes(path, maxBytes);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SignerError('YAML_SYNTAX', `${path}: save the file as UTF-8`, { cause, file: path });
  }
}

/**
 * As readConfigFile, for what decides who may sign: nobody but root, this user and a group that they chose may be able to put
 * something else there.
 * SignerError FILE_MODE besides.
 */
export function readTrustedFile(path: string, maxBytes?: number): string {
  const text = readConfigFile(path, maxBytes);
  for (const each of [dirname(path), path]) checkTrusted(each);
  return text;
}

function checkTrusted(path: string): void {
  const status = statSync(path);
  const mine = [0, process.geteuid?.()];
  if (!mine.includes(status.uid))
    throw new SignerError(
      'FILE_MODE',
      `${path}: make it root's or yours (chown); it is of user ${status.uid}`,
      {
        file: path,
      },
    );
  // Of a directory like /tmp others cannot replace what is ours.
  const isSticky = status.isDirectory() && (status.mode & 0o1000) !== 0;
  if ((status.mode & 0o002) !== 0 && !isSticky)
    throw new SignerError('FILE_MODE', `${path}: everybody can write it; run chmod o-w`, { file: path });
}

/** Reads any file in the same way. SignerError FILE_UNREADABLE. */
export function readFileBytes(path: string, maxBytes: number): Uint8Array {
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK a FIFO in place of the file would stop the program.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = fstatSync(fd);
    const { size } = status;
    if (!status.isFile())
      throw new SignerError('FILE_UNREADABLE', `${path}: put a regular file here`, { file: path });
    if (size > maxBytes) {
      throw new SignerError('FILE_UNREADABLE', `${path}: keep the file below ${maxBytes} bytes`, {
        file: path,
      });
    }
    return readUpTo(fd, size);
  } catch (cause) {
    if (cause instanceof SignerError) throw cause;
    const message = `${path}: the file must exist, be readable and not be a symbolic link`;
    throw new SignerError('FILE_UNREADABLE', message, { cause, file: path });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readUpTo(fd: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(fd, bytes, filled, size - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
