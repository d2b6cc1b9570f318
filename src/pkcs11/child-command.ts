// What our own child processes start with.

import { accessSync, constants } from 'node:fs';

/** Of util-linux; each becomes the program that it starts, with the same process id and the same open files. */
const PRLIMIT = { path: '/usr/bin/prlimit', args: ['--core=0', '--'] };
const SETPRIV = { path: '/usr/bin/setpriv', args: ['--pdeathsig', 'KILL', '--'] };
const PASSED_ENVIRONMENT = /^(?:PATH|SOFTHSM2_CONF|P11_KIT_\w+|CREDENTIALS_DIRECTORY)$/u;

/**
 * How to start our own Node with these arguments so that it can never write a core file (locked memory would stand in
 * it) and dies with us, whatever a vendor's module hangs in. Without util-linux both are left to whoever started us
 * (`LimitCORE=0`, `KillMode=control-group` in a unit).
 */
export function childCommand(args: readonly string[]): readonly [command: string, args: string[]] {
  const start = [process.execPath, ...args];
  for (const { path, args: own } of [SETPRIV, PRLIMIT]) if (isProgram(path)) start.unshift(path, ...own);
  const [command = process.execPath, ...rest] = start;
  return [command, rest];
}

/** What PKCS#11 modules and credentials need of our environment; a child gets nothing else of it. */
export function passedEnvironment(): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && PASSED_ENVIRONMENT.test(name)) passed[name] = value;
  }
  return passed;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
