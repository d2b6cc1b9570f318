import { SignerError, type ProblemCode } from './problems.ts';

/** Deepest nesting of arrays and objects; the deepest body of the API has five. */
export const MAX_JSON_DEPTH = 16;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// Everything but the quote, the backslash and the control characters, which JSON forbids in strings.
// oxlint-disable-next-line no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * Parses one JSON text (RFC 8259) from untrusted bytes, more strictly than JSON.parse: UTF-8 only and no byte
 * order mark, no key twice in one object, at most MAX_JSON_DEPTH levels, no integer beyond 2^53 − 1, no lone
 * surrogate. Objects come without a prototype. Gives the value; SignerError with `offset` (bytes) and
 * REQUEST_SCHEMA at the first of more than `maxValues` values of any kind, JSON_ENCODING, JSON_SYNTAX, JSON_DUPLICATE_KEY, JSON_DEPTH or JSON_NUMBER otherwise.
 */
export function parseStrictJson(bytes: Uint8Array, maxValues = Infinity): unknown {
  return new JsonReader(decodeUtf8(bytes), maxValues).document();
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SignerError('JSON_ENCODING', 'send the body as UTF-8', { cause, offset: firstBadByte(bytes) });
  }
}

/** The longest valid prefix: a streaming decoder accepts a cut sequence at the end, so this is monotone. */
function firstBadByte(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return good;
}

class JsonReader {
  readonly #text: string;
  readonly #maxValues: number;
  #values = 0;
  #at = 0;

  constructor(text: string, maxValues: number) {
    this.#text = text;
    this.#maxValues = maxValues;
  }

  document(): unknown {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#error('JSON_SYNTAX', 'remove what follows the value');
    return value;
  }

  #value(depth: number): unknown {
    this.#space();
    this.#values += 1;
    if (this.#values > this.#maxValues)
      throw this.#error('REQUEST_SCHEMA', `send at most ${this.#maxValues} values`);
    const start = this.#text[this.#at];
    if (start === '{' || start === '[') {
      if (depth >= MAX_JSON_DEPTH) throw this.#error('JSON_DEPTH', `nest at most ${MAX_JSON_DEPTH} levels`);
      return start === '{' ? this.#object(depth + 1) : this.#array(depth + 1);
    }
    if (start === '"') return this.#string();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(depth: number): unknown {
    const object = Object.create(null) as Record<string, unknown>;
    this.#at += 1;
    if (this.#take('}')) return object;
    do {
      this.#space();
      const keyAt = this.#at;
      if (this.#text[this.#at] !== '"') throw this.#error('JSON_SYNTAX', 'write a key in double quotes');
      const key = this.#string();
      if (Object.hasOwn(object, key)) throw this.#error('JSON_DUPLICATE_KEY', 'write each key once', keyAt);
      if (!this.#take(':')) throw this.#error('JSON_SYNTAX', 'write a colon after the key');
      object[key] = this.#value(depth);
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#error('JSON_SYNTAX', 'close the object');
    return object;
  }

  #array(depth: number): unknown {
    const array: unknown[] = [];
    this.#at += 1;
    if (this.#take(']')) return array;
    do {
      array.push(this.#value(depth));
    } while (this.#take(','));
    if (!this.#take(']')) throw this.#error('JSON_SYNTAX', 'close the array');
    return array;
  }

  #string(): string {
    const start = this.#at;
    const parts: string[] = [];
    this.#at += 1;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      const plain = PLAIN.exec(this.#text)?.[0] ?? '';
      parts.push(plain);
      this.#at += plain.length;
      const end = this.#text[this.#at];
      if (end === '"') break;
      if (end !== '\\') throw this.#error('JSON_SYNTAX', 'close the string and escape control characters');
      parts.push(this.#escape());
    }
    this.#at += 1;
    const text = parts.join('');
    if (!text.isWellFormed()) throw this.#error('JSON_SYNTAX', 'write surrogates in pairs', start);
    return text;
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits))
        throw this.#error('JSON_SYNTAX', 'write four hex digits after \\u');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const character = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (character === undefined) throw this.#error('JSON_SYNTAX', 'use only the escapes of JSON');
    this.#at += 2;
    return character;
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const digits = NUMBER.exec(this.#text)?.[0];
    if (digits === undefined) throw this.#error('JSON_SYNTAX', 'write a JSON value here');
    const value = Number(digits);
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw this.#error('JSON_NUMBER', 'write large integers as strings');
    }
    this.#at += digits.length;
    return value;
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #error(code: ProblemCode, message: string, at = this.#at): SignerError {
    return new SignerError(code, message, { offset: Buffer.byteLength(this.#text.slice(0, at)) });
  }
}
