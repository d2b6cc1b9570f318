/** The text format in which Prometheus reads numbers, version 0.0.4. */

export type Labels = Readonly<Record<string, string>>;

/** One number of a family; `suffix` is of histograms: `_bucket`, `_sum` or `_count`. */
export interface Sample {
  readonly value: number;
  readonly labels?: Labels;
  readonly suffix?: '_bucket' | '_sum' | '_count';
}

/** All numbers of one name. Counters end in `_total`; units are base units and stand in the name. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Families → text. One without samples is left out. */
export function formatExposition(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(formatFamily)
    .join('');
}

function formatFamily({ name, type, help, samples }: Family): string {
  const lines = samples.map(
    ({ value, labels = {}, suffix = '' }) =>
      `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`,
  );
  return `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([key, value]) => `${key}="${escape(value).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const formatValue = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);

/** Makes gauges whose names begin with `prefix`. */
export const gaugesOf =
  (prefix: string) =>
  (name: string, help: string, samples: readonly Sample[]): Family => ({
    name: `${prefix}${name}`,
    type: 'gauge',
    help,
    samples,
  });

/** One sample for each of `all` that has the number. */
export function samplesOf<T>(
  all: readonly T[],
  labelsOf: (one: T) => Labels,
  pick: (one: T) => number | undefined,
): Sample[] {
  return all.flatMap(one => {
    const value = pick(one);
    return value === undefined ? [] : [{ labels: labelsOf(one), value }];
  });
}

/** A counter with labels. The caller's labels come from closed sets, so it stays small. */
export class Counter {
  readonly #counts = new Map<string, { readonly labels: Labels; count: number }>();

  add(labels: Labels, count = 1): void {
    const key = JSON.stringify(labels);
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { labels, count });
    else known.count += count;
  }

  samples(): Sample[] {
    return [...this.#counts.values()].map(({ labels, count }) => ({ labels, value: count }));
  }
}

/** A histogram with labels: how many values were at most each bound. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; readonly counts: number[]; sum: number }>();

  /** `bounds` ascending; the last bucket, without a bound, is added. */
  constructor(bounds: readonly number[]) {
    this.#bounds = [...bounds, Number.POSITIVE_INFINITY];
  }

  observe(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const series = this.#series.get(key) ?? { labels, counts: this.#bounds.map(() => 0), sum: 0 };
    this.#series.set(key, series);
    series.sum += value;
    for (const [i, bound] of this.#bounds.entries())
      if (value <= bound) series.counts[i] = (series.counts[i] ?? 0) + 1;
  }

  samples(): Sample[] {
    return [...this.#series.values()].flatMap(({ labels, counts, sum }) => [
      ...counts.map(
        (value, i): Sample => ({
          suffix: '_bucket',
          labels: { ...labels, le: formatValue(this.#bounds[i] ?? Number.POSITIVE_INFINITY) },
          value,
        }),
      ),
      { suffix: '_sum', labels, value: sum },
      { suffix: '_count', labels, value: counts.at(-1) ?? 0 },
    ]);
  }
}
