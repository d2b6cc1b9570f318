import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ATTACKS } from './attacks.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GROUPS = { E: 11, T: 4, R: 6, D: 5, K: 8, P: 9, A: 4, O: 9 };
const IDS = Object.entries(GROUPS).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
);
const ENDS = ['stopped', 'bounded', 'out of scope', 'not built'];

const read = (file: string): string => readFileSync(`${ROOT}${file}`, 'utf8');
const rows = read('docs/attacks.md')
  .split('\n')
  .filter(line => /^\| [A-Z]\d+ \|/u.test(line))
  .map(line => line.slice(2, -2).split(' | '));

/** What a cell names that does not exist: files, a name in a file, a title in a test. */
function missingIn(cell: string): string[] {
  const files = [...cell.matchAll(/`((?:src|test|policies)\/[^`]*)`(?: “([^”]+)”)?/gu)];
  const absent = files.filter(([, file = '']) => !existsSync(`${ROOT}${file}`)).map(([named]) => named);
  const names = [...cell.matchAll(/`(\w+)` in `([^`]*)`/gu)].map(
    ([, name = '', file = '']) => [name, file] as const,
  );
  const titles = files.flatMap(([, file = '', title]) =>
    title === undefined ? [] : [[title, file] as const],
  );
  const untrue = [...names, ...titles].filter(
    ([text, file]) => existsSync(`${ROOT}${file}`) && !read(file).includes(text),
  );
  return [...absent, ...untrue.map(([text, file]) => `${text} in ${file}`)];
}

describe('docs/attacks.md', () => {
  test('has each attack once, in order, with one of four ends', () => {
    expect(rows.map(([id]) => id)).toEqual(IDS);
    expect(rows.filter(([, , end = '']) => !ENDS.includes(end))).toEqual([]);
    expect(rows.filter(row => row.length !== 6)).toEqual([]);
  });

  test('names a function and a test that exist wherever something is stopped', () => {
    expect(rows.flatMap(row => row.flatMap(missingIn))).toEqual([]);
    const bare = rows.filter(
      ([, , end, , code = '', test_ = '']) => end === 'stopped' && `${code}${test_}`.includes('–'),
    );
    expect(bare).toEqual([]);
    // Positive control of the search itself.
    expect(
      missingIn(
        '`noSuchWord` in `src/descriptor/evidence.ts`, `test/none.ts`, `test/architecture.test.ts` “noSuchWord”',
      ),
    ).toHaveLength(3);
  });

  test('has a row for each attack that is tried, and names it there', () => {
    for (const { ids, title } of ATTACKS) {
      for (const id of ids) expect(rows.find(([row]) => row === id)?.at(-1)).toContain(`“${title}”`);
    }
  });
});
