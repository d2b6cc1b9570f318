// node scripts/run.js <task> [arguments]: runs one task of package.json on the repository's own Node.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { runGroup } from './child.js';
import { ROOT, setUp } from './setup.js';
import { SetupError, runMain } from './setup/report.js';
import { TOOLS } from './tools.js';

/**
 * @typedef {object} Task
 * @property {'packages' | 'sources' | 'everything'} extent how much set-up it needs
 * @property {() => string[]} args for Node
 * @property {boolean} [interactive] stays in the foreground group of the terminal (may ask for a PIN there)
 * @property {boolean} [keepsRunning] may leave processes behind on purpose
 */

/** @type {Record<string, Task>} */
const TASKS = {
  typecheck: { extent: 'packages', args: () => tool('typecheck') },
  lint: { extent: 'packages', args: () => tool('lint') },
  format: { extent: 'packages', args: () => tool('format') },
  build: { extent: 'packages', args: () => [file('scripts/build.js')] },
  api: { extent: 'packages', args: () => [file('scripts/api-reference.ts')] },
  openapi: { extent: 'packages', args: () => [file('scripts/openapi.ts')] },
  rules: { extent: 'packages', args: () => [file('scripts/rules.ts')] },
  schema: { extent: 'packages', args: () => [file('scripts/schema.ts')] },
  tokens: { extent: 'packages', args: () => [file('scripts/tokens.ts')] },
  corpus: { extent: 'packages', args: () => [file('test/corpus-maker/generate.ts')] },
  bench: { extent: 'everything', args: () => [file('bench/main.ts')] },
  dudect: { extent: 'packages', args: () => [file('bench/dudect.ts')] },
  crash: { extent: 'everything', args: () => [file('test/crash/main.ts')] },
  fuzz: { extent: 'packages', args: () => [file('test/fuzz/main.ts')] },
  demo: { extent: 'everything', args: () => [file('demo/main.ts')], keepsRunning: true },
  // From src, as bin does in a clone; dist may be what a unit runs at this moment.
  'onion-signer': { extent: 'sources', args: () => [file('bin/onion-signer.js')], interactive: true },
  'onion-publisher': {
    extent: 'sources',
    args: () => [file('bin/onion-publisher.js')],
    interactive: true,
  },
};

/** @param {string} name */
function tool(name) {
  const args = TOOLS[name];
  if (args === undefined) throw new SetupError(`There is no tool ${name}.`);
  return args();
}

/** @param {string} name */
function file(name) {
  if (!existsSync(path.join(ROOT, name))) throw new SetupError(`${name} is not there.`);
  return path.join(ROOT, name);
}

await runMain(async () => {
  const [name = '', ...rest] = process.argv.slice(2);
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (task === undefined) throw new SetupError(`Name one of these tasks: ${Object.keys(TASKS).join(', ')}.`);
  const { node, env } = await setUp(task.extent);
  const args = [...task.args(), ...rest];
  if (!task.interactive) {
    return (await runGroup(node, args, { cwd: ROOT, env, sweep: !task.keepsRunning, graceMs: 30_000 })).code;
  }
  // The terminal signals its whole foreground group itself; we only must not die before the child.
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {});
  const done = spawnSync(node, args, { env, stdio: 'inherit' });
  return done.status ?? 1;
});
