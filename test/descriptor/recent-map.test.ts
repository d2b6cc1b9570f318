import { describe, expect, it } from 'vitest';
import { RecentMap } from '../../src/descriptor/index.ts';

const filled = (maximum: number, count: number): RecentMap<number> => {
  const map = new RecentMap<number>(maximum);
  for (let i = 0; i < count; i++) map.set(`entry ${i}`, i);
  return map;
};

const held = (map: RecentMap<number>, count: number): number =>
  Array.from({ length: count }, (_, i) => map.get(`entry ${i}`)).filter(value => value !== undefined).length;

describe('a memory of recent results', () => {
  it('gives back what was put in, and undefined for the rest', () => {
    const map = filled(4, 2);
    expect(map.get('entry 1')).toBe(1);
    expect(map.get('entry 2')).toBeUndefined();
  });

  it('never holds more than its maximum', () => {
    expect(held(filled(10, 1000), 1000)).toBeLessThanOrEqual(10);
  });

  it('holds at least the half that was used last', () => {
    const map = filled(10, 1000);
    for (let i = 995; i < 1000; i++) expect(map.get(`entry ${i}`)).toBe(i);
  });

  it('keeps what is asked for again and forgets what is not', () => {
    const map = filled(10, 1);
    for (let i = 1; i < 1000; i++) {
      expect(map.get('entry 0')).toBe(0);
      map.set(`entry ${i}`, i);
    }
    expect(map.get('entry 1')).toBeUndefined();
  });

  it('makes what is missing once, and remembers nothing when that fails', () => {
    const map = new RecentMap<number>(4);
    let made = 0;
    const make = (): number => (made += 1);
    expect([map.getOrMake('a', make), map.getOrMake('a', make)]).toEqual([1, 1]);
    const fail = (): number => {
      throw new Error('not to be made');
    };
    expect(() => map.getOrMake('b', fail)).toThrow('not to be made');
    expect(map.getOrMake('b', make)).toBe(2);
  });

  it('is empty after clear', () => {
    const map = filled(10, 8);
    map.clear();
    expect(held(map, 8)).toBe(0);
  });
});
