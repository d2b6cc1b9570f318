// Reads what TypeScript modules import, from their syntax tree: nothing is executed.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type SyntaxNode, isNode, parseModule, walk } from '../../scripts/api/syntax.ts';

/** One import, re-export, import type or require of a module. */
export interface ModuleImport {
  /** As written, such as ../descriptor/index.ts or node:net; undefined when it is computed at run time. */
  readonly specifier: string | undefined;
  /** Erased before the module runs. */
  readonly typeOnly: boolean;
  /** `import(…)`: loaded when it is reached, not before the module runs. */
  readonly dynamic?: true;
}

/** An import of one file; `target` is the imported file relative to the root, or the package or builtin name. */
export interface FileImport {
  readonly from: string;
  readonly target: string;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

/** Imports by file, both relative to the root, with forward slashes. */
export type ModuleGraph = ReadonlyMap<string, readonly FileImport[]>;

/** Every import of the module text, static, type-only and dynamic. Throws when the text does not parse. */
export function readImports(fileName: string, text: string): ModuleImport[] {
  const found: ModuleImport[] = [];
  for (const statement of parseModule(fileName, text).body) {
    walk(statement, node => {
      const imported = importOf(node);
      if (imported !== undefined) found.push(imported);
      return true;
    });
  }
  return found;
}

/** The graph of these source texts, by file name relative to the root. */
export function moduleGraph(sources: ReadonlyMap<string, string>): ModuleGraph {
  const graph = new Map<string, FileImport[]>();
  for (const [from, text] of sources) {
    const imports = readImports(from, text).map(({ specifier, typeOnly, dynamic = false }) => ({
      from,
      target: specifier === undefined ? '(computed)' : resolve(from, specifier),
      typeOnly,
      dynamic,
    }));
    graph.set(from, imports);
  }
  return graph;
}

/** All TypeScript files below a folder of the root, with their texts. */
export function readSources(root: string, folder: string): Map<string, string> {
  const sources = new Map<string, string>();
  if (!existsSync(path.join(root, folder))) return sources;
  for (const name of readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
    const file = path.posix.join(folder, name);
    if (file.endsWith('.ts')) sources.set(file, readFileSync(path.join(root, file), 'utf8'));
  }
  return sources;
}

/**
 * What `entries` load: our files, and packages and builtins by name. Type-only imports load nothing; with `atStart` only
 * what is loaded before the first of them runs counts.
 */
export function loadedBy(
  graph: ModuleGraph,
  entries: string | readonly string[],
  { atStart = false } = {},
): { files: string[]; packages: string[] } {
  const files = new Set<string>([entries].flat());
  const packages = new Set<string>();
  for (const file of files) {
    for (const { target, typeOnly, dynamic } of graph.get(file) ?? []) {
      if (typeOnly || (atStart && dynamic)) continue;
      if (graph.has(target) || target.startsWith('src/')) files.add(target);
      else packages.add(packageOf(target));
    }
  }
  return { files: [...files].sort(), packages: [...packages].sort() };
}

/** @noble/hashes/sha3.js becomes @noble/hashes; node:fs/promises stays as it is. */
export function packageOf(target: string): string {
  if (target.startsWith('node:')) return target;
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(from), specifier) : specifier;
}

function importOf(node: SyntaxNode): ModuleImport | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return { specifier: literal(node['source']), typeOnly: node['importKind'] === 'type' };
    case 'ExportNamedDeclaration':
      if (!isNode(node['source'])) return undefined;
      return { specifier: literal(node['source']), typeOnly: node['exportKind'] === 'type' };
    case 'ExportAllDeclaration':
      return { specifier: literal(node['source']), typeOnly: node['exportKind'] === 'type' };
    case 'ImportExpression':
      return { specifier: literal(node['source']), typeOnly: false, dynamic: true };
    case 'TSImportType':
      return { specifier: literal(node['source'] ?? node['argument']), typeOnly: true };
    case 'TSExternalModuleReference':
      return { specifier: literal(node['expression']), typeOnly: false };
    case 'CallExpression':
      return isRequire(node['callee']) ? { specifier: firstArgument(node), typeOnly: false } : undefined;
    default:
      return undefined;
  }
}

/** require(…), something.require(…), createRequire(…)(…), process.getBuiltinModule(…). */
function isRequire(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee.type === 'Identifier') return callee['name'] === 'require';
  if (callee.type === 'CallExpression') {
    return isNode(callee['callee']) && callee['callee']['name'] === 'createRequire';
  }
  if (callee.type !== 'MemberExpression' || !isNode(callee['property'])) return false;
  return callee['property']['name'] === 'require' || callee['property']['name'] === 'getBuiltinModule';
}

function firstArgument(node: SyntaxNode): string | undefined {
  const list = node['arguments'];
  return Array.isArray(list) ? literal(list[0]) : undefined;
}

function literal(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'TSLiteralType') return literal(node['literal']);
  return typeof node['value'] === 'string' ? node['value'] : undefined;
}
