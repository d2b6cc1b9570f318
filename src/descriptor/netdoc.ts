import { type Bytes, decodeBase64, wrapBase64 } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { checkCharacters, decodeText } from './netdoc-text.ts';

/** The object that may follow a keyword line: what stands between its BEGIN and END lines, decoded. */
export interface NetdocObject {
  readonly label: string;
  readonly bytes: Bytes;
}

/** One item of a document: a keyword line and the object after it (dir-spec §1.2). */
export interface NetdocItem {
  readonly keyword: string;
  readonly args: readonly string[];
  /** The line after the keyword and one space, as it stands. */
  readonly rest: string;
  readonly object?: NetdocObject;
  /** From 1. */
  readonly line: number;
  /** Where the keyword starts, in bytes from 0. */
  readonly offset: number;
}

/** How often a keyword may occur, how many arguments it takes, which object it needs and where it stands. */
export interface KeywordRule {
  readonly count: 'one' | 'optional' | 'some' | 'any' | 'elsewhere';
  readonly args?: { readonly min?: number; readonly max?: number };
  /** Label of the object that must follow. Without it none may. */
  readonly object?: string;
  readonly place?: 'first' | 'last';
}

/** The rules of one document or section, by keyword. Keywords without a rule are kept, not judged. */
export type KeywordRules<K extends string> = Readonly<Record<K, KeywordRule>>;

/** Items of one document or section, sorted by keyword and found to keep its rules. */
export interface NetdocSection<K extends string> {
  /** Every item with the keyword, in order. */
  all(keyword: K): readonly NetdocItem[];
  /** The first item with the keyword. */
  optional(keyword: K): NetdocItem | undefined;
  /** The only item with the keyword. Throws MISSING_ITEM where the rules do not promise one. */
  one(keyword: K): NetdocItem;
  /** Items that no rule knows. */
  readonly unknown: readonly NetdocItem[];
}

const KEYWORD = /^[A-Za-z0-9][A-Za-z0-9-]*$/;
const BEGIN_LINE = /^-----BEGIN ([A-Z0-9]+(?: [A-Z0-9]+)*)-----$/;
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/;
const COLUMNS = 64;
const LF = 0x0a;

/**
 * Splits a document into items. The text is UTF-8 without control characters but LF, has no empty line and nothing
 * outside items; the last LF may be missing, as in tor's middle layer. Objects are canonical base64 in full lines of
 * 64 columns. The legacy prefix `opt`, which tor skips, is refused.
 * Throws BAD_UTF8, BAD_SYNTAX, BAD_BASE64 with line and offset: those of the line at fault, of the BEGIN line for an
 * object, of the very byte for a control character and for what is not UTF-8.
 */
export function parseNetdoc(text: Bytes): NetdocItem[] {
  const items: NetdocItem[] = [];
  try {
    parseItems(text, items);
    return items;
  } catch (error) {
    // A control character goes before every other fault.
    checkCharacters(text);
    throw error;
  }
}

/** What stands in a document before its first fault: never throws, and says nothing about the fault. */
export function readableItems(text: Bytes): NetdocItem[] {
  const items: NetdocItem[] = [];
  try {
    parseItems(text, items);
  } catch {
    const wide = text.findIndex(byte => byte >= 0x80);
    // Bytes that are no UTF-8 hide all items: those before them are read apart.
    if (items.length === 0 && wide > 0)
      return readableItems(text.subarray(0, text.lastIndexOf(LF, wide) + 1));
  }
  return items;
}

/** Adds item after item, so that those before a fault are there when it throws. */
function parseItems(text: Bytes, items: NetdocItem[]): void {
  const decoded = decodeText(text);
  const ascii = decoded.length === text.length;
  const lines = decoded.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw syntax('the document is empty', 1, 0);
  let offset = 0;
  for (let at = 0; at < lines.length; ) {
    const head = parseLine(lines[at] ?? '', at + 1, offset);
    const begin = offset + byteLength(lines[at] ?? '', ascii) + 1;
    const next = lines[at + 1]?.startsWith('-----') === true ? endOfObject(lines, at + 1, begin) : at + 1;
    items.push(next === at + 1 ? head : { ...head, object: parseObject(lines, at + 1, next, begin) });
    for (; at < next; at++) offset += byteLength(lines[at] ?? '', ascii) + 1;
  }
}

/**
 * Judges the items of one document or section. Throws MISSING_ITEM, DUPLICATE_ITEM, and BAD_SYNTAX for a keyword at
 * the wrong place, with the wrong number of arguments or the wrong object.
 */
export function checkItems<K extends string>(
  items: readonly NetdocItem[],
  rules: KeywordRules<K>,
): NetdocSection<K> {
  const table = tableOf(rules);
  const found = new Map<string, NetdocItem[]>();
  const unknown: NetdocItem[] = [];
  for (const [index, item] of items.entries()) {
    const rule = table.get(item.keyword);
    if (rule === undefined) {
      unknown.push(item);
      continue;
    }
    checkItem(item, rule, index === 0, index === items.length - 1);
    const same = found.get(item.keyword);
    if (same === undefined) found.set(item.keyword, [item]);
    else if (rule.count === 'some' || rule.count === 'any') same.push(item);
    else throw new DescriptorError('DUPLICATE_ITEM', `${item.keyword} must not be repeated`, where(item));
  }
  for (const [keyword, rule] of table) {
    if ((rule.count === 'one' || rule.count === 'some') && !found.has(keyword)) throw missing(keyword);
  }
  return {
    all: keyword => found.get(keyword) ?? [],
    optional: keyword => found.get(keyword)?.[0],
    one: keyword => {
      const item = found.get(keyword)?.[0];
      if (item === undefined) throw missing(keyword);
      return item;
    },
    unknown,
  };
}

/** Rules by keyword: made once for each set of rules, of which there are a few constants. */
const tables = new WeakMap<object, ReadonlyMap<string, KeywordRule>>();

function tableOf(rules: Readonly<Record<string, KeywordRule>>): ReadonlyMap<string, KeywordRule> {
  const known = tables.get(rules);
  if (known !== undefined) return known;
  const table = new Map(Object.entries(rules));
  tables.set(rules, table);
  return table;
}

/** The bytes of the object that the rules promised. Throws MISSING_ITEM. */
export function objectOf(item: NetdocItem): Bytes {
  if (item.object === undefined) throw missing(`the object of ${item.keyword}`);
  return item.object.bytes;
}

/** Argument `index` from 0 that the rules promised. Throws MISSING_ITEM. */
export function argOf(item: NetdocItem, index: number): string {
  const arg = item.args[index];
  if (arg === undefined) throw missing(`argument ${index + 1} of ${item.keyword}`);
  return arg;
}

/** An unsigned decimal without sign or leading zeros, at most `max`. Throws BAD_INTEGER. */
export function parseDecimal(text: string, max: bigint, item?: NetdocItem): bigint {
  const value = DECIMAL.test(text) ? BigInt(text) : undefined;
  if (value === undefined || value > max) {
    const what = item === undefined ? 'an integer' : `the integer of ${item.keyword}`;
    throw new DescriptorError('BAD_INTEGER', `${what} must be decimal, from 0 to ${max}`, where(item));
  }
  return value;
}

/** Line and offset of an item, for an error. */
export function where(item: NetdocItem | undefined): { line?: number; offset?: number } {
  return item === undefined ? {} : { line: item.line, offset: item.offset };
}

/** Runs `read` on what an item holds; a refusal without a line comes out with line and offset of the item. */
export function atItem<T>(item: NetdocItem, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DescriptorError) || error.line !== undefined) throw error;
    throw new DescriptorError(error.code, error.message, { ...where(item), cause: error });
  }
}

/** An object as it follows a keyword line, with the LF after its END line. */
export function encodeObject(label: string, bytes: Bytes): string {
  return `-----BEGIN ${label}-----\n${wrapBase64(bytes)}-----END ${label}-----\n`;
}

function checkItem(item: NetdocItem, rule: KeywordRule, isFirst: boolean, isLast: boolean): void {
  const { keyword, args, object } = item;
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = rule.args ?? { max: 0 };
  const fault =
    rule.count === 'elsewhere'
      ? 'does not belong into this section'
      : args.length < min || args.length > max
        ? 'has too few or too many arguments'
        : object?.label !== rule.object
          ? 'must be followed by the object that belongs to it and by no other'
          : (rule.place === 'first' && !isFirst) || (rule.place === 'last' && !isLast)
            ? `must be the ${rule.place} item`
            : undefined;
  if (fault !== undefined) throw syntax(`${keyword} ${fault}`, item.line, item.offset);
}

/** Of keyword lines alone: objects are compared with canonical base64, their first and last lines with text. */
function hasControlCharacter(line: string): boolean {
  for (let at = 0; at < line.length; at++) {
    const unit = line.charCodeAt(at);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}

function parseLine(line: string, number: number, offset: number): NetdocItem {
  const space = line.indexOf(' ');
  const keyword = space < 0 ? line : line.slice(0, space);
  if (!KEYWORD.test(keyword) || keyword === 'opt')
    throw syntax('a line must start with a keyword', number, offset);
  if (hasControlCharacter(line)) throw syntax('text must hold no control character but LF', number, offset);
  const rest = space < 0 ? '' : line.slice(space + 1);
  return { keyword, args: rest.split(' ').filter(arg => arg !== ''), rest, line: number, offset };
}

/** Index of the line after the END line of the object whose BEGIN line has index `begin`. */
function endOfObject(lines: readonly string[], begin: number, offset: number): number {
  for (let at = begin + 1; at < lines.length; at++) {
    if (lines[at]?.startsWith('-----') === true) return at + 1;
  }
  throw syntax('an object must have an END line', begin + 1, offset);
}

function parseObject(lines: readonly string[], begin: number, end: number, offset: number): NetdocObject {
  const label = BEGIN_LINE.exec(lines[begin] ?? '')?.[1];
  if (label === undefined || lines[end - 1] !== `-----END ${label}-----`) {
    throw syntax('an object must have a BEGIN line and the END line of the same name', begin + 1, offset);
  }
  const body = lines.slice(begin + 1, end - 1);
  const isFull = (line: string, at: number): boolean =>
    at < body.length - 1 ? line.length === COLUMNS : line.length > 0 && line.length <= COLUMNS;
  if (body.length === 0 || !body.every(isFull))
    throw syntax('an object must have lines of 64 columns', begin + 1, offset);
  try {
    return { label, bytes: decodeBase64(body.join('')) };
  } catch (cause) {
    throw new DescriptorError('BAD_BASE64', 'an object must be canonical base64', {
      line: begin + 1,
      offset,
      cause,
    });
  }
}

function byteLength(line: string, ascii: boolean): number {
  return ascii ? line.length : new TextEncoder().encode(line).length;
}

function missing(what: string): DescriptorError {
  return new DescriptorError('MISSING_ITEM', `${what} is missing`);
}

function syntax(message: string, line: number, offset: number): DescriptorError {
  return new DescriptorError('BAD_SYNTAX', message, { line, offset });
}
