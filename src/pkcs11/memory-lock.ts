// Whether this process keeps secrets out of swap, and what it does where the system does not let it.

import { readFileSync } from 'node:fs';
import { CustodyError } from './error.ts';
import { giveUpLocking, withFreshPages } from './locked-memory.ts';

/** What the owner says of a host whose memory cannot be locked, by the numbers of the list. */
export const LOCKED_MEMORY = ['required', 'swap-accepted'] as const;
export type LockedMemory = (typeof LOCKED_MEMORY)[number];

/** Argument of our processes: whoever starts them accepts that secrets reach swap where no memory can be locked. */
export const SWAP_ACCEPTED = '--swap-accepted';

/** A size that nothing else uses, so that fresh pages are taken. */
const TRIAL_BYTES = 0x8000;
let isLocked = true;

/** False where locked memory was given up, with the owner's word. */
export const isMemoryLocked = (): boolean => isLocked;

/** Throws LOCKED_MEMORY unless VmLck grows by all that is locked, or it was given up before. */
export function checkLockedMemory(): void {
  if (!isLocked) return;
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
    isLocked = false;
  }
}

/** For the arguments of a child: what is accepted in this process is accepted there. */
export const memoryArguments = (isSwapAccepted = !isLocked): readonly string[] =>
  isSwapAccepted ? [SWAP_ACCEPTED] : [];

function lockedKilobytes(): number {
  const match = /^VmLck:\s+(\d+) kB$/mu.exec(readFileSync('/proc/self/status', 'latin1'));
  if (match === null) throw new CustodyError('LOCKED_MEMORY');
  return Number(match[1]);
}
