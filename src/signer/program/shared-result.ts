/** One answer for everybody who asks at about the same time: asked for once, kept for `maxAgeMs`. Failures are not kept. */
export class SharedResult<T> {
  readonly #ask: () => Promise<T>;
  readonly #maxAgeMs: number;
  readonly #clock: () => number;
  #shared: { readonly result: Promise<T>; readonly since: number } | undefined;

  /** `clock` gives milliseconds; the age of an answer counts from when it was asked for. */
  constructor(ask: () => Promise<T>, maxAgeMs: number, clock: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#maxAgeMs = maxAgeMs;
    this.#clock = clock;
  }

  get(): Promise<T> {
    const now = this.#clock();
    if (this.#shared !== undefined && now - this.#shared.since <= this.#maxAgeMs) return this.#shared.result;
    const shared = { result: this.#ask(), since: now };
    this.#shared = shared;
    shared.result.catch(() => {
      if (this.#shared === shared) this.#shared = undefined;
    });
    return shared.result;
  }

  /** What is asked for from now on is asked for anew. */
  forget(): void {
    this.#shared = undefined;
  }
}
