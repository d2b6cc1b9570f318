import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { groupRuns, runGroup } from '../../scripts/child.js';

const CHILD = path.join(path.dirname(path.dirname(import.meta.dirname)), 'scripts', 'child.js');
const OPTIONS = { cwd: '/', env: process.env, capture: true };

const groups: number[] = [];
afterEach(() => {
  for (const group of groups.splice(0)) if (groupRuns(group)) process.kill(-group, 'SIGKILL');
});

/** The group's id, as its shell printed it. */
function groupId(line: string): number {
  if (!/^[1-9][0-9]+\n?$/.test(line)) throw new Error(`not a process id: ${JSON.stringify(line)}`);
  groups.push(Number(line));
  return Number(line);
}

/** Starts a Node that runs a shell command as a group, and gives the group's id once the command printed it. */
async function startGroup(command: string, graceMs: number) {
  const script = `import { runGroup } from ${JSON.stringify(CHILD)};
    const options = { cwd: '/', env: process.env, graceMs: ${graceMs} };
    process.exitCode = (await runGroup('sh', ['-c', ${JSON.stringify(command)}], options)).code;`;
  // Its standard error is not ours: whoever inherits that keeps the test runner waiting.
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(parent, 'exit');
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
  return { parent, group: groupId(line), ended };
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
    const { parent, group, ended } = await startGroup('sleep 60 & sleep 60 & echo $$; wait', 20_000);
    expect(groupRuns(group)).toBe(true);
    parent.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(groupRuns(group)).toBe(false);
  });

  test('is killed when it ignores the interrupt', async () => {
    const { parent, group, ended } = await startGroup(
      "trap '' INT TERM; sleep 60 & echo $$; wait; wait",
      200,
    );
    parent.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    expect(groupRuns(group)).toBe(false);
  });

  test('leaves nothing behind when it ends by itself, unless that is wanted', async () => {
    const command = ['-c', 'sleep 60 >/dev/null 2>&1 & echo $$'];
    const swept = await runGroup('sh', command, OPTIONS);
    expect(groupRuns(groupId(swept.output))).toBe(false);
    const kept = await runGroup('sh', command, { ...OPTIONS, sweep: false });
    expect(groupRuns(groupId(kept.output))).toBe(true);
  });
});
