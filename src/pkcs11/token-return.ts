import type { KeyholderList, ListToken } from './list.ts';
import type { TokenOpener } from './openings.ts';
import type { ServiceSlot } from './service-slot.ts';
import type { TokenBook } from './token-book.ts';

const FIRST_PAUSE_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 300;
/** For a token that nobody waits for, because another one opens: so that status tells of its return. */
const IDLE_PAUSE_SECONDS = 3600;

/**
 * Notices that a token is back before the pauses of the services end, which grow to an hour. Looks without a login, so that no
 * PIN and no opening is spent on an absent token; looks more and more seldom, also when the token that is back fails again.
 */
export class TokenReturn {
  #looks = 0;
  #notBefore = 0;
  /** When an idle look was made or put off; 0 while nothing is away. */
  #looked = 0;

  /** When it looks next, Unix seconds; 0 when nothing is looked for. */
  get nextLook(): number {
    return this.#looks === 0 ? 0 : this.#notBefore;
  }

  /** Ends the pause of services that wait, when a token of the list that was away is there. Never throws. */
  async notice(
    slots: readonly ServiceSlot[],
    list: KeyholderList,
    { token, tokens }: { readonly token: TokenOpener; readonly tokens: TokenBook },
    nowSeconds: number,
  ): Promise<void> {
    const away = tokens.away(list.tokens);
    const waiting = slots.filter(slot => slot.entry.enabled && slot.isFailing);
    if (waiting.length === 0) this.#looks = 0;
    if (away.length === 0) this.#looked = 0;
    if (away.length === 0) return;
    if (waiting.length === 0) {
      if (this.#looked === 0) this.#looked = nowSeconds;
      if (Math.abs(nowSeconds - this.#looked) < IDLE_PAUSE_SECONDS) return;
      this.#looked = nowSeconds;
      for (const each of await lookFor(away, list, token)) tokens.seen(each, nowSeconds);
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
    this.#looked = nowSeconds;
    const found = await lookFor(away, list, token);
    for (const each of found) tokens.seen(each, nowSeconds);
    if (found.length > 0) for (const slot of paused) slot.budget.endPause();
  }
}

/** Those of `away` that are there now. All at once: each that hangs costs its deadline. */
async function lookFor(
  away: readonly ListToken[],
  list: KeyholderList,
  token: TokenOpener,
): Promise<ListToken[]> {
  const looks = await Promise.all(
    away.map(async access => {
      try {
        if (token.find === undefined) return undefined;
        await token.find({ ...access, pinSource: list.pinSource });
        return access;
      } catch {
        return undefined; // Not this one; why is known from the opening.
      }
    }),
  );
  return looks.filter(each => each !== undefined);
}
