// Finding programs, as a shell would, plus the folders that a user's PATH on Debian leaves out.

import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/**
 * The full path of a program, or undefined.
 * @param {string} name
 * @param {string} [searchPath]
 * @returns {string | undefined}
 */
export function programOnPath(name, searchPath = process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin') {
  const folders = searchPath.split(path.delimiter).filter(folder => path.isAbsolute(folder));
  return [...folders, ...SYSTEM_FOLDERS].map(folder => path.join(folder, name)).find(isProgram);
}

/**
 * @param {string} file
 * @returns {boolean}
 */
export function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
