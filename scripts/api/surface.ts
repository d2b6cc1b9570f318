// What an entry module exports: every name with its declaration, signature and docstring, in groups.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Syntax, type SyntaxNode, child, nameOf, nodes, parseModule } from './syntax.ts';

/** One exported name. */
export interface ApiEntry {
  /** As a program writes it: `parseCert`, `invariants.checkHorizon`. */
  readonly name: string;
  readonly kind: 'function' | 'class' | 'type' | 'constant';
  /** TypeScript, without the bodies of functions. */
  readonly signature: string;
  /** The docstring as one text, without the marks of a comment; empty when there is none. */
  readonly doc: string;
  /** The declaration, and the module that it stands in. */
  readonly node: SyntaxNode;
  readonly module: Syntax;
}

/** The names below one heading, a comment `// # …` of the entry module. */
export interface ApiGroup {
  readonly title: string;
  readonly entries: readonly ApiEntry[];
}

const HEADING = /^ # (.*)$/;

/** Gives the text of a module by its path. */
export type ReadText = (file: string) => string;

/** Parses modules by path, each once. */
class Modules {
  readonly #read: ReadText;
  readonly #parsed = new Map<string, Syntax>();

  constructor(read: ReadText) {
    this.#read = read;
  }

  get(file: string): Syntax {
    const known = this.#parsed.get(file);
    if (known !== undefined) return known;
    const module = parseModule(file, this.#read(file));
    this.#parsed.set(file, module);
    return module;
  }
}

/**
 * The surface of an entry module that exports from other modules name by name. A namespace (`export * as x`) adds the
 * names of its module that are not exported by themselves. Throws when a name has no heading or no declaration.
 */
export function readSurface(
  entryFile: string,
  read: ReadText = file => readFileSync(file, 'utf8'),
): ApiGroup[] {
  const modules = new Modules(read);
  const entry = modules.get(entryFile);
  const groups = new Map<string, ApiEntry[]>();
  const own = new Set<string>();
  for (const statement of entry.body) {
    if (statement.type !== 'ExportNamedDeclaration') continue;
    for (const { local, exported } of specifiers(statement)) {
      own.add(local);
      const declared = declaration(modules, sourceOf(entry, statement), local);
      groupOf(entry, statement, groups).push(describe(declared, exported));
    }
  }
  for (const statement of entry.body) {
    if (statement.type !== 'ExportAllDeclaration') continue;
    const prefix = nameOf(child(statement, 'exported'));
    if (prefix === '') throw new Error(`${entryFile}: name what is exported, "export *" is not deliberate`);
    const source = sourceOf(entry, statement);
    for (const name of declaredNames(modules.get(source))) {
      if (own.has(name) && !clashes(modules, entry, source, name)) continue;
      const declared = declaration(modules, source, name);
      groupOf(entry, statement, groups).push(describe(declared, `${prefix}.${name}`));
    }
  }
  return [...groups].map(([title, entries]) => ({ title, entries }));
}

/** Whether the entry module exports the name from another module than this one. */
function clashes(modules: Modules, entry: Syntax, source: string, name: string): boolean {
  return entry.body.some(
    statement =>
      statement.type === 'ExportNamedDeclaration' &&
      specifiers(statement).some(({ local }) => local === name) &&
      declaration(modules, sourceOf(entry, statement), name).module.file !== source,
  );
}

function groupOf(entry: Syntax, statement: SyntaxNode, groups: Map<string, ApiEntry[]>): ApiEntry[] {
  const titles = entry.comments
    .filter(({ end }) => end <= statement.start)
    .flatMap(({ value }) => HEADING.exec(value)?.[1] ?? []);
  const title = titles.at(-1);
  if (title === undefined) throw new Error(`${entry.file}: put exports below a heading "// # …"`);
  const group = groups.get(title) ?? [];
  groups.set(title, group);
  return group;
}

interface Declared {
  readonly module: Syntax;
  readonly statement: SyntaxNode;
  readonly node: SyntaxNode;
}

/** The declaration of a name, through modules that pass it on. */
function declaration(modules: Modules, file: string, name: string): Declared {
  const module = modules.get(file);
  for (const statement of module.body) {
    if (statement.type !== 'ExportNamedDeclaration') continue;
    const node = child(statement, 'declaration');
    if (node !== undefined && namesOf(node).includes(name)) return { module, statement, node };
    const passed = specifiers(statement).find(({ exported }) => exported === name);
    if (passed !== undefined && child(statement, 'source') !== undefined) {
      return declaration(modules, sourceOf(module, statement), passed.local);
    }
  }
  throw new Error(`${file} does not declare ${name}`);
}

function declaredNames(module: Syntax): string[] {
  return module.body
    .filter(({ type }) => type === 'ExportNamedDeclaration')
    .flatMap(statement => namesOf(child(statement, 'declaration')));
}

function namesOf(node: SyntaxNode | undefined): string[] {
  if (node === undefined) return [];
  if (node.type !== 'VariableDeclaration') return [nameOf(child(node, 'id'))];
  return nodes(node['declarations']).map(each => nameOf(child(each, 'id')));
}

function specifiers(statement: SyntaxNode): { local: string; exported: string }[] {
  return nodes(statement['specifiers']).map(each => ({
    local: nameOf(child(each, 'local')),
    exported: nameOf(child(each, 'exported')),
  }));
}

function sourceOf(module: Syntax, statement: SyntaxNode): string {
  return path.join(path.dirname(module.file), nameOf(child(statement, 'source')));
}

function describe({ module, statement, node }: Declared, name: string): ApiEntry {
  return {
    name,
    kind: kindOf(node),
    signature: signatureOf(module, node),
    doc: docOf(module, statement),
    node,
    module,
  };
}

function kindOf(node: SyntaxNode): ApiEntry['kind'] {
  if (node.type === 'FunctionDeclaration') return 'function';
  if (node.type === 'ClassDeclaration') return 'class';
  if (node.type !== 'VariableDeclaration') return 'type';
  const [first] = nodes(node['declarations']);
  return child(first, 'init')?.type === 'ArrowFunctionExpression' ? 'function' : 'constant';
}

/** The text of a declaration without function bodies, private members and long values. */
function signatureOf({ text }: Syntax, node: SyntaxNode): string {
  if (node.type === 'FunctionDeclaration') return text.slice(node.start, child(node, 'body')?.start).trim();
  if (node.type === 'ClassDeclaration') return classSignature(text, node);
  if (node.type !== 'VariableDeclaration') return text.slice(node.start, node.end).replace(/;$/, '');
  const [first] = nodes(node['declarations']);
  const id = child(first, 'id');
  const type = child(id, 'typeAnnotation');
  if (first === undefined || id === undefined) return '';
  const isFunction = kindOf(node) === 'function' && type !== undefined;
  return `const ${isFunction ? text.slice(id.start, type.end) : text.slice(first.start, first.end)}`;
}

function classSignature(text: string, node: SyntaxNode): string {
  const body = child(node, 'body');
  const members = nodes(body?.['body']).filter(member => child(member, 'key')?.type !== 'PrivateIdentifier');
  const lines = members.map(member => {
    const end = child(child(member, 'value'), 'body')?.start ?? member.end;
    return `  ${text.slice(member.start, end).trim().replace(/;$/, '')};`;
  });
  return `${text.slice(node.start, body?.start).trim()} {\n${lines.join('\n')}\n}`;
}

/** The comment that ends on the line before the statement. */
function docOf({ text, comments }: Syntax, statement: SyntaxNode): string {
  const comment = comments.findLast(
    ({ type, value, end }) =>
      type === 'Block' &&
      value.startsWith('*') &&
      end < statement.start &&
      text.slice(end, statement.start) === '\n',
  );
  return (comment?.value ?? '')
    .slice(1)
    .split('\n')
    .map(line => line.replace(/^\s*\* ?/, '').trim())
    .join(' ')
    .trim();
}
