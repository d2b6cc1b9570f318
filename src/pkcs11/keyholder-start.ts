// How the process of a keyholder is started.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childCommand, passedEnvironment } from './child-command.ts';
import { CustodyError, parseCustodyErrorCode } from './error.ts';
import { memoryArguments } from './memory-word.ts';

/** Where a keyholder finds its things: paths only. */
export interface KeyholderPaths {
  readonly state: string;
  readonly list: string;
  /** `file:/path` or `credential:NAME`. */
  readonly hostKey: string;
}

/** Of a task that reads no list. */
export interface TaskOptions {
  /** Secrets may reach swap where no memory can be locked. */
  readonly swapAccepted?: boolean;
}

/** Entry point beside this file, in source and in the built package. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
/** A small young generation: texts live for one request, and larger ones cost memory and full collections. */
export const KEYHOLDER_FLAGS: readonly string[] = [
  '--disable-sigusr1',
  '--disallow-code-generation-from-strings',
  '--no-warnings',
  '--max-semi-space-size=2',
];

/**
 * Makes an empty keyholder state in a process of its own, which alone has locked memory; see `HostState.create`.
 * @throws CustodyError STATE_EXISTS and what else the process says
 */
export async function initKeyholder(
  paths: Pick<KeyholderPaths, 'state' | 'hostKey'>,
  options: { readonly recover?: boolean; readonly fence?: number } & TaskOptions = {},
): Promise<void> {
  const args = ['init', '--state', paths.state, '--host-key', paths.hostKey];
  if (options.recover === true) args.push('--recover');
  if (options.fence !== undefined) args.push('--fence', String(options.fence));
  await runTask([...args, ...memoryArguments(options.swapAccepted)]);
}

/** Every PIN may be tried again, also those that tokens refused. @throws CustodyError STATE_LOCKED while a keyholder runs, STATE_… */
export async function forgetPins(
  paths: Pick<KeyholderPaths, 'state' | 'hostKey'>,
  { swapAccepted }: TaskOptions = {},
): Promise<void> {
  const args = ['forget-pins', '--state', paths.state, '--host-key', paths.hostKey];
  await runTask([...args, ...memoryArguments(swapAccepted)]);
}

/** Runs a keyholder that changes its state and ends. */
async function runTask(args: readonly string[]): Promise<void> {
  const child = startKeyholder(args, {}, ['ignore', 'ignore', 'pipe', 'ignore']);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await new Promise<void>(resolve => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  if (child.exitCode === 0) return;
  const name = /^keyholder: ([A-Z_]+):/mu.exec(said)?.[1] ?? '';
  throw new CustodyError(parseCustodyErrorCode(name) ?? 'KEYHOLDER_DEAD');
}

/** The process, not spoken to yet. */
export function startKeyholder(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdio: ('ignore' | 'inherit' | 'pipe')[],
): ChildProcess {
  const entry = fileURLToPath(new URL(`./keyholder.${EXTENSION}`, import.meta.url));
  return spawn(...childCommand([...KEYHOLDER_FLAGS, entry, ...args]), {
    // One arena of malloc: each thread of V8 would keep freed texts in one of its own.
    env: { ...passedEnvironment(), MALLOC_ARENA_MAX: '1', ...env },
    stdio,
  });
}
