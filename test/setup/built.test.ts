import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { build, isBuilt } from '../../scripts/setup/built.js';
import { SetupError } from '../../scripts/setup/report.js';

const ROOT = path.dirname(path.dirname(import.meta.dirname));

describe('dist and the sources that it was made of', () => {
  let root: string;
  const at = (...names: string[]): string => path.join(root, ...names);

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'built-'));
    mkdirSync(at('src/part'), { recursive: true });
    symlinkSync(path.join(ROOT, 'node_modules'), at('node_modules'));
    const compilerOptions = { module: 'node20', target: 'es2024', types: [], rootDir: 'src', outDir: 'dist' };
    writeFileSync(at('tsconfig.json'), '{}');
    writeFileSync(at('tsconfig.build.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
    writeFileSync(at('package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(at('package-lock.json'), '{}');
    writeFileSync(at('src/a.ts'), "export const a: string = 'first';\n");
    writeFileSync(at('src/part/b.ts'), 'export const b = 2;\n');
    build(root, process.execPath);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test('sources as they were compiled need no build, a change of any of them does, whatever its time', () => {
    expect(readFileSync(at('dist/a.js'), 'utf8')).toContain("'first'");
    expect(isBuilt(root)).toBe(true);
    const configuration = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
    for (const name of ['src/a.ts', 'src/part/b.ts', ...configuration]) {
      const before = readFileSync(at(name), 'utf8');
      writeFileSync(at(name), `${before}\n`);
      utimesSync(at(name), new Date(0), new Date(0));
      expect([name, isBuilt(root)]).toEqual([name, false]);
      writeFileSync(at(name), before);
      expect([name, isBuilt(root)]).toEqual([name, true]);
    }
  });

  test('a source more, or one under another name, needs one', () => {
    writeFileSync(at('src/c.ts'), '');
    expect(isBuilt(root)).toBe(false);
    rmSync(at('src/c.ts'));
    expect(isBuilt(root)).toBe(true);
    renameSync(at('src/a.ts'), at('src/part/a.ts'));
    expect(isBuilt(root)).toBe(false);
  });

  test('so does dist when it, or the note of its time, is gone', () => {
    rmSync(at('.setup/built'));
    expect(isBuilt(root)).toBe(false);
    build(root, process.execPath);
    expect(isBuilt(root)).toBe(true);
    rmSync(at('dist'), { recursive: true });
    expect(isBuilt(root)).toBe(false);
  });

  test('nothing stays of a source that is gone', () => {
    expect(existsSync(at('dist/part/b.js'))).toBe(true);
    rmSync(at('src/part'), { recursive: true });
    build(root, process.execPath);
    expect(existsSync(at('dist/a.js'))).toBe(true);
    expect(existsSync(at('dist/part'))).toBe(false);
  });

  test('sources that do not compile leave dist as it was, and the next set-up tries again', () => {
    writeFileSync(at('src/a.ts'), "export const a: string = 'second' + ;\n");
    expect(() => build(root, process.execPath)).toThrow(SetupError);
    expect(readFileSync(at('dist/a.js'), 'utf8')).toContain("'first'");
    expect(isBuilt(root)).toBe(false);
  });
});
