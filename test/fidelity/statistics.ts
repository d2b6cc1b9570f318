/** Two-sample tests, written out: no package for statistics is worth its weight here. */

/** What a test found: `statistic` grows with the difference, `p` is how often equal sources differ that much. */
export interface TestResult {
  readonly test: 'KS' | 'chi²';
  readonly statistic: number;
  readonly p: number;
}

/** Kolmogorov–Smirnov for two samples of numbers; p by the asymptotic law with Stephens' correction. */
export function kolmogorovSmirnov(first: readonly number[], second: readonly number[]): TestResult {
  const [a, b] = [first, second].map(sample => [...sample].sort((x, y) => x - y)) as [number[], number[]];
  if (a.length === 0 || b.length === 0) throw new Error('both samples must hold numbers');
  let [i, j, statistic] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i]!, b[j]!);
    while (a[i] === value) i++;
    while (b[j] === value) j++;
    statistic = Math.max(statistic, Math.abs(i / a.length - j / b.length));
  }
  const root = Math.sqrt((a.length * b.length) / (a.length + b.length));
  return { test: 'KS', statistic, p: kolmogorovTail((root + 0.12 + 0.11 / root) * statistic) };
}

/** Pearson's chi² for two samples of categories. Categories met fewer than ten times in all count as one. */
export function chiSquare(first: readonly string[], second: readonly string[]): TestResult {
  const cells = new Map<string, [number, number]>();
  for (const [side, sample] of [first, second].entries()) {
    for (const category of sample) {
      const cell = cells.get(category) ?? [0, 0];
      cell[side]!++;
      cells.set(category, cell);
    }
  }
  const often = [...cells.values()].filter(([x, y]) => x + y >= 10);
  const rest = [...cells.values()].filter(([x, y]) => x + y < 10);
  if (rest.length > 0) often.push([sum(rest.map(([x]) => x)), sum(rest.map(([, y]) => y))]);
  const total = first.length + second.length;
  const statistic = sum(
    often.flatMap(cell =>
      cell.map((count, side) => {
        const expected = ((cell[0] + cell[1]) * (side === 0 ? first.length : second.length)) / total;
        return (count - expected) ** 2 / expected;
      }),
    ),
  );
  return { test: 'chi²', statistic, p: chiSquareTail(statistic, often.length - 1) };
}

/** P(D√n > x) of Kolmogorov's law. */
export function kolmogorovTail(x: number): number {
  if (x < 0.3) return 1;
  let tail = 0;
  for (let k = 1; k <= 100; k++) tail += 2 * (-1) ** (k - 1) * Math.exp(-2 * k * k * x * x);
  return Math.min(1, Math.max(0, tail));
}

/** P(chi² with `degrees` degrees of freedom > x). */
export function chiSquareTail(x: number, degrees: number): number {
  if (degrees <= 0) return 1;
  const half = x / 2;
  let tail = degrees % 2 === 0 ? Math.exp(-half) : complementaryError(Math.sqrt(half));
  let term = degrees % 2 === 0 ? Math.exp(-half) : Math.exp(-half) / Math.sqrt(Math.PI * half);
  for (let a = degrees % 2 === 0 ? 1 : 0.5; a < degrees / 2; a++) {
    term *= half / a;
    tail += term;
  }
  return Number.isNaN(tail) ? 1 : Math.min(1, tail);
}

/** erfc for x ≥ 0, relative error below 1.2e-7 (Chebyshev fit). */
function complementaryError(x: number): number {
  const t = 1 / (1 + x / 2);
  const fit = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ].reduceRight((acc, coefficient) => acc * t + coefficient, 0);
  return t * Math.exp(-x * x + fit);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
