import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  folderViolations,
  importerViolations,
  primitiveViolations,
  purityViolations,
  unclearViolations,
} from './setup/import-rules.ts';
import { loadedBy, moduleGraph, packageOf, readImports, readSources } from './setup/module-graph.ts';

const ROOT = path.dirname(import.meta.dirname);
const SOURCES = readSources(ROOT, 'src');
const GRAPH = moduleGraph(SOURCES);

/** A graph of one module with these lines. */
function fixture(file: string, ...lines: string[]) {
  return moduleGraph(new Map([[file, lines.join('\n')]]));
}

describe('reading imports', () => {
  test.each([
    ["import { a } from './x.ts';", './x.ts', false],
    ["import type { a } from './x.ts';", './x.ts', true],
    ["import './x.ts';", './x.ts', false],
    ["import a = require('./x.ts');", './x.ts', false],
    ["export * from './x.ts';", './x.ts', false],
    ["export type { a } from './x.ts';", './x.ts', true],
    ["let a: import('./x.ts').A;", './x.ts', true],
    ["await import('./x.ts');", './x.ts', false],
    ["createRequire(import.meta.url)('./x.ts');", './x.ts', false],
    ["process.getBuiltinModule('net');", 'net', false],
    ['await import(name);', undefined, false],
  ])('%s is one import', (line, specifier, typeOnly) => {
    const dynamic = line.includes('await import') ? { dynamic: true } : {};
    expect(readImports('a.ts', line)).toStrictEqual([{ specifier, typeOnly, ...dynamic }]);
  });

  test('comments and strings are not imports', () => {
    expect(
      readImports('a.ts', "// import './x.ts'\nconst a = \"import './x.ts'\"; /* require('x') */"),
    ).toEqual([]);
  });
});

describe('who may import what', () => {
  test('folders import only the folders below them, through index.ts', () => {
    expect(folderViolations(GRAPH)).toEqual([]);
  });

  test.each([
    ['src/descriptor/a.ts', "import type { A } from '../signer/a.ts';"],
    ['src/pkcs11/a.ts', "import { a } from '../signer/contract/a.ts';"],
    ['src/pkcs11/a.ts', "import { a } from '../descriptor/bytes.ts';"],
    ['src/signer/policy/a.ts', "let a: import('../../pkcs11/keyholder-client.ts').A;"],
    ['src/signer/a.ts', "await import('../publisher/a.ts');"],
    ['src/publisher/a.ts', "export { a } from '../signer/serve.ts';"],
    ['src/publisher/a.ts', "import { a } from '../pkcs11/uri.ts';"],
    ['src/publisher/a.ts', "import { a } from 'onion-signer/descriptor';"],
    ['src/other/a.ts', "import { a } from '../descriptor/index.ts';"],
  ])('a forbidden import in %s is found: %s', (file, line) => {
    expect(folderViolations(fixture(file, line))).toHaveLength(1);
  });

  test.each([
    ['src/signer/serve.ts', "import { a } from '../pkcs11/keyholder-client.ts';"],
    ['src/signer/commands/a.ts', "import { a } from '../../pkcs11/uri.ts';"],
    ['src/publisher/a.ts', "import { a } from '../signer/contract/a.ts'; import '../descriptor/index.ts';"],
  ])('an allowed import in %s is not: %s', (file, line) => {
    expect(folderViolations(fixture(file, line))).toEqual([]);
  });

  test('pkcs11js, graphene-pk11 and sodium-native have one importer each', () => {
    expect(importerViolations(GRAPH)).toEqual([]);
    expect(
      importerViolations(fixture('src/pkcs11/a.ts', "import type { Handle } from 'pkcs11js';")),
    ).toHaveLength(1);
    expect(importerViolations(fixture('src/signer/a.ts', "await import('graphene-pk11');"))).toHaveLength(1);
    expect(importerViolations(fixture('src/pkcs11/a.ts', "import s from 'sodium-native';"))).toHaveLength(1);
    expect(
      importerViolations(fixture('src/pkcs11/locked-memory.ts', "import s from 'sodium-native';")),
    ).toEqual([]);
  });

  test('hash, cipher and curve libraries are named only in the files for primitives', () => {
    expect(primitiveViolations(GRAPH)).toEqual([]);
    expect(primitiveViolations(fixture('src/descriptor/a.ts', "import 'node:crypto';"))).toHaveLength(1);
    expect(primitiveViolations(fixture('src/publisher/a.ts', "import '@noble/ed25519';"))).toHaveLength(1);
    expect(primitiveViolations(fixture('src/descriptor/primitives.ts', "import 'node:crypto';"))).toEqual([]);
  });

  test('the descriptor library is pure: it imports nothing but itself and the primitives', () => {
    expect(purityViolations(GRAPH)).toEqual([]);
    expect(purityViolations(fixture('src/descriptor/a.ts', "import 'node:fs';"))).toHaveLength(1);
    expect(purityViolations(fixture('src/descriptor/primitives.ts', "import 'node:fs';"))).toHaveLength(1);
    expect(purityViolations(fixture('src/descriptor/primitives.ts', "import 'node:crypto';"))).toEqual([]);
  });

  test('every import names its module in full', () => {
    expect(unclearViolations(GRAPH, builtinModules)).toEqual([]);
    expect(unclearViolations(fixture('src/signer/a.ts', 'await import(name);'), builtinModules)).toHaveLength(
      1,
    );
    expect(unclearViolations(fixture('src/signer/a.ts', "import 'fs';"), builtinModules)).toHaveLength(1);
  });
});

describe('what a command loads before it runs', () => {
  const packagesOf = (...entries: string[]): string[] =>
    loadedBy(GRAPH, entries, { atStart: true }).packages.filter(name => !name.startsWith('node:'));
  const SIGNER = 'src/signer/main.ts';
  const PUBLISHER = 'src/publisher/main.ts';

  test.each(['serve', 'look', 'tls'])('onion-signer, commands/%s.ts: its arguments and YAML', file => {
    expect(packagesOf(SIGNER, `src/signer/commands/${file}.ts`)).toEqual(['commander', 'yaml']);
  });

  test('onion-publisher: its arguments and YAML, and for `status` what reads the state', () => {
    expect(packagesOf(PUBLISHER)).toEqual(['commander', 'yaml']);
    const status = packagesOf(PUBLISHER, 'src/publisher/state.ts', 'src/publisher/status.ts');
    expect(status).toEqual(['ajv', 'commander', 'typebox', 'yaml']);
  });

  test('of which the daemon and the publisher that runs are no part', () => {
    const serve = loadedBy(GRAPH, SIGNER);
    expect(serve.packages).toEqual(expect.arrayContaining(['fastify', 'pino', 'sodium-native', 'typebox']));
    expect(loadedBy(GRAPH, PUBLISHER).packages).toContain('p-queue');
    expect(packagesOf(SIGNER, 'src/signer/serve.ts')).toContain('fastify');
    const lazy = fixture('a.ts', "import 'yaml'; await import('fastify');");
    expect(loadedBy(lazy, 'a.ts', { atStart: true }).packages).toEqual(['yaml']);
    expect(loadedBy(lazy, 'a.ts').packages).toEqual(['fastify', 'yaml']);
  });
});

/** bare-* and require-addon find the binary of sodium-native; no install script does. */
const LOADED_BY_NATIVE: readonly string[] = [
  'bare-addon-resolve',
  'bare-module-resolve',
  'bare-semver',
  'pkcs11js',
  'require-addon',
  'sodium-native',
  'which-runtime',
];

describe('what the processes with secrets load', () => {
  const BESIDE_KEYS = ['@noble/ciphers', '@noble/curves', '@noble/ed25519', '@noble/hashes', 'sodium-native'];
  const ALLOWED: Readonly<Record<string, readonly string[]>> = {
    // Each asks node:inspector whether somebody looks into it, and then refuses to start.
    'src/pkcs11/keyholder.ts': [...BESIDE_KEYS, 'node:inspector'],
    'src/pkcs11/token-process.ts': [...BESIDE_KEYS, 'node:inspector', 'pkcs11js'],
    'src/pkcs11/signing-process.ts': [...BESIDE_KEYS, 'node:inspector', 'pkcs11js'],
  };
  /** Network, protocols and ways to run text as code: none of them belongs beside a key. */
  const NOT_BESIDE_KEYS =
    /^node:(http|https|http2|tls|dns|dgram|vm|inspector|repl|sqlite|worker_threads)(\/|$)/;

  function strangers(graph: ReturnType<typeof moduleGraph>, entry: string): string[] {
    const { files, packages } = loadedBy(graph, entry);
    const foreign = files.filter(file => !/^src\/(pkcs11|descriptor)\//.test(file));
    const allowed = ALLOWED[entry] ?? [];
    const extra = packages.filter(
      name => !allowed.includes(name) && (!name.startsWith('node:') || NOT_BESIDE_KEYS.test(name)),
    );
    return [...foreign, ...extra];
  }

  test.each(Object.keys(ALLOWED))('%s loads only packages of the short list', entry => {
    // Where there is a service there are both.
    expect(GRAPH.has(entry) || !GRAPH.has('src/signer/serve.ts')).toBe(true);
    expect(strangers(GRAPH, entry)).toEqual([]);
  });

  test('a package, a protocol or a folder that does not belong there is found through other modules', () => {
    const graph = moduleGraph(
      new Map([
        ['src/pkcs11/keyholder.ts', "import './b.ts'; import type { F } from 'fastify';"],
        ['src/pkcs11/b.ts', "import 'yaml'; import 'node:http'; import '../signer/c.ts'; import 'node:net';"],
        ['src/signer/c.ts', "import 'pkcs11js';"],
      ]),
    );
    expect(strangers(graph, 'src/pkcs11/keyholder.ts')).toEqual([
      'src/signer/c.ts',
      'node:http',
      'pkcs11js',
      'yaml',
    ]);
  });

  test('the packages with native code load only these others on Node', () => {
    const script = `for (const name of ['sodium-native', 'pkcs11js']) require(name);
      process.stdout.write(JSON.stringify(Object.keys(require.cache)))`;
    const out = execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' });
    const files = JSON.parse(out) as string[];
    const loaded = new Set(files.map(file => packageOf(file.slice(file.lastIndexOf('node_modules/') + 13))));
    expect([...loaded].sort()).toEqual(LOADED_BY_NATIVE);
  });
});

describe('files', () => {
  function tooLong(sources: ReadonlyMap<string, string>): string[] {
    return [...sources].filter(([, text]) => text.trimEnd().split('\n').length > 300).map(([file]) => file);
  }

  test('no source file is longer than 300 lines', () => {
    expect(tooLong(SOURCES)).toEqual([]);
    expect(tooLong(new Map([['a.ts', 'a\n'.repeat(300)]]))).toEqual([]);
    expect(tooLong(new Map([['a.ts', 'a\n'.repeat(301)]]))).toEqual(['a.ts']);
  });

  const NOT_OURS = new Set(['.git', 'node_modules', 'dist', 'coverage', 'demo-out', '.setup']);
  /** Home folders and folders that only one machine has. */
  const MACHINE_PATH =
    /(?<![\w.$}/-])\/(?:root|work|workspace|mnt|home\/[a-z][\w-]*|Users\/[A-Z]?[a-z]\w*)\/[\w.]/;

  /** Every file of the project, also in a copy without git. */
  function projectFiles(folder = '.'): string[] {
    return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap(entry => {
      if (NOT_OURS.has(entry.name)) return [];
      const name = path.posix.join(folder, entry.name);
      return entry.isDirectory() ? projectFiles(name) : entry.isFile() ? [name] : [];
    });
  }

  test('no file of the project names a folder of one machine', () => {
    const files = projectFiles();
    expect(files).toContain('test/architecture.test.ts');
    expect(files.filter(name => MACHINE_PATH.test(readFileSync(path.join(ROOT, name), 'utf8')))).toEqual([]);
  });

  test('such names are recognised', () => {
    for (const parts of [
      ['home', 'alice', 'x'],
      ['root', '.npm'],
      ['Users', 'alice', 'x'],
      ['work', 'x'],
    ]) {
      expect(MACHINE_PATH.test(`see /${parts.join('/')}`)).toBe(true);
    }
    for (const text of ['/v1/descriptors', 'src/worker/x', '/var/lib/tor/x', 'https://example.org/root/x']) {
      expect(MACHINE_PATH.test(text)).toBe(false);
    }
  });
});
