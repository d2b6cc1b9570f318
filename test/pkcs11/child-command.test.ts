import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { MODULE_PROCESS_FLAGS } from '../../src/pkcs11/child-command.ts';

const MODULE = new URL('../../src/pkcs11/child-command.ts', import.meta.url).href;
const PARENT = `
  import { spawn } from 'node:child_process';
  import { childCommand } from ${JSON.stringify(MODULE)};
  const [command, args] = childCommand(['-e', 'process.stdout.write("up\\\\n"); setInterval(() => {}, 1e6)']);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.once('data', () => process.stdout.write(child.pid + '\\n'));
`;

async function startPair(): Promise<{ parent: ReturnType<typeof spawn>; child: number }> {
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', PARENT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (parent.stdout === null) throw new Error('no output');
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  return { parent, child: Number(line) };
}

const stateOf = async (pid: number): Promise<string> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  } catch {
    return 'gone';
  }
};

it('a child that hangs dies with its parent, however that ended, and can never write a core file', async () => {
  const { parent, child } = await startPair();
  expect(await readFile(`/proc/${child}/limits`, 'utf8')).toMatch(/Max core file size\s+0\s+0/);
  process.kill(child, 'SIGSTOP');
  // Positive control: it is there and stopped while its parent lives.
  await expect.poll(() => stateOf(child)).toBe('T');
  parent.kill('SIGKILL');
  await expect.poll(() => stateOf(child)).toMatch(/gone|Z/);
});

it('a child gains no rights, whatever it starts', async () => {
  const { parent, child } = await startPair();
  expect(await readFile(`/proc/${child}/status`, 'utf8')).toMatch(/^NoNewPrivs:\t1$/mu);
  // Positive control: what is not started so has the flag clear.
  expect(await readFile(`/proc/${String(parent.pid)}/status`, 'utf8')).toMatch(/^NoNewPrivs:\t0$/mu);
  parent.kill('SIGKILL');
});

describe('JavaScript beside a vendor’s module', () => {
  const ATTEMPTS = {
    'reads a file': `readFileSync('/etc/hostname')`,
    'writes a file': `writeFileSync(process.argv[1], 'x')`,
    'removes a file': `rmSync(process.argv[2])`,
    'starts a process': `spawnSync('/bin/true')`,
    'starts a thread': `new Worker('0', { eval: true })`,
    'opens an inspector': `open(0)`,
  } as const;

  /** What each attempt comes to: `done`, or the code that Node has for it. */
  function attempt(flags: readonly string[]): Record<string, string> {
    const folder = mkdtempSync(join(tmpdir(), 'child-command-'));
    const lines = Object.entries(ATTEMPTS).map(
      ([name, act]) =>
        `try { ${act}; said[${JSON.stringify(name)}] = 'done'; } catch (error) { said[${JSON.stringify(name)}] = error.code; }`,
    );
    const script = `const { readFileSync, rmSync, writeFileSync } = require('node:fs');
      const { spawnSync } = require('node:child_process'); const { Worker } = require('node:worker_threads');
      const { open } = require('node:inspector'); const said = {};
      ${lines.join('\n')}
      require('node:fs').writeSync(1, JSON.stringify(said)); process.exit(0);`;
    const [fresh, old] = [join(folder, 'fresh'), join(folder, 'old')];
    writeFileSync(old, 'x');
    const { stdout } = spawnSync(process.execPath, [...flags, '-e', script, fresh, old], {
      encoding: 'utf8',
    });
    rmSync(folder, { recursive: true });
    return JSON.parse(stdout) as Record<string, string>;
  }

  it('reads, and can neither write nor start anything', () => {
    const refused = 'ERR_ACCESS_DENIED';
    expect(attempt(MODULE_PROCESS_FLAGS)).toEqual({
      'reads a file': 'done',
      'writes a file': refused,
      'removes a file': refused,
      'starts a process': refused,
      'starts a thread': refused,
      'opens an inspector': refused,
    });
    // Positive control: without these flags each of them works.
    expect(new Set(Object.values(attempt(['--no-warnings'])))).toEqual(new Set(['done']));
  });
});
