import type { RefusedEntry } from './entries.ts';

/** One refusal; `service` is undefined when it does not exist or the publisher may not know it. */
export interface Refusal {
  readonly publisher: string;
  readonly service: string | undefined;
  /** A rule's id or a problem's code. */
  readonly rule: string;
  readonly observed: string;
  readonly limit: string;
}

/** Refusals of one publisher, service and rule make at most two entries in so many seconds. */
export const REFUSAL_WINDOW_SECONDS = 3600;
const MAX_KEYS = 4096;

interface Window {
  readonly refusal: Refusal;
  readonly opened: number;
  from: number;
  until: number;
  count: number;
}

/**
 * Counts refusals so that a flood of them fills no disk: the first of a kind is an entry at once, the following
 * ones of its hour are one entry together. What is still counted when the process dies is lost.
 */
export class RefusalCounter {
  readonly #windows = new Map<string, Window>();

  /** Counts one refusal at `now` (Unix seconds) and gives the entry to write, if it is the first of its kind. */
  count(refusal: Refusal, now: number): RefusedEntry | undefined {
    // Past the bound the service's name is dropped, so the map stays bounded by publishers and rules.
    const service = this.#windows.size < MAX_KEYS ? (refusal.service ?? '') : '';
    const key = `${refusal.publisher} ${service} ${refusal.rule}`;
    const window = this.#windows.get(key);
    if (window === undefined) {
      const kept = { ...refusal, service: service === '' ? undefined : service };
      this.#windows.set(key, { refusal: kept, opened: now, from: now, until: now, count: 0 });
      return toEntry(kept, now, now, 1);
    }
    if (window.count === 0) window.from = now;
    window.count += 1;
    window.until = now;
    return undefined;
  }

  /** Closes the windows that are over at `now`, or all of them, and gives the entries to write. */
  flush(now: number, all = false): RefusedEntry[] {
    const entries: RefusedEntry[] = [];
    for (const [key, { refusal, opened, from, until, count }] of this.#windows) {
      // A clock that went back must not keep a window open.
      if (!all && now >= opened && now < opened + REFUSAL_WINDOW_SECONDS) continue;
      this.#windows.delete(key);
      if (count > 0) entries.push(toEntry(refusal, from, until, count));
    }
    return entries;
  }
}

function toEntry(refusal: Refusal, at: number, until: number, count: number): RefusedEntry {
  const { publisher, service, rule } = refusal;
  return {
    kind: 'refused',
    at,
    until,
    publisher,
    service: service ?? '',
    rule,
    count,
    observed: printable(refusal.observed),
    limit: printable(refusal.limit),
  };
}

/** Printable ASCII, at most 256 characters: entries are shown to people. */
const printable = (text: string): string => text.replace(/[^ -~]/g, '?').slice(0, 256);
