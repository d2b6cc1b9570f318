/**
 * A bounded memory of results by text. It holds the half that came last and the half before: what was not asked for
 * while `maximum` / 2 others were new is forgotten. No order is kept, so that a hit costs one look-up.
 */
export class RecentMap<T> {
  readonly #half: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  /** Holds at most `maximum` entries (at least 2), and at least the half of them that was used last. */
  constructor(maximum: number) {
    this.#half = Math.floor(maximum / 2);
  }

  get(key: string): T | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const kept = this.#old.get(key);
    if (kept !== undefined) this.set(key, kept);
    return kept;
  }

  set(key: string, value: T): void {
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  /** What is remembered, or what `make` gives; when that throws, nothing is remembered. */
  getOrMake(key: string, make: () => T): T {
    const known = this.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.set(key, made);
    return made;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
