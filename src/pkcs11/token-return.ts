import type { CustodyErrorCode } from './error.ts';
import type { KeyholderList } from './list.ts';
import type { TokenOpener } from './openings.ts';
import type { ServiceSlot } from './service-slot.ts';

/** A token that gave one of these may come back by itself. */
const AWAY: readonly string[] = [
  'TOKEN_NOT_FOUND',
  'TOKEN_DEAD',
  'TOKEN_TIMEOUT',
  'MODULE_PATH',
  'MODULE_LOAD',
] satisfies CustodyErrorCode[];

const FIRST_PAUSE_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 300;

/**
 * Notices that a token is back before the pauses of the services end, which grow to an hour. Looks without a login, so that no
 * PIN and no opening is spent on an absent token; looks more and more seldom, also when the token that is back fails again.
 */
export class TokenReturn {
  #looks = 0;
  #notBefore = 0;

  /** Ends the pause of services that wait for a token, when one of the list is there. Never throws. */
  async notice(
    slots: readonly ServiceSlot[],
    list: KeyholderList,
    token: TokenOpener,
    nowSeconds: number,
  ): Promise<void> {
    const waiting = slots.filter(slot => slot.entry.enabled && AWAY.includes(slot.lastError));
    if (waiting.length === 0) {
      this.#looks = 0;
      this.#notBefore = 0;
      return;
    }
    if (this.#looks === 0)
      this.#notBefore = Math.max(...waiting.map(slot => slot.lastErrorAt)) + FIRST_PAUSE_SECONDS;
    const paused = waiting.filter(slot => slot.budget.isPaused(nowSeconds));
    const isClockBack = this.#notBefore > nowSeconds + LONGEST_PAUSE_SECONDS;
    if (paused.length === 0 || (nowSeconds < this.#notBefore && !isClockBack)) return;
    const pause = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** Math.min(this.#looks, 16));
    this.#looks += 1;
    this.#notBefore = nowSeconds + pause;
    if (await isOneThere(list, token)) for (const slot of paused) slot.budget.endPause();
  }
}

async function isOneThere(list: KeyholderList, token: TokenOpener): Promise<boolean> {
  if (token.find === undefined) return false;
  for (const access of list.tokens) {
    try {
      await token.find({ ...access, pinSource: list.pinSource });
      return true;
    } catch {
      // Not this one; why is known from the opening.
    }
  }
  return false;
}
