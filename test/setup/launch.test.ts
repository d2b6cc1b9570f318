import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const ROOT = path.dirname(path.dirname(import.meta.dirname));

/** Makes the launcher believe that it runs on an old Node. */
const OLD_NODE = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.19.0' })`;

describe('the launchers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'launch-'));
    write('package.json', '{"type":"module"}');
    mkdirSync(path.join(folder, 'node_modules'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(name: string, text: string, base = folder) {
    mkdirSync(path.dirname(path.join(base, name)), { recursive: true });
    writeFileSync(path.join(base, name), text);
  }

  function start(args: string[], base = folder, nodeArgs: string[] = []) {
    cpSync(path.join(ROOT, 'bin'), path.join(base, 'bin'), { recursive: true });
    return spawnSync(process.execPath, [...nodeArgs, path.join(base, 'bin', 'onion-signer.js'), ...args], {
      encoding: 'utf8',
    });
  }

  test('run the sources in a clone, with the arguments, and give their exit code', () => {
    write(
      'src/signer/main.ts',
      'const [word]: string[] = process.argv.slice(2); console.log(word); process.exitCode = 5;',
    );
    write('dist/signer/main.js', "console.log('old build');");
    expect(start(['hello'])).toMatchObject({ status: 5, stdout: 'hello\n', stderr: '' });
  });

  test.each([
    ['that stops reading', true, 5, ''],
    ['that reads on', false, 5, ''],
  ])('end with their own code before a reader %s', async (_, stops, status, said) => {
    // 1 MiB is more than any pipe holds.
    write(
      'src/signer/main.ts',
      "process.stdin.once('data', () => void process.stdout.write('x'.repeat(1 << 20))).once('end', () => {}); process.exitCode = 5;",
    );
    cpSync(path.join(ROOT, 'bin'), path.join(folder, 'bin'), { recursive: true });
    const child = spawn(process.execPath, [path.join(folder, 'bin', 'onion-signer.js')]);
    let [length, stderr] = [0, ''];
    child.stdout.on('data', (bytes: Buffer) => (length += bytes.length));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    if (stops) child.stdout.destroy();
    child.stdin.end('go');
    await once(child, 'close');
    expect([child.exitCode, stderr, length]).toEqual([status, said, stops ? 0 : 1 << 20]);
  });

  test('run what was built in an installed package', () => {
    const installed = path.join(folder, 'node_modules', 'onion-signer');
    write('package.json', '{"type":"module"}', installed);
    write('src/signer/main.ts', "console.log('source');", installed);
    write('dist/signer/main.js', "console.log('built');", installed);
    expect(start([], installed)).toMatchObject({ status: 0, stdout: 'built\n' });
  });

  test('say what to do when there is nothing to run', () => {
    expect(start([])).toMatchObject({ status: 1, stdout: '' });
    expect(start([]).stderr).toContain('npm run build');
  });

  describe('on an old Node', () => {
    beforeEach(() => {
      write('src/signer/main.ts', '');
      const own = `node_modules/node-${process.platform}-${process.arch}/bin/node`;
      // Stands for the Node of the package: drops the options that made this one look old.
      write(
        own,
        `#!/bin/sh\nwhile [ "\${1#--}" != "$1" ]; do shift; [ "\${1#data:}" = "$1" ] || shift; done\nexec '${process.execPath}' "$@"\n`,
      );
      chmodSync(path.join(folder, own), 0o755);
    });

    test('run on the Node of the package, with its exit code', () => {
      write('src/signer/main.ts', 'console.log(process.argv[2] as string); process.exitCode = 6;');
      expect(start(['again'], folder, ['--import', OLD_NODE])).toMatchObject({
        status: 6,
        stdout: 'again\n',
      });
    });

    test('pass a signal on and end by it', async () => {
      write('src/signer/main.ts', "setInterval(() => {}, 1000); console.log('ready');");
      cpSync(path.join(ROOT, 'bin'), path.join(folder, 'bin'), { recursive: true });
      const launcher = path.join(folder, 'bin', 'onion-signer.js');
      const child = spawn(process.execPath, ['--import', OLD_NODE, launcher], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
    });

    test('say what is wrong when there is no such package', () => {
      rmSync(path.join(folder, 'node_modules'), { recursive: true });
      const result = start([], folder, ['--import', OLD_NODE]);
      expect(result).toMatchObject({ status: 1, stdout: '' });
      expect(result.stderr).toContain('22.18');
    });
  });
});

describe('the package', () => {
  interface Packed {
    files: { path: string }[];
  }

  test('holds the built code and the launchers, not the tests, the sources or the tools', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'pack-'));
    try {
      for (const name of [
        'package.json',
        'package-lock.json',
        'LICENSE',
        'bin',
        'docs',
        'policies',
        'scripts',
        'test/setup',
      ]) {
        if (existsSync(path.join(ROOT, name)))
          cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
      }
      mkdirSync(path.join(folder, 'dist/signer'), { recursive: true });
      writeFileSync(path.join(folder, 'dist/signer/main.js'), '');
      mkdirSync(path.join(folder, 'src/signer'), { recursive: true });
      writeFileSync(path.join(folder, 'src/signer/main.ts'), '');
      const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'];
      const out = execFileSync('npm', args, {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const [packed] = JSON.parse(out) as Packed[];
      const files = packed?.files.map(file => file.path) ?? [];
      expect(files).toEqual(
        expect.arrayContaining([
          'dist/signer/main.js',
          'bin/onion-signer.js',
          'bin/onion-publisher.js',
          'LICENSE',
        ]),
      );
      expect(files.filter(name => /^(test|src|scripts|node_modules|\.)/.test(name))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
