// pkcs11js is the one package with native code to compile; npm's own node-gyp does it, without network or home.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { npmCommandLine } from './packages.js';
import { loads } from './runtime.js';
import { SetupError, say } from './report.js';

const ADDON = 'pkcs11js';
const PYTHON = '/usr/bin/python3';

/**
 * @param {string} root
 * @param {import('./runtime.js').Runtime} runtime
 * @returns {boolean} true when the compiled addon is there and loads on that Node
 */
export function addonReady(root, runtime) {
  return loads(root, runtime, ADDON);
}

/**
 * Compiles the addon against the headers of the Node that will load it. Needs g++, make and Python.
 * @param {string} root
 * @param {import('./runtime.js').Runtime} runtime
 */
export function buildAddon(root, runtime) {
  say(`compiling ${ADDON}`);
  const nodeGyp = createRequire(npmCommandLine()).resolve('node-gyp/bin/node-gyp.js');
  const folder = path.join(root, 'node_modules', ADDON);
  // Its own download folder, because without one node-gyp refuses an environment without HOME.
  const devDir = path.join(root, '.setup', 'node-gyp');
  const args = [nodeGyp, 'rebuild', '--silent', `--python=${PYTHON}`, `--devdir=${devDir}`];
  // Without headers node-gyp downloads those of the Node that runs it: no --nodedir then.
  if (runtime.headers !== undefined) args.push(`--nodedir=${runtime.headers}`);
  const built = spawnSync(runtime.binary, args, {
    cwd: folder,
    env: buildEnvironment(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
  });
  if (built.status !== 0) {
    process.stderr.write(built.stdout + built.stderr);
    throw new SetupError(`${ADDON} did not compile; the compiler's words are above.`);
  }
  if (!addonReady(root, runtime))
    throw new SetupError(`${ADDON} was compiled but does not load on ${runtime.binary}.`);
}

/** A user's npm settings (other headers, another Python) must not reach the build. */
function buildEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(config|package_config_node_gyp)_/i.test(name)),
  );
}
