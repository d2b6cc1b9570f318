// Starts a command: the TypeScript sources in a clone, the built JavaScript in an installed package.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const FORWARDED = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * @param {'signer' | 'publisher'} name folder of the command's main module
 */
export async function launch(name) {
  // Whoever stops reading, as `| head` does, wants no more of it: that is no fault.
  process.stdout.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code !== 'EPIPE') throw error;
  });
  if (!recentEnough(process.versions.node)) return relaunch();
  const entry = findEntry(name);
  if (entry === undefined) return fail(`onion-${name} is not built here. Run: npm run build`);
  if (!existsSync(path.join(ROOT, 'node_modules')) && isClone())
    return fail('Set up first: node scripts/setup.js');
  await import(pathToFileURL(entry).href);
}

/**
 * Node strips no types below node_modules, so an installed package runs what was built.
 * @param {string} name
 */
function findEntry(name) {
  const source = path.join(ROOT, 'src', name, 'main.ts');
  const built = path.join(ROOT, 'dist', name, 'main.js');
  return [...(isClone() ? [source] : []), built].find(file => existsSync(file));
}

function isClone() {
  return !ROOT.split(path.sep).includes('node_modules') && existsSync(path.join(ROOT, 'src'));
}

/** @param {string} version */
function recentEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** Runs the same command line on the Node package that this package depends on. */
function relaunch() {
  const node = findNode();
  if (node === undefined) {
    return fail(
      `Node ${process.versions.node} is too old: 22.18 or later is needed. In a clone: node scripts/setup.js`,
    );
  }
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' });
  for (const signal of FORWARDED) {
    // At a terminal Ctrl-C reaches the child by itself; a second copy would read as "at once".
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on('error', error => fail(`${node} did not start: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function findNode() {
  const name = path.join('node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  for (let folder = ROOT; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, name);
    if (existsSync(candidate)) return candidate;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
