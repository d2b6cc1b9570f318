import { close, constants, fstatSync, open, read } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { codeOf, PublisherError } from './error.ts';
import { shown } from './inspect-report.ts';

/** Larger than any descriptor: an input beyond is not read to its end. */
export const MAX_INPUT_BYTES = 1024 * 1024;

const CHUNK = 65_536;
const POLL_MS = 20;
/** How long a FIFO or device may be silent: nobody writes then. */
export const SILENCE_MS = 10_000;

/**
 * Reads a file of at most 1 MiB, also a FIFO (`<(…)` of a shell) or a link; `-` is standard input. Never waits for a
 * FIFO that nobody opens or writes for `silenceMs`. Throws PublisherError INPUT_FILE, INPUT_DIRECTORY,
 * INPUT_TOO_LARGE, INPUT_SILENT.
 */
export async function readInput(file: string, silenceMs = SILENCE_MS): Promise<Uint8Array> {
  if (file === '-') return readStream(process.stdin);
  const name = shown(file);
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK the opening of a FIFO would wait for its writer.
    fd = await promisify(open)(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(fd);
    if (status.isDirectory()) throw new PublisherError('INPUT_DIRECTORY', name);
    if (status.isFile() && status.size > MAX_INPUT_BYTES) throw new PublisherError('INPUT_TOO_LARGE', name);
    return await readOpen(fd, name, status.isFile() ? undefined : silenceMs);
  } catch (cause) {
    if (cause instanceof PublisherError) throw cause;
    throw new PublisherError('INPUT_FILE', `${name} (${codeOf(cause)})`, { cause });
  } finally {
    if (fd !== undefined) await promisify(close)(fd);
  }
}

/** All bytes of a stream, at most 1 MiB. Throws PublisherError INPUT_TOO_LARGE, INPUT_FILE. */
async function readStream(input: NodeJS.ReadStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_INPUT_BYTES) throw new PublisherError('INPUT_TOO_LARGE', 'standard input');
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof PublisherError) throw cause;
    throw new PublisherError('INPUT_FILE', `standard input (${codeOf(cause)})`, { cause });
  } finally {
    input.destroy();
  }
  return Buffer.concat(chunks);
}

/** `silenceMs` only for what is no regular file: its end may be one where the first writer has yet to come. */
async function readOpen(fd: number, name: string, silenceMs: number | undefined): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  let heardAt = performance.now();
  for (;;) {
    const bytes = await readSome(fd);
    const isEnd = bytes?.length === 0 && (size > 0 || silenceMs === undefined);
    if (isEnd) return Buffer.concat(chunks);
    if (bytes !== undefined && bytes.length > 0) {
      size += bytes.length;
      if (size > MAX_INPUT_BYTES) throw new PublisherError('INPUT_TOO_LARGE', name);
      chunks.push(bytes);
      heardAt = performance.now();
      continue;
    }
    if (performance.now() - heardAt > (silenceMs ?? 0)) throw new PublisherError('INPUT_SILENT', name);
    await sleep(POLL_MS);
  }
}

/** Undefined while a writer is there and has nothing yet. */
async function readSome(fd: number): Promise<Buffer | undefined> {
  try {
    const { bytesRead, buffer } = await promisify(read)(fd, Buffer.alloc(CHUNK), 0, CHUNK, null);
    return buffer.subarray(0, bytesRead);
  } catch (thrown) {
    if (codeOf(thrown) === 'EAGAIN') return undefined;
    throw thrown;
  }
}
