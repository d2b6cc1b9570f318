import type { EntryWriter } from './entry-writer.ts';
import type { Measure, Measures } from './measures.ts';

/** The measures of a journal, and how another one is taken. */
export class MeasureBook {
  readonly inForce: Measures;
  readonly #writer: EntryWriter;
  readonly #write: <T>(work: () => T) => Promise<T>;

  constructor(inForce: Measures, writer: EntryWriter, write: <T>(work: () => T) => Promise<T>) {
    this.inForce = inForce;
    this.#writer = writer;
    this.#write = write;
  }

  /**
   * Takes a measure at `at` (Unix seconds); false when it holds already or goes back. Resolves when it is on disk, and holds from
   * then on. Written above every quota: whoever filled the journal must not keep himself in.
   */
  record(measure: Measure, at: number): Promise<boolean> {
    return this.#write(() => this.#take(measure, at));
  }

  /** Takes a measure with those that follow from it, all or none; false, and nothing is taken, when it holds already. */
  recordWith(measure: Measure, following: readonly Measure[], at: number): Promise<boolean> {
    return this.#write(() => {
      const changed = this.#take(measure, at);
      if (changed) for (const each of following) this.#take(each, at);
      return changed;
    });
  }

  #take(measure: Measure, at: number): boolean {
    if (!this.inForce.follows(measure)) return false;
    const { index } = this.#writer.append({ ...measure, at });
    this.inForce.take(measure, index);
    return true;
  }
}
