import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
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
