/** Work of several owners: one piece of each at a time, in the order in which it came, and the owners beside each other. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs the work as soon as the owner's work of before is over; at once when there is none. */
  async take(owner: string, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(owner);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#last.set(owner, turn);
    try {
      await turn;
    } finally {
      if (this.#last.get(owner) === turn) this.#last.delete(owner);
    }
  }
}
