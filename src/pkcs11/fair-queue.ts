// Work that waits for its turn, in one line for each owner.

/** The lines are served in turn, so that a long one makes its own owner wait, and nobody else. */
export class FairQueue<T> {
  /** None is empty; whose turn is next comes first. */
  readonly #lines = new Map<string, T[]>();

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  push(owner: string, work: T): void {
    const line = this.#lines.get(owner);
    if (line === undefined) this.#lines.set(owner, [work]);
    else line.push(work);
  }

  /** What is next, if anything: the oldest of the first owner, who then goes behind the others. */
  shift(): T | undefined {
    for (const [owner, [work, ...others]] of this.#lines) {
      this.#lines.delete(owner);
      if (others.length > 0) this.#lines.set(owner, others);
      return work;
    }
    return undefined;
  }
}
