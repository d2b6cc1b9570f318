// What a person types at the terminal of this process, without echo.

import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { CustodyError, toCustodyError } from './error.ts';

const LIMIT_MS = 100_000;

/**
 * Asks at /dev/tty and returns the bytes of one line, at most `maximum` + 1 of them; the caller wipes them. Ctrl-C, Ctrl-D and a
 * long silence refuse. The terminal is restored on every path. Throws PIN_SOURCE.
 */
export async function askTerminal(prompt: string, maximum: number): Promise<Buffer> {
  let terminal: ReadStream;
  try {
    terminal = new ReadStream(openSync('/dev/tty', constants.O_RDWR | constants.O_NOCTTY));
  } catch (cause) {
    throw new CustodyError('PIN_SOURCE', undefined, { cause });
  }
  const typed: number[] = [];
  const limit = setTimeout(() => terminal.destroy(), LIMIT_MS);
  try {
    terminal.setRawMode(true);
    writeTerminal(prompt);
    for await (const chunk of terminal as AsyncIterable<Buffer>) {
      const isComplete = typeInto(typed, chunk, maximum);
      chunk.fill(0);
      if (isComplete) return Buffer.from(typed);
    }
    throw new CustodyError('PIN_SOURCE');
  } catch (thrown) {
    throw toCustodyError(thrown, 'PIN_SOURCE');
  } finally {
    clearTimeout(limit);
    typed.fill(0);
    if (!terminal.destroyed) terminal.setRawMode(false).destroy();
    writeTerminal('\n');
  }
}

/** True when the line is complete. */
function typeInto(typed: number[], chunk: Uint8Array, maximum: number): boolean {
  for (const byte of chunk) {
    if (byte === 0x0d || byte === 0x0a) return true;
    if (byte === 0x03 || byte === 0x04) throw new CustodyError('PIN_SOURCE');
    if (byte === 0x7f || byte === 0x08) typed.pop();
    else if (typed.length <= maximum) typed.push(byte);
  }
  return false;
}

function writeTerminal(text: string): void {
  const fd = openSync('/dev/tty', constants.O_WRONLY | constants.O_NOCTTY);
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}
