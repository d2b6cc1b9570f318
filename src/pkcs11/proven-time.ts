// What evidence proves about the time. The clock alone is believed in nothing that cannot be undone.

import type { NetworkProfile, TimeInterval } from '../descriptor/index.ts';
import type { KeyholderList } from './list.ts';
import { aheadSeconds } from './sign-plan.ts';

const HOUR = 3600;

/** The latest time that accepted evidence proved: it is not earlier. Never goes back. */
export class ProvenTime {
  #second: number;

  /** Starts from what was recorded, Unix seconds; 0 when no evidence was ever accepted. */
  constructor(recorded: number) {
    this.#second = recorded;
  }

  /** Unix seconds; 0 when no evidence was ever accepted. */
  get second(): number {
    return this.#second;
  }

  /** Takes the interval in which accepted evidence was made: its first second has passed. */
  accept(made: TimeInterval): void {
    this.#second = Math.max(this.#second, Math.floor(made.from));
  }

  /** Whether the clock is where evidence that is accepted at this moment could put it. */
  agreesWith(profile: NetworkProfile, nowSeconds: number): boolean {
    // Evidence knows the hour of its certificate.
    const oldest = nowSeconds - profile.evidenceMaxAgeSeconds - HOUR;
    return oldest <= this.#second && this.#second <= nowSeconds + profile.evidenceMaxSkewSeconds;
  }

  /**
   * Whether periods may be certified by this clock: it is neither before the proven time nor further behind it than
   * the keys reach that were certified then. Always before the first evidence, which needs keys of nobody.
   */
  allowsOpening(list: KeyholderList, nowSeconds: number): boolean {
    if (this.#second === 0) return true;
    const { evidenceMaxSkewSeconds, periodLengthMinutes } = list.profile;
    const latest = this.#second + aheadSeconds(list) + periodLengthMinutes * 60;
    return this.#second - evidenceMaxSkewSeconds <= nowSeconds && nowSeconds <= latest;
  }
}
