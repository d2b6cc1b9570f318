// Getting Debian packages: installed when root, otherwise unpacked into a private folder below the repository.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PYTHON_PACKAGES, SOFTHSM_MODULE } from './debian.js';
import { isProgram, programOnPath } from './programs.js';
import { SetupError, say } from './report.js';

const QUIET = ['-qq', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=300'];

/**
 * The line that a person with root can type.
 * @param {string[]} names
 * @returns {string}
 */
export function aptLine(names) {
  return `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`;
}

/**
 * Installs packages into the system; needs root. The package lists are fetched only when the first attempt fails.
 * @param {string[]} names
 */
export function installAsRoot(names) {
  needApt(names);
  say(`installing Debian packages: ${names.join(' ')}`);
  const install = ['install', '-y', '--no-install-recommends', ...names];
  if (apt(install).status === 0) return;
  const updated = apt(['update']);
  const installed = apt(install);
  if (installed.status === 0) return;
  process.stderr.write(updated.stderr + installed.stderr);
  throw new SetupError(`apt-get failed (its reason is above). Run by hand, then repeat: ${aptLine(names)}`);
}

/**
 * Unpacks packages, with the libraries they need and this machine lacks, into `folder`/root. Needs no root.
 * Does nothing when an earlier run unpacked them.
 * @param {string} folder
 * @param {string[]} names
 */
export function unpackPrivately(folder, names) {
  const stamp = path.join(folder, 'unpacked.json');
  if (existsSync(stamp)) {
    const before = /** @type {string[]} */ (JSON.parse(readFileSync(stamp, 'utf8')));
    if (names.every(name => before.includes(name))) return;
  }
  needApt(names);
  say(`unpacking Debian packages into ${path.basename(folder)}/ (not root): ${names.join(' ')}`);
  for (const old of ['unpacked.json', 'root', 'debs', 'bin']) {
    rmSync(path.join(folder, old), { recursive: true, force: true });
  }
  const debs = path.join(folder, 'debs');
  mkdirSync(debs, { recursive: true });
  download(folder, debs, names);
  for (const deb of readdirSync(debs)) {
    const unpacked = run('dpkg', ['-x', path.join(debs, deb), path.join(folder, 'root')], folder);
    if (unpacked.status !== 0)
      throw new SetupError(`dpkg could not unpack ${deb}: ${unpacked.stderr.trim()}`);
  }
  rmSync(debs, { recursive: true });
  writeSoftHsmLauncher(folder);
  writeFileSync(stamp, JSON.stringify(names));
}

/**
 * The environment in which programs, libraries and Python packages of `folder`/root are found.
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function privateEnvironment(folder, env) {
  const root = path.join(folder, 'root');
  if (!existsSync(path.join(folder, 'unpacked.json'))) return env;
  const join = (/** @type {(string | undefined)[]} */ ...parts) => parts.filter(Boolean).join(':');
  const there = (/** @type {string[]} */ folders) => folders.filter(folder => existsSync(folder));
  const libraries = there([path.join(root, 'usr/lib'), path.join(root, 'lib')])
    .flatMap(base => readdirSync(base).map(name => path.join(base, name)))
    .filter(folder => path.basename(folder).includes('-linux-gnu'))
    // systemd's programs share one in a folder of their own.
    .flatMap(folder => there([folder, path.join(folder, 'systemd')]));
  return {
    ...env,
    PATH: join(
      path.join(folder, 'bin'),
      env['PATH'],
      path.join(root, 'usr/bin'),
      path.join(root, 'usr/sbin'),
      ...there([path.join(root, 'bin')]),
    ),
    LD_LIBRARY_PATH: join(env['LD_LIBRARY_PATH'], ...libraries),
    PYTHONPATH: join(env['PYTHONPATH'], path.join(root, PYTHON_PACKAGES)),
  };
}

/**
 * A file of the system, or the unpacked one where the system has none.
 * @param {string} folder
 * @param {string} file full path in the system
 * @returns {string}
 */
export function systemFile(folder, file) {
  const unpacked = path.join(folder, 'root', file);
  return !existsSync(file) && existsSync(unpacked) ? unpacked : file;
}

/**
 * Downloads what `names` need beyond the installed packages; with package lists of our own when the system's fail.
 * @param {string} folder
 * @param {string} debs
 * @param {string[]} names
 */
function download(folder, debs, names) {
  const first = tryDownload(debs, names, []);
  if (first === undefined) return;
  const state = path.join(folder, 'apt');
  for (const part of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(path.join(state, part), { recursive: true });
  const own = [
    ['Dir::State', path.join(state, 'state')],
    ['Dir::State::status', '/var/lib/dpkg/status'],
    ['Dir::Cache', path.join(state, 'cache')],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const updated = run('apt-get', [...QUIET, ...own, 'update'], folder);
  const second = tryDownload(debs, names, own);
  rmSync(state, { recursive: true, force: true });
  if (second === undefined) return;
  process.stderr.write(updated.stderr + second);
  throw new SetupError(
    `apt-get could not fetch the packages (its reason is above). As root, run: ${aptLine(names)}`,
  );
}

/**
 * @param {string} debs
 * @param {string[]} names
 * @param {string[]} options
 * @returns {string | undefined} what apt said when it failed
 */
function tryDownload(debs, names, options) {
  const plan = run('apt-get', ['-s', '--no-install-recommends', ...options, 'install', ...names], debs);
  if (plan.status !== 0) return plan.stderr;
  const fetched = run('apt-get', [...QUIET, ...options, 'download', ...plannedPackages(plan.stdout)], debs);
  return fetched.status === 0 ? undefined : fetched.stderr;
}

/**
 * The packages that a simulated installation would add.
 * @param {string} plan output of apt-get -s install
 * @returns {string[]}
 */
export function plannedPackages(plan) {
  return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name);
}

/**
 * SoftHSM's own tool has the module's place compiled in; an unpacked one must be told.
 * @param {string} folder
 */
function writeSoftHsmLauncher(folder) {
  const tool = path.join(folder, 'root/usr/bin/softhsm2-util');
  if (!isProgram(tool)) return;
  const launcher = path.join(folder, 'bin', 'softhsm2-util');
  mkdirSync(path.dirname(launcher), { recursive: true });
  writeFileSync(
    launcher,
    `#!/bin/sh\nexec '${tool}' "$@" --module '${systemFile(folder, SOFTHSM_MODULE)}'\n`,
  );
  chmodSync(launcher, 0o755);
}

/** @param {string[]} names */
function needApt(names) {
  if (programOnPath('apt-get') !== undefined && programOnPath('dpkg') !== undefined) return;
  throw new SetupError(
    `apt-get is not here. Install what these Debian packages hold, then repeat: ${names.join(' ')}`,
  );
}

/** @param {string[]} args */
function apt(args) {
  return run('apt-get', [...QUIET, ...args], '/');
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 */
function run(command, args, cwd) {
  return spawnSync(command, args, {
    cwd,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', APT_LISTCHANGES_FRONTEND: 'none', LC_ALL: 'C' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
  });
}
