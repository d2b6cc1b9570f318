// The JavaScript in dist: what an installed package runs, and therefore what tests, demo and benchmarks run.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
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
  // Not by time: a copy with the times of elsewhere would pass for an old source.
  return readFileSync(stampOf(root), 'utf8') === digestOf(root);
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
  // Of before: a source that changes while the compiler runs is compiled again the next time.
  const digest = digestOf(root);
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
  writeFileSync(stampOf(root), digest);
}

/** @param {string} root */
function stampOf(root) {
  return path.join(root, '.setup', 'built');
}

/**
 * Of names and contents of all that dist is made of.
 * @param {string} root
 */
function digestOf(root) {
  const hash = createHash('sha256');
  for (const name of INPUTS.flatMap(input => filesOf(root, input))) {
    const bytes = readFileSync(path.join(root, name));
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/**
 * @param {string} root
 * @param {string} name of a file, or of a folder
 * @returns {string[]} the file, or every file below the folder, sorted
 */
function filesOf(root, name) {
  if (!statSync(path.join(root, name)).isDirectory()) return [name];
  return readdirSync(path.join(root, name))
    .sort()
    .flatMap(entry => filesOf(root, path.join(name, entry)));
}
