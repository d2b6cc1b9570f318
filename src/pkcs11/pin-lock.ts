// One command at a time tries a PIN: the lock of the folder with their book, which the kernel frees when its owner dies.

import { setTimeout as sleep } from 'node:timers/promises';
import { mkdirSync } from 'node:fs';
import { CustodyError } from './error.ts';
import { type Attempt, OpenAttempts } from './pin-memory.ts';
import type { PinTags } from './pin-tags.ts';
import { lockState } from './state-lock.ts';

/** As long as a command leaves a token in a login. Milliseconds. */
export const LOCK_WAIT_MS = 60_000;
const LOOK_MS = 20;

/** Attempts of all processes that share a folder, this one included. */
export class FolderAttempts extends OpenAttempts {
  readonly #folder: string;
  readonly #waitMs: number;

  constructor(folder: string, waitMs = LOCK_WAIT_MS) {
    super();
    this.#folder = folder;
    this.#waitMs = waitMs;
  }

  /** Whoever was waited for in another process has left its records: `hasWaited` is of this process alone. */
  override async begin(tags: PinTags): Promise<Attempt> {
    const { end, hasWaited } = await super.begin(tags);
    const release = await lockFolder(this.#folder, this.#waitMs);
    return {
      hasWaited,
      end: () => {
        release();
        end();
      },
    };
  }

  /** Resolves when no process tries a PIN. */
  async quiet(): Promise<void> {
    const release = await lockFolder(this.#folder, this.#waitMs);
    release();
  }
}

/**
 * Makes the folder and takes its lock. Nobody is shut out by a process that was stopped, or a folder that has no room for locks:
 * after a while, and then at once, it goes on without. Returns what ends the lock.
 */
export async function lockFolder(folder: string, waitMs = LOCK_WAIT_MS): Promise<() => void> {
  const until = performance.now() + waitMs;
  for (;;) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const lock = await lockState(folder);
      return () => void lock.release();
    } catch (thrown) {
      if (!isTaken(thrown) || performance.now() >= until) return () => undefined;
    }
    await sleep(LOOK_MS);
  }
}

/** Whether another process has the lock; false when there can be none here. */
function isTaken(thrown: unknown): boolean {
  if (!(thrown instanceof CustodyError) || thrown.code !== 'STATE_LOCKED') return false;
  const { cause } = thrown;
  return !(cause instanceof Error) || ('code' in cause && cause.code === 'EADDRINUSE');
}
