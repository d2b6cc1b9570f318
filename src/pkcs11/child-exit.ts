// How our child processes end, whatever a vendor's module hangs in.

import type { ChildProcess } from 'node:child_process';

/** A module that hangs while it unloads is killed after this. Milliseconds. */
const EXIT_GRACE_MS = 2_000;
/**
 * A process that a driver holds in the kernel, as at a reader that was pulled out, outlives SIGKILL: so long is waited
 * for its end. It ends as soon as the driver lets go of it.
 */
const KILL_GRACE_MS = 2_000;

/** Resolves when the child is gone, or was never there. */
export async function exitOf(child: ChildProcess): Promise<void> {
  await new Promise<void>(resolve => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

/** Waits for a child that was asked to end (`exited` is its `exitOf`), kills it when it does not, and waits a little longer. */
export async function awaitEnd(child: ChildProcess, exited: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const graceIsOver = new Promise<void>(resolve => {
    timer = setTimeout(() => {
      child.kill('SIGKILL');
      timer = setTimeout(resolve, KILL_GRACE_MS);
    }, EXIT_GRACE_MS);
  });
  await Promise.race([exited, graceIsOver]);
  clearTimeout(timer);
}

/** What a module forked would keep a copy of identity and PIN. */
export function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}
