// SIGN-RATE beside the keys: how many orders and texts of one service leave in an hour.

import { type Denial, LIMIT_RULES } from '../descriptor/index.ts';
import { MAX_TARGETS } from './keyholder-messages.ts';
import type { KeyholderList, ListService } from './list.ts';
import { runwaySeconds } from './sign-plan.ts';

/** An hour, less what a request may wait between the core's count and ours: we never refuse what policy allows. */
const WINDOW_SECONDS = 3600 - 60;
/** Two periods are published at any time. */
const TEXTS_PER_SECOND = 2;

interface Signed {
  readonly at: number;
  readonly texts: number;
}

/**
 * The most orders and texts of a service in an hour: as many requests as its policy allows, each with a text for now
 * and one for each voting interval of the runway, in every published period.
 */
export function rateLimits(list: KeyholderList, service: ListService): { orders: number; texts: number } {
  const seconds = Math.floor(runwaySeconds(list) / list.profile.votingIntervalSeconds) + 1;
  const texts = TEXTS_PER_SECOND * seconds;
  const orders = Math.ceil(texts / MAX_TARGETS);
  return { orders: service.requestsPerHour * orders, texts: service.requestsPerHour * texts };
}

/** What one service had signed lately. Unix seconds; a clock that steps back forgets what lies ahead of it. */
export class SignRate {
  #signed: Signed[] = [];

  /** Takes over what the marks know of the time before the start, by second: orders of one second look like one. */
  restore(spentAt: readonly number[]): void {
    const texts = new Map<number, number>();
    for (const at of spentAt) texts.set(at, (texts.get(at) ?? 0) + 1);
    this.#signed = [...texts].sort(([a], [b]) => a - b).map(([at, count]) => ({ at, texts: count }));
  }

  /** SIGN-RATE: whether an order of so many texts may be signed now. */
  check(limits: { orders: number; texts: number }, texts: number, nowSeconds: number): Denial | undefined {
    this.#signed = this.#signed.filter(({ at }) => at > nowSeconds - WINDOW_SECONDS && at <= nowSeconds);
    const orders = this.#signed.length;
    const sum = this.#signed.reduce((total, each) => total + each.texts, 0);
    if (orders < limits.orders && sum + texts <= limits.texts) return undefined;
    return {
      rule: LIMIT_RULES.signRate,
      observed: `${orders} orders with ${sum} texts in the last hour`,
      limit: `${limits.orders} orders and ${limits.texts} texts`,
    };
  }

  /** Counts an order whose seconds are spent. */
  note(texts: number, nowSeconds: number): void {
    this.#signed.push({ at: nowSeconds, texts });
  }
}
