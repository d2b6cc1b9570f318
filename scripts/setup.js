// Set-up, safe to repeat: npm packages, the repository's own Node, the compiled addon, Debian packages,
// the JavaScript that runs.
// Plain JavaScript without packages, because it runs before there are any, on any Node from 20 on.

import { mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { addonReady, buildAddon } from './setup/addon.js';
import { aptLine, installAsRoot, privateEnvironment, systemFile, unpackPrivately } from './setup/apt.js';
import { build, isBuilt } from './setup/built.js';
import { FAKETIME, SOFTHSM_MODULE, SPY_MODULE, missingPackages } from './setup/debian.js';
import { installPackages, packagesMatch } from './setup/packages.js';
import { programOnPath } from './setup/programs.js';
import { SetupError, runMain, say } from './setup/report.js';
import { findRuntime } from './setup/runtime.js';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const PRIVATE = path.join(ROOT, '.setup');

/**
 * @typedef {{node: string, env: NodeJS.ProcessEnv}} Ready the Node to run things on, and their environment
 */

/**
 * Brings everything in place and says only what it does.
 * @param {'packages' | 'sources' | 'everything'} [extent] packages: enough for compiler, linter and formatter; sources: enough
 *   to run programs from src; everything: dist is built, too
 * @returns {Promise<Ready>}
 */
export async function setUp(extent = 'everything') {
  if (!packagesMatch(ROOT)) {
    await alone(() => {
      if (!packagesMatch(ROOT)) installPackages(ROOT);
    });
  }
  const runtime = findRuntime(ROOT);
  if (extent !== 'packages') {
    const done = addonReady(ROOT, runtime) && missingPackages('system', 'run').length === 0;
    if (!done) await alone(() => installNative(runtime));
  }
  if (extent === 'everything' && !isBuilt(ROOT)) {
    await alone(() => {
      if (!isBuilt(ROOT)) build(ROOT, runtime.binary);
    });
  }
  return { node: runtime.binary, env: environment(runtime.binary) };
}

/** @param {import('./setup/runtime.js').Runtime} runtime */
function installNative(runtime) {
  const mustBuild = !addonReady(ROOT, runtime);
  const system = [...(mustBuild ? missingPackages('compile') : []), ...missingPackages('system')];
  const programs = missingPackages('run');
  if (process.getuid?.() === 0) {
    if (system.length + programs.length > 0) installAsRoot([...system, ...programs]);
  } else if (system.length > 0) {
    const line = aptLine([...system, ...programs]);
    throw new SetupError(
      `${system.join(', ')} missing, and only root can install that. As root, run: ${line}`,
    );
  } else if (programs.length > 0) {
    unpackPrivately(PRIVATE, programs);
  }
  if (mustBuild) buildAddon(ROOT, runtime);
}

/**
 * @param {string} node
 * @returns {NodeJS.ProcessEnv}
 */
function environment(node) {
  const env = privateEnvironment(PRIVATE, process.env);
  const searchPath = [
    path.dirname(node),
    env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    '/usr/sbin',
    '/sbin',
  ].join(':');
  const unpackedTor = path.join(PRIVATE, 'root/usr/bin/tor');
  return {
    ...env,
    NODE: node,
    PATH: searchPath,
    ...(env['TOR_BIN'] === undefined && programOnPath('tor', searchPath) === unpackedTor
      ? { TOR_BIN: unpackedTor }
      : {}),
    SOFTHSM2_MODULE: env['SOFTHSM2_MODULE'] ?? systemFile(PRIVATE, SOFTHSM_MODULE),
    PKCS11_SPY_MODULE: env['PKCS11_SPY_MODULE'] ?? systemFile(PRIVATE, SPY_MODULE),
    FAKETIME_LIBRARY: env['FAKETIME_LIBRARY'] ?? systemFile(PRIVATE, FAKETIME),
  };
}

/**
 * Lets one process of this clone install at a time.
 * @param {() => void} work
 */
export async function alone(work) {
  const lock = path.join(PRIVATE, 'busy');
  mkdirSync(PRIVATE, { recursive: true });
  let waiting = false;
  while (!takeLock(lock)) {
    if (!waiting) say(`waiting for the set-up that holds ${lock}`);
    waiting = true;
    await delay(300);
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** @param {string} lock */
function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (holderIsGone(lock)) rmSync(lock, { force: true });
    return false;
  }
}

/** @param {string} lock */
function holderIsGone(lock) {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    await setUp();
    return 0;
  });
}
