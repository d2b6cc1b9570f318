import type { PreparedService } from './keyholder-messages.ts';
import { SharedRun } from './shared-run.ts';

/** A piece of work; what it throws is its own matter. */
export type Work = () => Promise<void>;

/** Work of several owners: one piece of each at a time, in the order in which it came, and the owners beside each other. */
export class Turns {
  /** What every owner and every connection waits for together. */
  readonly preparation = new SharedRun<PreparedService[]>();
  /** What waits behind the owner's work that is under way. */
  readonly #lines = new Map<string, Set<Work>>();

  /** Begins the work as soon as the owner's work of before is over; at once when there is none. */
  take(owner: string, work: Work): void {
    const line = this.#lines.get(owner);
    if (line === undefined) void this.#serve(owner, new Set([work]));
    else line.add(work);
  }

  /** What has not begun never does. */
  drop(owner: string, work: Work): void {
    this.#lines.get(owner)?.delete(work);
  }

  /** To the end of the line, which may grow meanwhile. */
  async #serve(owner: string, line: Set<Work>): Promise<void> {
    this.#lines.set(owner, line);
    for (const work of line) {
      line.delete(work);
      await work().catch(() => undefined);
    }
    this.#lines.delete(owner);
  }
}
