// What our own child processes start with.

import { accessSync, constants } from 'node:fs';

/** Of util-linux; it becomes the program that it starts, with the same process id and the same open files. */
const PRLIMIT = '/usr/bin/prlimit';
const PASSED_ENVIRONMENT = /^(?:PATH|SOFTHSM2_CONF|P11_KIT_\w+|CREDENTIALS_DIRECTORY)$/u;

/**
 * How to start our own Node with these arguments so that it can never write a core file: locked memory would stand in
 * it. Where there is no prlimit the limit is left to whoever started us (`LimitCORE=0` in a unit).
 */
export function childCommand(args: readonly string[]): readonly [command: string, args: string[]] {
  return canLimit()
    ? [PRLIMIT, ['--core=0', '--', process.execPath, ...args]]
    : [process.execPath, [...args]];
}

/** What PKCS#11 modules and credentials need of our environment; a child gets nothing else of it. */
export function passedEnvironment(): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && PASSED_ENVIRONMENT.test(name)) passed[name] = value;
  }
  return passed;
}

function canLimit(): boolean {
  try {
    accessSync(PRLIMIT, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
