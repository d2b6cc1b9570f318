// The repository's own Node: a package of the lock file, binary and headers, no install script.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { isProgram } from './programs.js';
import { SetupError } from './report.js';

/** The oldest Node that runs TypeScript sources without a flag. */
const OLDEST = [22, 18];

/**
 * @typedef {{binary: string, headers: string | undefined}} Runtime
 *   headers: the folder above include/node, undefined when only a download could give them
 */

/**
 * Finds the Node that everything after set-up runs on: the repository's own, else the running one when recent enough.
 * @param {string} root
 * @returns {Runtime}
 */
export function findRuntime(root) {
  const own = path.join(root, 'node_modules', `node-${process.platform}-${process.arch}`);
  const binary = path.join(own, 'bin', 'node');
  if (isProgram(binary)) return { binary, headers: withHeaders(own) };
  if (!recentEnough(process.versions.node)) {
    throw new SetupError(
      `There is no Node package for ${process.platform}-${process.arch}, and the running Node ${process.versions.node} ` +
        `is older than ${OLDEST.join('.')}. Run this with Node 24.`,
    );
  }
  return { binary: process.execPath, headers: withHeaders(path.dirname(path.dirname(process.execPath))) };
}

/**
 * @param {string} version such as 22.18.0
 * @returns {boolean}
 */
export function recentEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/**
 * True when the package loads on that Node.
 * @param {string} root
 * @param {Runtime} runtime
 * @param {string} name
 */
export function loads(root, runtime, name) {
  const args = ['-e', `require(${JSON.stringify(name)})`];
  return spawnSync(runtime.binary, args, { cwd: root, stdio: 'ignore' }).status === 0;
}

/** @param {string} prefix */
function withHeaders(prefix) {
  return existsSync(path.join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}
