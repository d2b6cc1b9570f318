// The secret half of an ordinary age key, as `age-keygen` writes it: read in locked memory and nowhere else.

import { parseAgeSecretKey, SECRET_KEY_CHARACTERS } from './bech32.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { readSecretFile } from './identity-file.ts';
import { withScratch } from './locked-memory.ts';

const MAX_FILE_BYTES = 4096;
const PRIVATE_KEY_BYTES = 32;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const HASH = 0x23;

/**
 * Reads an identity file (comments and one line `AGE-SECRET-KEY-1…`; absolute path, mode 0400 or 0600, yours or
 * root's) and hands the 32-byte X25519 key to `use`; it is wiped when that returns. Throws PAPER_KEY.
 */
export function withPaperKey<T>(path: string, use: (privateKey: Buffer) => T): T {
  return withScratch(PRIVATE_KEY_BYTES, privateKey => {
    readKey(path, privateKey);
    return use(privateKey);
  });
}

function readKey(path: string, privateKey: Buffer): void {
  withScratch(MAX_FILE_BYTES, scratch => {
    try {
      // Which would be standard input, of whoever runs this.
      if (path === '') throw new CustodyError('PAPER_KEY');
      const lines = linesOf(scratch.subarray(0, readSecretFile(scratch, path)));
      const [line, ...more] = lines.filter(each => each.length > 0 && each[0] !== HASH);
      // One key has one name in the report; an encrypted identity file is no line of ours either.
      if (line?.length !== SECRET_KEY_CHARACTERS || more.length > 0) throw new CustodyError('PAPER_KEY');
      parseAgeSecretKey(line, privateKey);
    } catch (thrown) {
      throw new CustodyError('PAPER_KEY', undefined, { cause: toCustodyError(thrown, 'PAPER_KEY') });
    }
  });
}

function linesOf(text: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  while (from < text.length) {
    const found = text.indexOf(LINE_FEED, from);
    const end = found < 0 ? text.length : found;
    const line = text.subarray(from, end);
    lines.push(line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line);
    from = end + 1;
  }
  return lines;
}
