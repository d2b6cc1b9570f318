// The npm packages: are they the ones of the lock file, and if not, install exactly those.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { programOnPath } from './programs.js';
import { SetupError, say } from './report.js';

/**
 * @typedef {{version?: string, integrity?: string, optional?: boolean, os?: string | string[], cpu?: string | string[],
 *   libc?: string | string[], [group: string]: unknown}} LockEntry
 * @typedef {{packages: Record<string, LockEntry>}} LockFile
 * @typedef {{os: string, cpu: string, libc: string}} Platform
 */

const DEPENDENCY_GROUPS = ['dependencies', 'devDependencies', 'optionalDependencies'];

/** @type {Platform} */
const THIS_PLATFORM = { os: process.platform, cpu: process.arch, libc: 'glibc' };

/**
 * True when node_modules below `root` holds what package-lock.json names: same versions, same hashes,
 * nothing missing except optional packages of other platforms.
 * @param {string} root
 * @param {Platform} [platform]
 * @returns {boolean}
 */
export function packagesMatch(root, platform = THIS_PLATFORM) {
  const installedFile = path.join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const locked = readLock(path.join(root, 'package-lock.json')).packages;
  const installed = readLock(installedFile).packages;
  const manifest = /** @type {LockEntry} */ (readJson(path.join(root, 'package.json')));
  for (const group of DEPENDENCY_GROUPS) {
    if (sortedList(manifest[group]) !== sortedList(locked['']?.[group])) return false;
  }
  if (Object.keys(installed).some(name => locked[name] === undefined)) return false;
  return Object.entries(locked).every(([name, wanted]) => {
    if (name === '') return true;
    const found = installed[name];
    if (found === undefined) return wanted.optional === true && !fits(wanted, platform);
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) return false;
    return existsSync(path.join(root, name, 'package.json'));
  });
}

/**
 * Installs the packages of the lock file without running any install script.
 * @param {string} root
 */
export function installPackages(root) {
  say('installing the npm packages of package-lock.json');
  const options = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const quiet = ['--no-update-notifier', '--loglevel=error', '--progress=false'];
  const done = spawnSync(process.execPath, [npmCommandLine(), 'ci', ...options, ...quiet], {
    cwd: root,
    stdio: ['ignore', 'ignore', process.stderr],
  });
  if (done.status !== 0) {
    throw new SetupError('npm ci failed (its reason is above). Repeat when the npm registry can be reached.');
  }
}

/**
 * The npm-cli.js that runs us, or the one that `npm` in PATH points to.
 * @returns {string}
 */
export function npmCommandLine() {
  const running = process.env['npm_execpath'];
  if (running !== undefined && path.basename(running) === 'npm-cli.js' && existsSync(running)) return running;
  const program = programOnPath('npm');
  if (program === undefined)
    throw new SetupError('npm is not in PATH. Install Node.js with npm, then repeat.');
  return realpathSync(program);
}

/**
 * An optional package without a platform of its own belongs to one that has: nothing to say about it.
 * @param {LockEntry} entry
 * @param {Platform} platform
 */
function fits(entry, platform) {
  if (entry.os === undefined && entry.cpu === undefined) return false;
  const allows = (/** @type {string | string[] | undefined} */ list, /** @type {string} */ value) =>
    list === undefined || [list].flat().includes(value);
  return (
    allows(entry.os, platform.os) && allows(entry.cpu, platform.cpu) && allows(entry.libc, platform.libc)
  );
}

/** @param {string} file */
function readLock(file) {
  return /** @type {LockFile} */ (readJson(file));
}

/**
 * @param {string} file
 * @returns {unknown}
 */
function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** @param {unknown} group */
function sortedList(group) {
  return Object.entries(group ?? {})
    .map(([name, range]) => `${name}@${String(range)}`)
    .sort()
    .join();
}
