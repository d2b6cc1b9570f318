// What the owner says of memory that cannot be locked, and whether this process works with such. Loads no native code.

/** What the owner says of a host whose memory cannot be locked, by the numbers of the list. */
export const LOCKED_MEMORY = ['required', 'swap-accepted'] as const;
export type LockedMemory = (typeof LOCKED_MEMORY)[number];

/** Argument of our processes: whoever starts them accepts that secrets reach swap where no memory can be locked. */
export const SWAP_ACCEPTED = '--swap-accepted';

let isLocked = true;

/** False where locked memory was given up, with the owner's word. */
export const isMemoryLocked = (): boolean => isLocked;

/** From now on this process works with memory that is not locked. */
export function noteUnlockedMemory(): void {
  isLocked = false;
}

/** For the arguments of a child: what is accepted in this process is accepted there. */
export const memoryArguments = (isSwapAccepted = !isLocked): readonly string[] =>
  isSwapAccepted ? [SWAP_ACCEPTED] : [];
