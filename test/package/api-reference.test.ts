import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderApi } from '../../scripts/api/markdown.ts';
import { type ApiEntry, readSurface } from '../../scripts/api/surface.ts';
import * as library from '../../src/descriptor/index.ts';
import {
  silentOnErrors,
  undocumented,
  unknownCodes,
  unnamedCodes,
  unnamedTypes,
  unplaced,
} from './docstring-rules.ts';

const ROOT = path.dirname(path.dirname(import.meta.dirname));
const SURFACE = readSurface(path.join(ROOT, 'src/descriptor/index.ts'));
const ENTRIES = SURFACE.flatMap(({ entries }) => entries);

/** The surface of a library of one module with this text. */
function fixture(text: string, exported = '{ f }'): ApiEntry[] {
  const files: Record<string, string> = {
    'lib/index.ts': `// # All\nexport ${exported} from './a.ts';`,
    'lib/a.ts': text,
  };
  return readSurface('lib/index.ts', file => files[file] ?? '').flatMap(({ entries }) => entries);
}

function documented(doc: string, body = ''): ApiEntry[] {
  return fixture(`/** ${doc} */\nexport function f(): void {${body}}\nfunction g(): void { throw bad(); }
    function bad(): DescriptorError { return new DescriptorError('BAD_KEY', 'no key'); }`);
}

describe('the public surface', () => {
  test('is what the module exports, and nothing is exported that the reference leaves out', () => {
    const values = ENTRIES.filter(({ kind }) => kind !== 'type').map(({ name }) => name.replace(/\..*/, ''));
    expect([...new Set(values)].sort()).toEqual(Object.keys(library).sort());
  });

  test('is named name by name: a bare "export *" is refused', () => {
    expect(() => fixture('export const a = 1;', '*')).toThrow('not deliberate');
  });

  test('of a namespace has the names that are not exported by themselves', () => {
    const files: Record<string, string> = {
      'index.ts':
        "// # All\nexport { a } from './x.ts'; export { b } from './y.ts'; export * as y from './y.ts';",
      'x.ts': 'export const a = 1;',
      'y.ts': 'export const a = 2, b = 3, c = 4;',
    };
    const groups = readSurface('index.ts', file => files[file] ?? '');
    expect(groups.flatMap(({ entries }) => entries.map(({ name }) => name))).toEqual([
      'a',
      'b',
      'y.a',
      'y.c',
    ]);
  });

  test('names every type that its signatures mention', () => {
    expect(unnamedTypes(ENTRIES)).toEqual([]);
    const text = 'export function f<T>(a: A, b: T, c: Uint8Array): void { let d: D; }';
    expect(unnamedTypes(fixture(text))).toEqual(['f: A']);
    expect(unnamedTypes(fixture('export interface f extends B { a: f }'))).toEqual(['f: B']);
  });

  test('has the signature without the body, and the docstring as one text', () => {
    expect(
      fixture('/**\n * One.\n * Two.\n */\nexport function f(a: number): string { return ""; }'),
    ).toMatchObject([
      { name: 'f', kind: 'function', signature: 'function f(a: number): string', doc: 'One. Two.' },
    ]);
    expect(fixture('/** Far. */\n\nexport const f: F = () => 1;')).toMatchObject([
      { kind: 'function', signature: 'const f: F', doc: '' },
    ]);
    expect(
      fixture('export class f<T> extends E { #a = 1; readonly b: T; constructor() { super(); } c(): T { } }'),
    ).toMatchObject([
      {
        kind: 'class',
        signature: 'class f<T> extends E {\n  readonly b: T;\n  constructor();\n  c(): T;\n}',
      },
    ]);
  });
});

describe('the reference', () => {
  test('docs/api.md is what the sources say; npm run api makes it', () => {
    expect(readFileSync(path.join(ROOT, 'docs/api.md'), 'utf8')).toBe(renderApi(SURFACE));
  });

  test('has one heading for every name', () => {
    const headings = renderApi(SURFACE).match(/^### .*$/gm);
    expect(headings).toEqual(ENTRIES.map(({ name }) => `### ${name}`));
  });
});

describe('docstrings', () => {
  test('stand at every public name', () => {
    expect(undocumented(ENTRIES)).toEqual([]);
    expect(undocumented(fixture('export const f = 1;'))).toEqual(['f']);
  });

  test('of functions name the section of a specification, or say that it is ours', () => {
    expect(unplaced(ENTRIES)).toEqual([]);
    expect(unplaced(documented('Does f, says rend-spec-v3.'))).toEqual(['f']);
    for (const doc of [
      'f of rend-spec-v3 §2.1.',
      'f (RFC 8032 §5.1.3).',
      'f. Ours.',
      'f, in no specification.',
    ]) {
      expect(unplaced(documented(doc))).toEqual([]);
    }
  });

  test('of functions say what they throw, or that they do not', () => {
    expect(silentOnErrors(ENTRIES)).toEqual([]);
    for (const doc of [
      'Does f.',
      'May fail with BAD_KEY.',
      'Throws at times.',
      'Does not throw. Throws BAD_KEY.',
    ]) {
      expect(silentOnErrors(documented(doc))).toEqual(['f']);
    }
    for (const doc of ['Throws BAD_KEY.', 'Does not throw.', 'Throws the codes of {@link g}.']) {
      expect(silentOnErrors(documented(doc))).toEqual([]);
    }
  });

  test('name only codes that exist', () => {
    const codes = library.DESCRIPTOR_ERROR_CODES;
    expect(unknownCodes(ENTRIES, codes)).toEqual([]);
    expect(unknownCodes(documented('Throws BAD_KEY, BAD_LUCK.'), codes)).toEqual(['f: BAD_LUCK']);
  });

  test('name every code that the function or a helper of its module throws', () => {
    expect(unnamedCodes(ENTRIES)).toEqual([]);
    const direct = "throw new DescriptorError('BAD_CERT', 'no');";
    expect(unnamedCodes(documented('Throws BAD_HEX.', `${direct} g();`))).toEqual([
      'f: BAD_CERT',
      'f: BAD_KEY',
    ]);
    expect(unnamedCodes(documented('Throws BAD_CERT, BAD_KEY.', `${direct} g();`))).toEqual([]);
    expect(unnamedCodes(documented('Does not throw.', 'try { g(); } catch {}'))).toEqual([]);
    expect(unnamedCodes(documented('Does not throw.', 'try {} catch { throw bad(); }'))).toEqual([
      'f: BAD_KEY',
    ]);
    const linked = [
      '/** Throws BAD_KEY. */',
      'export function g() {}',
      '/** Throws the codes of {@link g}. */',
      "export function f() { throw new DescriptorError('BAD_KEY', 'no'); }",
    ];
    expect(unnamedCodes(fixture(linked.join('\n'), '{ f, g }'))).toEqual([]);
    expect(unnamedCodes(fixture(linked.join('\n').replace('BAD_KEY', 'BAD_HEX'), '{ f, g }'))).toEqual([
      'f: BAD_KEY',
    ]);
  });
});
