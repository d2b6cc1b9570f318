import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';

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
