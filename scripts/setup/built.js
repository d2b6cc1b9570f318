// The JavaScript in dist: what an installed package runs, and therefore what tests, demo and benchmarks run.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { SetupError, say } from './report.js';

const INPUTS = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/**
 * @param {string} root
 * @returns {boolean} true when dist was made of the sources as they are: none was changed, added or removed since
 */
export function isBuilt(root) {
  if (!existsSync(path.join(root, 'dist')) || !existsSync(stampOf(root))) return false;
  const builtAt = statSync(stampOf(root)).mtimeMs;
  return INPUTS.every(name => newestOf(path.join(root, name)) < builtAt);
}

/**
 * Compiles src to dist, whole: nothing stays of a source that is gone, and what runs from dist never sees half of it.
 * @param {string} root
 * @param {string} node the Node that runs the compiler
 */
export function build(root, node) {
  say('compiling src to dist');
  // As deep as dist: its source maps name the sources from where it stands.
  const [dist, fresh, old] = [
    path.join(root, 'dist'),
    path.join(root, '.dist-new'),
    path.join(root, '.dist-old'),
  ];
  mkdirSync(path.join(root, '.setup'), { recursive: true });
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
  // A source that changes while the compiler runs is newer than this.
  const startedAt = new Date();
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', path.join(root, 'tsconfig.build.json'), '--outDir', fresh];
  const { status, stdout, stderr } = spawnSync(node, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) {
    process.stderr.write(stdout + stderr);
    throw new SetupError('src did not compile; the compiler says why above.');
  }
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
  writeFileSync(stampOf(root), '');
  utimesSync(stampOf(root), startedAt, startedAt);
}

/**
 * Its time is the beginning of the build that made dist.
 * @param {string} root
 */
function stampOf(root) {
  return path.join(root, '.setup', 'built');
}

/**
 * When a file, or anything below a folder, was last changed; a folder changes when an entry comes or goes.
 * @param {string} name
 * @returns {number} milliseconds
 */
function newestOf(name) {
  const stat = statSync(name);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(name).map(entry => newestOf(path.join(name, entry))));
}
