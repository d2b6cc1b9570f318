// Nobody looks into a process with secrets: no debugger, no code of others, no memory in a file.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';
import { CustodyError } from './error.ts';

/** Flags of Node that run no other code and show no memory. Every other one is refused, also those of a later Node. */
const HARMLESS = [
  /^--disable-sigusr1$/u,
  /^--disallow-code-generation-from-strings$/u,
  /^--jitless$/u,
  /^--no-(?:deprecation|warnings)$/u,
  /^--disable-warning=\w+$/u,
  /^--max-(?:semi|old)-space-size=\d+$/u,
  /^--(?:permission|allow-[a-z-]+)(?:=.*)?$/u,
];
/** Of util-linux. */
const PRLIMIT = '/usr/bin/prlimit';
const PATIENCE_MS = 5_000;

/**
 * Switches off what would open this process, before there is a secret in it: the inspector behind SIGUSR1, memory in core
 * files. Neither SIGUSR1 nor SIGUSR2 does anything from then on.
 * @throws CustodyError PROCESS_EXPOSED: it runs under an inspector, with preloaded modules, diagnostic reports, heap
 *   snapshots, profiles or any flag that is not known to be harmless, or may write its memory into a core file
 */
export function guardProcess(): void {
  // Whoever listens to SIGUSR1 has it instead of Node, which would open the inspector.
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  const [foreign] = foreignFlags(process.execArgv, process.env['NODE_OPTIONS']);
  if (foreign !== undefined) throw new CustodyError('PROCESS_EXPOSED', `Node was started with ${foreign}`);
  if (inspectorUrl() !== undefined) throw new CustodyError('PROCESS_EXPOSED', 'an inspector is open');
  const isMemoryLeftOut = leaveMemoryOutOfCoreFiles();
  if (!forbidCoreFiles() && !isMemoryLeftOut)
    throw new CustodyError('PROCESS_EXPOSED', 'core files would hold its memory: set LimitCORE=0');
}

/** Names of the flags that are refused, without their values. */
export function foreignFlags(execArgv: readonly string[], nodeOptions = ''): string[] {
  const given = [...execArgv, ...nodeOptions.split(/\s+/u).filter(Boolean)];
  return given.filter(flag => !HARMLESS.some(known => known.test(flag))).map(nameOf);
}

/** What does not begin like a flag is the value of the one before it. */
const nameOf = (flag: string): string => /^--?[a-z0-9-]+/u.exec(flag)?.[0] ?? 'a value of its own';

/** Also where a program takes core files, which no limit stops; children inherit it. False where the kernel has none of it. */
function leaveMemoryOutOfCoreFiles(): boolean {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
    return Number.parseInt(readFileSync('/proc/self/coredump_filter', 'latin1'), 16) === 0;
  } catch {
    return false;
  }
}

function forbidCoreFiles(): boolean {
  if (areCoreFilesForbidden()) return true;
  try {
    spawnSync(PRLIMIT, ['--pid', String(process.pid), '--core=0'], {
      env: {},
      stdio: 'ignore',
      timeout: PATIENCE_MS,
    });
  } catch {
    // Node's permission model forbids it: whoever started us sets the limit.
  }
  return areCoreFilesForbidden();
}

function areCoreFilesForbidden(): boolean {
  try {
    return /^Max core file size +0 +0 /mu.test(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    return false;
  }
}
