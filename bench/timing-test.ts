// Do two classes of input take the same time? Welch's t-test on running means, as dudect makes it (Reparaz, Balasch,
// Verbauwhede, 2017): on all samples, on the fast ones below each of many limits, and on the second moment.

/** |t| above it says that the classes differ, with one chance in 150,000 of being wrong for a single test. */
export const SUSPICIOUS_T = 4.5;
/** With a hundred tests beside each other and a machine that others use, only this is proof. */
export const CERTAIN_T = 10;
const LIMITS = 100;
/** Below so many samples of a class a t-value says nothing. */
const LEAST_SAMPLES = 10_000;

/** Count, mean and sum of squared deviations of a row of numbers (Welford). */
class Moments {
  count = 0;
  mean = 0;
  #squares = 0;

  add(value: number): void {
    this.count += 1;
    const delta = value - this.mean;
    this.mean += delta / this.count;
    this.#squares += delta * (value - this.mean);
  }

  get variance(): number {
    return this.count < 2 ? 0 : this.#squares / (this.count - 1);
  }
}

/** One comparison of class 0 with class 1. */
class Welch {
  readonly classes = [new Moments(), new Moments()] as const;

  add(which: 0 | 1, value: number): void {
    this.classes[which].add(value);
  }

  /** 0 while a class has fewer than `least` samples. */
  t(least: number): number {
    const [a, b] = this.classes;
    if (Math.min(a.count, b.count) < Math.max(2, least)) return 0;
    const error = Math.sqrt(a.variance / a.count + b.variance / b.count);
    return error === 0 ? 0 : (a.mean - b.mean) / error;
  }
}

/** What a run found. Means in the unit of the samples. */
export interface TimingVerdict {
  readonly counts: readonly [number, number];
  readonly means: readonly [number, number];
  /** On all samples. */
  readonly t: number;
  /** The greatest |t| of all limits, with its sign, and which part of the samples lay below that limit. */
  readonly croppedT: number;
  readonly croppedPart: number;
  /** On squared distances from the mean. */
  readonly secondOrderT: number;
}

/** Takes samples one after the other; the first ones set the limits and are not counted. */
export class TimingTest {
  readonly #limits: readonly number[];
  readonly #all = new Welch();
  readonly #cropped: readonly Welch[];
  readonly #secondOrder = new Welch();
  readonly #least: number;

  /** `calibration`: times of both classes, measured in the same way. */
  constructor(calibration: readonly number[], least = LEAST_SAMPLES) {
    const sorted = [...calibration].sort((a, b) => a - b);
    // Dense at the upper end, where what the system does stands among the samples.
    this.#limits = Array.from({ length: LIMITS }, (_, i) => {
      const part = 1 - 0.5 ** ((10 * (i + 1)) / LIMITS);
      return sorted[Math.floor(part * (sorted.length - 1))] ?? Infinity;
    });
    this.#cropped = this.#limits.map(() => new Welch());
    this.#least = least;
  }

  add(which: 0 | 1, time: number): void {
    this.#all.add(which, time);
    for (let i = LIMITS - 1; i >= 0 && time < (this.#limits[i] ?? 0); i -= 1)
      this.#cropped[i]?.add(which, time);
    const { count, mean } = this.#all.classes[which];
    if (count >= this.#least) this.#secondOrder.add(which, (time - mean) ** 2);
  }

  get verdict(): TimingVerdict {
    const [a, b] = this.#all.classes;
    const values = this.#cropped.map(each => each.t(this.#least));
    const worst = values.reduce((best, t, i) => (Math.abs(t) > Math.abs(values[best] ?? 0) ? i : best), 0);
    const kept = this.#cropped[worst]?.classes.map(({ count }) => count) ?? [];
    return {
      counts: [a.count, b.count],
      means: [a.mean, b.mean],
      t: this.#all.t(this.#least),
      croppedT: values[worst] ?? 0,
      croppedPart: kept.reduce((sum, count) => sum + count, 0) / Math.max(1, a.count + b.count),
      secondOrderT: this.#secondOrder.t(this.#least),
    };
  }
}

/** The greatest |t| of a verdict. */
export const worstOf = ({ t, croppedT, secondOrderT }: TimingVerdict): number =>
  Math.max(Math.abs(t), Math.abs(croppedT), Math.abs(secondOrderT));
