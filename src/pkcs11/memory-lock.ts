// Whether this process keeps secrets out of swap, and what it does where the system does not let it.

import { readFileSync } from 'node:fs';
import { CustodyError } from './error.ts';
import { giveUpLocking, withFreshPages } from './locked-memory.ts';
import { isMemoryLocked, noteUnlockedMemory } from './memory-word.ts';

/** A size that nothing else uses, so that fresh pages are taken. */
const TRIAL_BYTES = 0x8000;

/** Throws LOCKED_MEMORY unless VmLck grows by all that is locked, or it was given up before. */
export function checkLockedMemory(): void {
  if (!isMemoryLocked()) return;
  const before = lockedKilobytes();
  const grown = withFreshPages(TRIAL_BYTES, () => lockedKilobytes() - before);
  if (grown < TRIAL_BYTES / 1024) throw new CustodyError('LOCKED_MEMORY');
}

/**
 * Once at start, before there is a secret. Where memory can be locked nothing is asked and nothing changes; where it cannot,
 * `isSwapAccepted` decides whether this process goes on without. @throws CustodyError LOCKED_MEMORY, and what that throws
 */
export function settleMemory(isSwapAccepted: () => boolean): void {
  try {
    checkLockedMemory();
  } catch (thrown) {
    if (!isSwapAccepted()) throw thrown;
    giveUpLocking();
    noteUnlockedMemory();
  }
}

function lockedKilobytes(): number {
  const match = /^VmLck:\s+(\d+) kB$/mu.exec(readFileSync('/proc/self/status', 'latin1'));
  if (match === null) throw new CustodyError('LOCKED_MEMORY');
  return Number(match[1]);
}
