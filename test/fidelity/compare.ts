import { type Observed, viewOf } from './observe.ts';
import { type TestResult, chiSquare, kolmogorovSmirnov } from './statistics.ts';

/** What the comparison of one field of two collections came to. */
export interface Figure {
  readonly field: string;
  readonly view: 'HSDir' | 'client';
  /** Undefined for a field that must have one value. */
  readonly result: TestResult | undefined;
  /** How many values each collection gave. */
  readonly count: readonly [number, number];
  /** For a constant: the values that occur, in either. */
  readonly values: readonly [readonly string[], readonly string[]];
  readonly same: boolean;
}

/** How often equal writers are called different, over all fields together. */
export const ALPHA = 1e-4;

/** Compares two collections field by field: constants have one and the same value, the rest one distribution. */
export function compare(stock: readonly Observed[], ours: readonly Observed[]): Figure[] {
  const [sample] = stock;
  if (sample === undefined || ours.length === 0) throw new Error('there is nothing to compare');
  const fields = (kind: keyof Observed) => Object.keys(sample[kind]);
  const limit = ALPHA / (fields('numbers').length + fields('categories').length);
  const random = <T>(
    field: string,
    valuesOf: (observed: Observed) => readonly T[] | undefined,
    test: (a: readonly T[], b: readonly T[]) => TestResult,
  ): Figure => {
    const [a, b] = [stock, ours].map(all => all.flatMap(each => valuesOf(each) ?? [])) as [T[], T[]];
    const result = test(a, b);
    return {
      field,
      view: viewOf(field),
      result,
      count: [a.length, b.length],
      values: [[], []],
      same: result.p >= limit,
    };
  };
  return [
    ...fields('constants').map(field => constantFigure(field, stock, ours)),
    ...fields('numbers').map(field => random(field, each => each.numbers[field], kolmogorovSmirnov)),
    ...fields('categories').map(field => random(field, each => each.categories[field], chiSquare)),
  ];
}

function constantFigure(field: string, stock: readonly Observed[], ours: readonly Observed[]): Figure {
  const [a, b] = [stock, ours].map(all => [...new Set(all.map(each => each.constants[field] ?? ''))]) as [
    string[],
    string[],
  ];
  const same = a.length === 1 && b.length === 1 && a[0] === b[0];
  return {
    field,
    view: viewOf(field),
    result: undefined,
    count: [stock.length, ours.length],
    values: [a, b],
    same,
  };
}

/** The figures as a table for a page of documentation. */
export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ field, view, result, count, values, same }) => {
    const [value = ''] = values[0];
    const short = value.length > 24 ? 'one value' : `\`${value}\``;
    const finding =
      result === undefined
        ? same
          ? `${short} in all`
          : `${values[0].length} and ${values[1].length} values`
        : `${result.test} ${result.statistic.toFixed(result.test === 'KS' ? 3 : 1)}, p ${result.p.toFixed(3)}`;
    return `| ${view} | ${field} | ${count.join(' / ')} | ${finding} | ${same ? 'same' : '**different**'} |`;
  });
  return [
    '| seen by | field | values: stock / ours | finding | |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
