import { type Bytes, decodeUtf8 } from './bytes.ts';
import { DescriptorError } from './error.ts';

const LF = 0x0a;

/** Throws BAD_SYNTAX, with line and offset of the byte, for a control character that is not LF. */
export function checkCharacters(text: Bytes): void {
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if ((byte < 0x20 && byte !== LF) || byte === 0x7f) {
      throw new DescriptorError('BAD_SYNTAX', 'text must hold no control character but LF', {
        line: lineOf(text, at),
        offset: at,
      });
    }
  }
}

/** Decodes UTF-8 strictly. Throws BAD_UTF8 with line and offset of the first byte that does not belong. */
export function decodeText(text: Bytes): string {
  try {
    return decodeUtf8(text);
  } catch (cause) {
    const offset = firstOutsideUtf8(text);
    throw new DescriptorError('BAD_UTF8', 'text must be valid UTF-8', {
      line: lineOf(text, offset),
      offset,
      cause,
    });
  }
}

/** Where the longest start that is UTF-8, or may become it, ends. */
function firstOutsideUtf8(text: Bytes): number {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isStartOfUtf8(text.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function isStartOfUtf8(bytes: Bytes): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** The line, from 1, that holds the byte at `offset`. */
function lineOf(text: Bytes, offset: number): number {
  let line = 1;
  for (let at = 0; at < offset; at++) if (text[at] === LF) line++;
  return line;
}
