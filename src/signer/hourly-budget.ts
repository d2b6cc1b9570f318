const WINDOW_SECONDS = 3600;

/**
 * Counts per publisher and service in windows of an hour, in memory: for what leaves no trace in the journal. Callers
 * count only pairs that policy names, so it stays as small as policy.
 */
export class HourlyBudget {
  readonly #windows = new Map<string, { readonly since: number; count: number }>();

  /** Counts one at `now` (Unix seconds) and gives how many were counted in this window before. */
  take(publisher: string, service: string, now: number): number {
    const key = `${publisher} ${service}`;
    const known = this.#windows.get(key);
    // A clock that went back must not keep a window open.
    if (known === undefined || now < known.since || now >= known.since + WINDOW_SECONDS) {
      this.#windows.set(key, { since: now, count: 1 });
      return 0;
    }
    known.count += 1;
    return known.count - 1;
  }
}
