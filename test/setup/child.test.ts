import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { groupRuns, runGroup } from '../../scripts/child.js';

const CHILD = path.join(path.dirname(path.dirname(import.meta.dirname)), 'scripts', 'child.js');
const OPTIONS = { cwd: '/', env: process.env, capture: true };

/** Starts a Node that runs a shell command as a group, and gives the group's id once the command printed it. */
async function startGroup(command: string, graceMs: number) {
  const script = `import { groupRuns, runGroup } from ${JSON.stringify(CHILD)};
    const options = { cwd: '/', env: process.env, graceMs: ${graceMs} };
    process.exitCode = (await runGroup('sh', ['-c', ${JSON.stringify(command)}], options)).code;`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
  return { parent, group: Number(line), ended: once(parent, 'exit') };
}

describe('a command that runs as a group', () => {
  test('gives its exit code and its output', async () => {
    const result = await runGroup('sh', ['-c', 'echo out; echo err >&2; exit 7'], OPTIONS);
    expect(result).toMatchObject({ code: 7, interrupted: false });
    expect(result.output).toContain('out\n');
    expect(result.output).toContain('err\n');
  });

  test('counts as failed when a signal ended it', async () => {
    expect(await runGroup('sh', ['-c', 'kill -9 $$'], OPTIONS)).toMatchObject({ code: 1 });
  });

  test('leaves nothing running after an interrupt', async () => {
    const { parent, group, ended } = await startGroup('sleep 600 & sleep 600 & echo $$; wait', 20_000);
    expect(groupRuns(group)).toBe(true);
    parent.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(groupRuns(group)).toBe(false);
  });

  test('is killed when it ignores the interrupt', async () => {
    const { parent, group, ended } = await startGroup(
      "trap '' INT TERM; sleep 600 & echo $$; wait; wait",
      200,
    );
    parent.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    expect(groupRuns(group)).toBe(false);
  });

  test('leaves nothing behind when it ends by itself, unless that is wanted', async () => {
    const command = ['-c', 'sleep 600 >/dev/null 2>&1 & echo $$'];
    const swept = await runGroup('sh', command, OPTIONS);
    expect(groupRuns(Number(swept.output))).toBe(false);
    const kept = await runGroup('sh', command, { ...OPTIONS, sweep: false });
    expect(groupRuns(Number(kept.output))).toBe(true);
    process.kill(-Number(kept.output), 'SIGKILL');
  });
});
