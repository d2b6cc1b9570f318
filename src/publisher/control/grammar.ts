import { ControlError } from './error.ts';

/** One line of a reply. Text is Latin-1: one character per byte, nothing lost. */
export interface ReplyLine {
  readonly text: string;
  /** Of a `NNN+` line: the data that follows, dots unstuffed, every line ended by LF. */
  readonly data?: string;
}

/** A whole reply or event (control-spec §2.3). All its lines share one status. */
export interface Reply {
  readonly status: number;
  /** At least one; the last is the end line. */
  readonly lines: readonly ReplyLine[];
}

export interface ReplyBounds {
  /** Longest line in bytes, without its end. */
  readonly maxLineBytes: number;
  /** Longest reply in bytes, all lines with their ends. */
  readonly maxReplyBytes: number;
}

/** Room for the whole network's microdescriptors several times over. */
export const DEFAULT_REPLY_BOUNDS: ReplyBounds = { maxLineBytes: 64 * 1024, maxReplyBytes: 64 * 1024 * 1024 };

const LF = 0x0a;
const CR = 0x0d;

/** Turns the byte stream from tor into replies (control-spec §2.3), holding no more than `bounds` allow. */
export class ReplyParser {
  readonly #bounds: ReplyBounds;
  #partial: Buffer = Buffer.alloc(0);
  #replyBytes = 0;
  #status: number | undefined;
  #lines: ReplyLine[] = [];
  #open: { text: string; data: string[] } | undefined;

  constructor(bounds: ReplyBounds = DEFAULT_REPLY_BOUNDS) {
    this.#bounds = bounds;
  }

  /**
   * Takes the next bytes from tor, cut anywhere; returns the replies completed by them, in order.
   * Throws CONTROL_SYNTAX or CONTROL_TOO_LONG; the parser is useless afterwards.
   */
  push(chunk: Buffer): Reply[] {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    const replies: Reply[] = [];
    let from = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, from)) {
      this.#count(end - from + 1);
      const reply = this.#takeLine(this.#line(bytes, from, end));
      if (reply !== undefined) replies.push(reply);
      from = end + 1;
    }
    // +1: the CR of a line of exactly the bound may have come without its LF.
    if (bytes.length - from > this.#bounds.maxLineBytes + 1) throw tooLong('line');
    this.#partial = Buffer.from(bytes.subarray(from));
    return replies;
  }

  #count(bytes: number): void {
    this.#replyBytes += bytes;
    if (this.#replyBytes > this.#bounds.maxReplyBytes) throw tooLong('reply');
  }

  #line(bytes: Buffer, from: number, end: number): string {
    // Before its end is looked at: the verdict must not depend on where the stream was cut.
    if (end - from > this.#bounds.maxLineBytes + 1) throw tooLong('line');
    if (end === from || bytes[end - 1] !== CR) throw syntax('A line does not end with CR LF.');
    return bytes.toString('latin1', from, end - 1);
  }

  #takeLine(line: string): Reply | undefined {
    if (this.#open !== undefined) {
      this.#takeDataLine(this.#open, line);
      return undefined;
    }
    const match = /^([1-6][0-9]{2})([-+ ])(.*)$/su.exec(line);
    if (match === null) throw syntax('A reply line does not begin with a status.');
    const status = Number(match[1]);
    if (this.#status !== undefined && this.#status !== status) throw syntax('Two statuses in one reply.');
    this.#status = status;
    const text = match[3] ?? '';
    if (match[2] === '+') {
      this.#open = { text, data: [] };
      return undefined;
    }
    this.#lines.push({ text });
    return match[2] === ' ' ? this.#finish(status) : undefined;
  }

  #takeDataLine(open: { text: string; data: string[] }, line: string): void {
    if (line !== '.') {
      open.data.push(line.startsWith('.') ? line.slice(1) : line, '\n');
      return;
    }
    this.#lines.push({ text: open.text, data: open.data.join('') });
    this.#open = undefined;
  }

  #finish(status: number): Reply {
    const reply = { status, lines: this.#lines };
    this.#lines = [];
    this.#status = undefined;
    this.#replyBytes = 0;
    return reply;
  }
}

/**
 * The bytes of a command of one line (control-spec §2.2). Throws CONTROL_ARGUMENT unless all is printable ASCII:
 * a line end in an argument would be a second command.
 */
export function formatCommand(line: string): Buffer {
  if (!/^[\x20-\x7e]+$/u.test(line)) {
    throw new ControlError('CONTROL_ARGUMENT', 'A command must be printable ASCII on one line.');
  }
  return Buffer.from(`${line}\r\n`, 'latin1');
}

/**
 * The bytes of a command with data (`+KEYWORD …`, control-spec §2.2): CR LF line ends, leading dots doubled, end dot.
 * `data` is ASCII with LF line ends, the last one included. Throws CONTROL_ARGUMENT.
 */
export function formatDataCommand(line: string, data: string): Buffer {
  if (!/^(?:[\t\x20-\x7e]*\n)+$/u.test(data)) {
    throw new ControlError('CONTROL_ARGUMENT', 'Data must be ASCII lines, each ended by one line feed.');
  }
  const stuffed = data.replace(/^\./gmu, '..').replaceAll('\n', '\r\n');
  return Buffer.concat([formatCommand(`+${line}`), Buffer.from(`${stuffed}.\r\n`, 'latin1')]);
}

/** The arguments of a reply line, split. */
export interface ReplyArguments {
  readonly positional: readonly string[];
  readonly keywords: ReadonlyMap<string, string>;
}

/**
 * Splits `A B KEY=value KEY="quoted value"` (control-spec §2.1.1 QuotedString, C escapes undone).
 * Throws CONTROL_SYNTAX on a repeated keyword or an open quote.
 */
export function parseReplyArguments(text: string): ReplyArguments {
  const token =
    /(?:([A-Za-z][A-Za-z0-9_-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)|("(?:[^"\\]|\\.)*"|[^\s"]+))(?:\x20+|$)/suy;
  const positional: string[] = [];
  const keywords = new Map<string, string>();
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (match === null) throw syntax('An argument of a reply cannot be read.');
    const keyword = match[1];
    const raw = match[2] ?? match[3] ?? '';
    const value = raw.startsWith('"') ? unquote(raw) : raw;
    if (keyword === undefined) positional.push(value);
    else if (keywords.has(keyword)) throw syntax('A keyword is repeated in one reply line.');
    else keywords.set(keyword, value);
  }
  return { positional, keywords };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\([0-7]{1,3}|.)/gsu, (_, escape: string) => {
    if (/^[0-7]/u.test(escape)) return String.fromCodePoint(Number.parseInt(escape, 8) & 0xff);
    return ESCAPES[escape] ?? escape;
  });
}

function syntax(message: string): ControlError {
  return new ControlError('CONTROL_SYNTAX', `${message} Is the endpoint a tor control port?`);
}

function tooLong(what: 'line' | 'reply'): ControlError {
  return new ControlError('CONTROL_TOO_LONG', `A ${what} from the control port exceeds its bound.`);
}
