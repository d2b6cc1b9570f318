// What our own child processes start with.

import { accessSync, constants } from 'node:fs';

/** Of util-linux; each becomes the program that it starts, with the same process id and the same open files. */
const PRLIMIT = { path: '/usr/bin/prlimit', args: ['--core=0', '--'] };
const SETPRIV = { path: '/usr/bin/setpriv', args: ['--pdeathsig', 'KILL', '--no-new-privs', '--'] };
/** Node knows it since 25, where it belongs to the permission model: fd 3 is a socket. */
const NET = process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : [];
/**
 * Of a process that loads a vendor's module. Its JavaScript may read files, write to the terminal and keep its memory out
 * of core files; it writes no other file and starts no process, thread or inspector. Native code is not bound by that.
 */
export const MODULE_PROCESS_FLAGS: readonly string[] = [
  '--disable-sigusr1',
  '--disallow-code-generation-from-strings',
  '--no-warnings',
  '--permission',
  '--allow-addons',
  '--allow-fs-read=*',
  '--allow-fs-write=/dev/tty',
  '--allow-fs-write=/proc/self/coredump_filter',
  ...NET,
];
const PASSED_ENVIRONMENT = /^(?:PATH|SOFTHSM2_CONF|P11_KIT_\w+|CREDENTIALS_DIRECTORY)$/u;

/**
 * How to start our own Node with these arguments so that it can never write a core file (locked memory would stand in
 * it), gains no rights by a program that it starts, and dies with us, whatever a vendor's module hangs in. Without util-linux
 * this is left to whoever started us (`LimitCORE=0`, `NoNewPrivileges=yes`, `KillMode=control-group` in a unit).
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
