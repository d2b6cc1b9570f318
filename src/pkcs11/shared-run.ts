/** Told how a run ended, by a promise that is settled. */
export type Waiter<T> = (outcome: Promise<T>) => void;

/** One run at a time of what all who ask for it share. Whoever leaves is forgotten, and the run goes on. */
export class SharedRun<T> {
  readonly #waiting = new Set<Waiter<T>>();
  #isRunning = false;

  /** `waiter` is told of the run that is under way, or else of one that begins now. */
  join(waiter: Waiter<T>, begin: () => Promise<T>): void {
    this.#waiting.add(waiter);
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#serve(begin());
  }

  leave(waiter: Waiter<T>): void {
    this.#waiting.delete(waiter);
  }

  /** Keeps nothing of who began it. */
  async #serve(outcome: Promise<T>): Promise<void> {
    await Promise.allSettled([outcome]);
    this.#isRunning = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter(outcome);
  }
}
