// The command lines of the development tools, as script files of npm packages: they run on the Node we choose.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './setup.js';

const SOURCES = ['src', 'test', 'scripts', 'bench', 'demo', 'bin', 'vitest.config.ts'];

/** @typedef {{[name: string]: () => string[]}} Tools each gives the arguments for Node */

/** @type {Tools} */
export const TOOLS = {
  typecheck: () => [script('typescript', 'tsc'), '-p', '.'],
  lint: () => [
    script('oxlint'),
    '--type-aware',
    '--deny-warnings',
    ...SOURCES.filter(name => existsSync(path.join(ROOT, name))),
  ],
  format: () => [script('@biomejs/biome', 'biome'), 'format', '--write', '.'],
  formatCheck: () => [script('@biomejs/biome', 'biome'), 'format', '.'],
  vitest: () => [script('vitest'), 'run'],
};

/**
 * @param {string} packageName
 * @param {string} [command]
 * @returns {string} full path of the script that the package names as this command
 */
function script(packageName, command = packageName) {
  const folder = path.join(ROOT, 'node_modules', packageName);
  const manifest = /** @type {{bin: string | Record<string, string>}} */ (
    JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  );
  const file = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[command];
  if (file === undefined) throw new Error(`${packageName} has no command ${command}`);
  return path.join(folder, file);
}
