import { describe, expect, test } from 'vitest';
import { noise } from '../descriptor/forge.ts';
import { chiSquare, chiSquareTail, kolmogorovSmirnov, kolmogorovTail } from './statistics.ts';

const uniform = (label: string, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(noise(`${label} ${i}`, 6)).readUIntBE(0, 6) / 2 ** 48);
const nibbles = (label: string, count: number): string[] =>
  Buffer.from(noise(label, count)).toString('hex').slice(0, count).split('');

describe('the tails of the two laws', () => {
  test.each([
    [3.841, 1, 0.05],
    [15.137, 1, 1e-4],
    [9.488, 4, 0.05],
    [30.578, 15, 0.01],
    [44.263, 15, 1e-4],
    [37.697, 15, 0.001],
  ])('chi² above %d with %d degrees of freedom has the tabled probability %d', (x, degrees, p) => {
    expect(chiSquareTail(x, degrees) / p).toBeCloseTo(1, 2);
  });

  test.each([
    [1.358, 0.05],
    [1.628, 0.01],
    [1.949, 0.001],
  ])('Kolmogorov above %d has the tabled probability %d', (x, p) => {
    expect(kolmogorovTail(x) / p).toBeCloseTo(1, 1);
  });

  test('equal sources give every p alike: few below a tenth, few above nine tenths', () => {
    const found = Array.from({ length: 200 }, (_, i) =>
      kolmogorovSmirnov(uniform(`a${i}`, 60), uniform(`b${i}`, 60)),
    ).map(({ p }) => p);
    const chi = Array.from({ length: 200 }, (_, i) =>
      chiSquare(nibbles(`a${i}`, 400), nibbles(`b${i}`, 400)),
    ).map(({ p }) => p);
    for (const values of [found, chi]) {
      expect(values.filter(p => p < 0.1).length).toBeLessThan(40);
      expect(values.filter(p => p > 0.9).length).toBeLessThan(40);
      expect(Math.min(...values)).toBeGreaterThan(1e-4);
    }
  });
});

describe('two samples', () => {
  test('of one source are not told apart, of shifted sources they are', () => {
    const [a, b] = [uniform('a', 120), uniform('b', 120)];
    expect(kolmogorovSmirnov(a, b).p).toBeGreaterThan(1e-4);
    expect(
      kolmogorovSmirnov(
        a,
        b.map(x => x / 2),
      ).p,
    ).toBeLessThan(1e-6);
  });

  test('of one constant are equal, of two constants different', () => {
    expect(kolmogorovSmirnov(Array(50).fill(1) as number[], Array(50).fill(1) as number[]).p).toBe(1);
    expect(kolmogorovSmirnov(Array(50).fill(1) as number[], Array(50).fill(2) as number[]).p).toBeLessThan(
      1e-6,
    );
    expect(chiSquare(Array(50).fill('a') as string[], Array(50).fill('a') as string[]).p).toBe(1);
    expect(chiSquare(Array(50).fill('a') as string[], Array(50).fill('b') as string[]).p).toBeLessThan(1e-6);
  });

  test('of categories are told apart when one of them prefers some', () => {
    const [a, b] = [nibbles('a', 2000), nibbles('b', 2000)];
    expect(chiSquare(a, b).p).toBeGreaterThan(1e-4);
    expect(
      chiSquare(
        a,
        b.map(each => (each === '0' ? '1' : each)),
      ).p,
    ).toBeLessThan(1e-6);
  });

  test('must not be empty', () => {
    expect(() => kolmogorovSmirnov([], [1])).toThrow('numbers');
  });
});
