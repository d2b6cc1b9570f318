// The rules of who may import what, as functions from a module graph to the violations found.

import type { FileImport, ModuleGraph } from './module-graph.ts';
import { packageOf } from './module-graph.ts';

/** The one file that may import each of these packages. */
const ONE_IMPORTER: Readonly<Record<string, string>> = {
  pkcs11js: 'src/pkcs11/pkcs11js.ts',
  'graphene-pk11': 'src/pkcs11/graphene.ts',
  'sodium-native': 'src/pkcs11/locked-memory.ts',
};

/** The files of the descriptor library that may name hash, cipher and curve implementations. */
const PRIMITIVES = /^src\/descriptor\/(primitives|second-opinion|noble-verify)\.ts$/;

const FOLDER_RULES: readonly { readonly importer: RegExp; readonly allowed: RegExp }[] = [
  { importer: /^src\/descriptor\//, allowed: /^src\/descriptor\// },
  { importer: /^src\/pkcs11\//, allowed: /^src\/(pkcs11\/|descriptor\/index\.ts$)/ },
  {
    importer: /^src\/signer\/(serve\.ts$|commands\/)/,
    allowed: /^src\/(signer\/|pkcs11\/|descriptor\/index\.ts$)/,
  },
  {
    importer: /^src\/signer\/(?!serve\.ts$|config\.ts$|commands\/)/,
    allowed: /^src\/(signer\/|descriptor\/index\.ts$)/,
  },
  // Reading configuration loads no cryptography: of the library it has the lengths of time periods.
  { importer: /^src\/signer\/config\.ts$/, allowed: /^src\/(signer\/|descriptor\/time\.ts$)/ },
  {
    importer: /^src\/publisher\//,
    allowed: /^src\/(publisher\/|signer\/contract\/|signer\/program\/|descriptor\/index\.ts$)/,
  },
];

/** Imports between our folders that the table does not allow. */
export function folderViolations(graph: ModuleGraph): string[] {
  return violations(graph, ({ from, target }) => {
    // By its own name the package would be a second way to the descriptor library, and a built one.
    if (packageOf(target) === 'onion-signer') return true;
    if (!target.startsWith('src/')) return false;
    const rules = FOLDER_RULES.filter(({ importer }) => importer.test(from));
    return rules.length === 0 || !rules.every(({ allowed }) => allowed.test(target));
  });
}

/** Packages with one importer, imported by another file. */
export function importerViolations(graph: ModuleGraph): string[] {
  return violations(graph, ({ from, target }) => {
    const importer = ONE_IMPORTER[packageOf(target)];
    return importer !== undefined && importer !== from;
  });
}

/** Uses of node:crypto in the descriptor library, and of @noble anywhere, outside the files for primitives. */
export function primitiveViolations(graph: ModuleGraph): string[] {
  return violations(graph, ({ from, target }) => {
    if (PRIMITIVES.test(from)) return false;
    if (target.startsWith('@noble/')) return true;
    return from.startsWith('src/descriptor/') && target.replace(/^node:/, '') === 'crypto';
  });
}

/** Everything that the pure descriptor library imports beyond itself and the primitives. */
export function purityViolations(graph: ModuleGraph): string[] {
  return violations(graph, ({ from, target }) => {
    if (!from.startsWith('src/descriptor/') || target.startsWith('src/')) return false;
    return !(PRIMITIVES.test(from) && (target === 'node:crypto' || target.startsWith('@noble/')));
  });
}

/** Builtins named without their prefix, and modules whose name is computed at run time. */
export function unclearViolations(graph: ModuleGraph, builtins: readonly string[]): string[] {
  return violations(
    graph,
    ({ target }) => target === '(computed)' || (!target.startsWith('node:') && builtins.includes(target)),
  );
}

function violations(graph: ModuleGraph, broken: (one: FileImport) => boolean): string[] {
  return [...graph.values()]
    .flat()
    .filter(broken)
    .map(({ from, target }) => `${from} imports ${target}`);
}
