// The breaker of custody: one state for status, metrics and log.

import type { CustodyErrorCode } from './error.ts';
import type { ServiceSlot } from './service-slot.ts';
import type { SigningTokenStatus } from './signing-token.ts';

/** Closed: tokens are used as they are needed. Open: after a failure they are left alone until `nextTry`. Unix seconds. */
export interface Breaker {
  readonly isOpen: boolean;
  /** First failure since the last success; 0 when closed. */
  readonly since: number;
  /** When a token is looked for or asked again; 0 when closed, and when it takes a person or evidence first. */
  readonly nextTry: number;
  /** Why it is open. */
  readonly code: string;
}

const CLOSED: Breaker = Object.freeze({ isOpen: false, since: 0, nextTry: 0, code: '' });
/** Nothing is asked again before somebody did something. */
const WAITING: ReadonlySet<string> = new Set([
  'PIN_INCORRECT',
  'CLOCK_UNPROVEN',
] satisfies CustodyErrorCode[]);

/** Of all that fails, what has failed for the longest time. `nextLook` is the next look for a token that is away, 0 for none. */
export function breakerOf(
  slots: readonly ServiceSlot[],
  signing: SigningTokenStatus,
  nextLook: number,
  nowSeconds: number,
): Breaker {
  const failing = slots.filter(slot => slot.entry.enabled && slot.isFailing);
  const tries = failing
    .filter(({ lastError }) => !WAITING.has(lastError))
    .map(({ budget }) => budget.nextTry(nowSeconds));
  const next = [...tries, ...(failing.length > 0 && nextLook > 0 ? [nextLook] : [])];
  const openings = failing.map(({ failingSince, lastError }): Breaker => {
    const nextTry = next.length === 0 ? 0 : Math.max(nowSeconds, Math.min(...next));
    return { isOpen: true, since: failingSince, nextTry, code: lastError };
  });
  const { errorCode, downSince: since, nextTry } = signing;
  const process = errorCode === '' || since === 0 ? [] : [{ isOpen: true, since, nextTry, code: errorCode }];
  return [...openings, ...process].toSorted((a, b) => a.since - b.since)[0] ?? CLOSED;
}
