import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Node,
} from 'yaml';
import { SignerError, type ProblemCode } from '../contract/problems.ts';

/** Where a value stands: line and column from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Every scalar is text; the reader of the key decides what the text must be. */
export interface YamlText extends Place {
  readonly kind: 'text';
  readonly text: string;
  readonly quoted: boolean;
}

export interface YamlList extends Place {
  readonly kind: 'list';
  readonly items: readonly YamlNode[];
}

/** `keys` has the place of each key, `entries` its value. */
export interface YamlMap extends Place {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, YamlNode>;
  readonly keys: ReadonlyMap<string, Place>;
}

export type YamlNode = YamlText | YamlList | YamlMap;

const MAX_FILE_CHARS = 1_048_576;
const MAX_DEPTH = 8;

/** A SignerError that begins with file, line and column. `message` says what to write instead, never the value. */
export function errorAt(code: ProblemCode, place: Place, message: string, cause?: unknown): SignerError {
  const { file, line, column } = place;
  return new SignerError(code, `${file}:${line}:${column}: ${message}`, {
    file,
    line,
    column,
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Parses a file whose top is a map, in a strict subset of YAML 1.2: one document, no anchors, aliases, tags,
 * merge keys, directives or duplicate keys, keys as plain text, at most 1 MiB and 8 levels. Nothing is resolved:
 * `no` is the text "no". SignerError YAML_SYNTAX, YAML_SUBSET or DUPLICATE_KEY with file, line and column.
 */
export function parseStrictYaml(text: string, file: string): YamlMap {
  const top = { file, line: 1, column: 1 };
  if (text.length > MAX_FILE_CHARS) throw errorAt('YAML_SYNTAX', top, 'keep the file below 1 MiB');
  const lineCounter = new LineCounter();
  const documents = parseDocuments(text, lineCounter, top);
  const reader = new YamlReader(file, lineCounter);
  if (!Array.isArray(documents) || documents.length === 0) {
    throw errorAt('YAML_SYNTAX', top, 'the file is empty; write `key: value` lines');
  }
  const [first, second] = documents as Document.Parsed[];
  if (first === undefined) throw errorAt('YAML_SYNTAX', top, 'the file is empty; write `key: value` lines');
  if (second !== undefined) {
    throw errorAt('YAML_SUBSET', reader.place(second.range[0]), 'write one document per file, without `---`');
  }
  return reader.document(first);
}

function parseDocuments(
  text: string,
  lineCounter: LineCounter,
  top: Place,
): ReturnType<typeof parseAllDocuments> {
  checkDepth(text, top);
  try {
    return parseAllDocuments(text, {
      lineCounter,
      version: '1.2',
      schema: 'failsafe',
      merge: false,
      strict: true,
      stringKeys: true,
      uniqueKeys: true,
      logLevel: 'error',
      prettyErrors: false,
    });
  } catch (cause) {
    // It collects what it finds wrong; what it throws is the end of its stack.
    throw errorAt('YAML_SUBSET', top, `nest at most ${MAX_DEPTH} levels`, cause);
  }
}

/** What follows in the lexer's output is the text of a scalar. */
const SCALAR = '\x1f';
/** More brackets inside one another, or list marks in one line, than any file of MAX_DEPTH levels has. */
const MAX_MARKS = 2 * MAX_DEPTH;

/** The parser takes a time that grows with the square of the depth: what is far too deep never comes to it. */
function checkDepth(text: string, top: Place): void {
  let [line, brackets, marks, isText] = [1, 0, 0, false];
  for (const token of new Lexer().lex(text)) {
    if (!isText) {
      if (token === '[' || token === '{') brackets++;
      else if (token === ']' || token === '}') brackets--;
      else if (brackets === 0 && (token === '-' || token === '?' || token === ':')) marks++;
    }
    if (brackets > MAX_MARKS || marks > MAX_MARKS) {
      throw errorAt('YAML_SUBSET', { ...top, line }, `nest at most ${MAX_DEPTH} levels`);
    }
    const ends = token.split('\n').length - 1;
    line += ends;
    if (ends > 0) marks = 0;
    isText = token === SCALAR;
  }
}

class YamlReader {
  readonly #file: string;
  readonly #lines: LineCounter;

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  document(document: Document.Parsed): YamlMap {
    // The subset comes first: the parser also reports a foreign tag, but as its own warning.
    if (document.directives?.docStart === true) {
      throw errorAt('YAML_SUBSET', this.place(0), 'leave out `---` and directives');
    }
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw this.#syntaxError(problem.code, problem.pos[0], problem);
    const contents = document.contents as Node | null;
    if (!isMap(contents)) throw errorAt('YAML_SYNTAX', this.place(0), 'write `key: value` lines at the top');
    return this.#map(contents, 0);
  }

  #syntaxError(code: string, offset: number, cause: unknown): SignerError {
    const place = this.place(offset);
    if (code === 'DUPLICATE_KEY') return errorAt('DUPLICATE_KEY', place, 'write each key once', cause);
    if (code.includes('TAG')) return errorAt('YAML_SUBSET', place, 'leave out the tag', cause);
    if (code.includes('ALIAS') || code.includes('ANCHOR')) {
      return errorAt('YAML_SUBSET', place, 'write the value out; anchors and aliases are not allowed', cause);
    }
    if (code === 'NON_STRING_KEY') return errorAt('YAML_SUBSET', place, 'write the key as plain text', cause);
    return errorAt('YAML_SYNTAX', place, 'this is not YAML; check indentation, colons and quotes', cause);
  }

  #node(node: unknown, depth: number, fallback: Place): YamlNode {
    const where = placeOffset(node);
    const place = where === undefined ? fallback : this.place(where);
    if (depth > MAX_DEPTH) throw errorAt('YAML_SUBSET', place, `nest at most ${MAX_DEPTH} levels`);
    this.#refuseDecoration(node, place);
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) {
      return { kind: 'list', ...place, items: node.items.map(item => this.#node(item, depth + 1, place)) };
    }
    if (isScalar(node) && typeof node.value === 'string' && (node.value !== '' || node.type !== 'PLAIN')) {
      return { kind: 'text', ...place, text: node.value, quoted: node.type !== 'PLAIN' };
    }
    throw errorAt('YAML_SYNTAX', place, 'write a value after the key, or indent the lines below it');
  }

  #map(node: { items: readonly { key: unknown; value: unknown }[] }, depth: number): YamlMap {
    const place = this.place(placeOffset(node) ?? 0);
    this.#refuseDecoration(node, place);
    const entries = new Map<string, YamlNode>();
    const keys = new Map<string, Place>();
    for (const pair of node.items) {
      const keyPlace = this.place(placeOffset(pair.key) ?? 0);
      this.#refuseDecoration(pair.key, keyPlace);
      if (!isScalar(pair.key) || typeof pair.key.value !== 'string') {
        throw errorAt('YAML_SUBSET', keyPlace, 'write the key as plain text');
      }
      const key = pair.key.value;
      if (key === '<<')
        throw errorAt('YAML_SUBSET', keyPlace, 'write the values out; merge keys are not allowed');
      if (entries.has(key)) throw errorAt('DUPLICATE_KEY', keyPlace, 'write each key once');
      entries.set(key, this.#node(pair.value, depth + 1, keyPlace));
      keys.set(key, keyPlace);
    }
    return { kind: 'map', ...place, entries, keys };
  }

  #refuseDecoration(node: unknown, place: Place): void {
    if (isAlias(node) || (isCollectionOrScalar(node) && node.anchor !== undefined)) {
      throw errorAt('YAML_SUBSET', place, 'write the value out; anchors and aliases are not allowed');
    }
    // Implied tags stay undefined, so each one seen here was written out.
    if (isCollectionOrScalar(node) && node.tag !== undefined) {
      throw errorAt('YAML_SUBSET', place, 'leave out the tag');
    }
  }
}

const isCollectionOrScalar = (node: unknown): node is Node & { anchor?: string; tag?: string } =>
  isMap(node) || isSeq(node) || isScalar(node);

function placeOffset(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined;
  const range = node.range as readonly number[] | null | undefined;
  return range?.[0];
}
