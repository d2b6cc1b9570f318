import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { renderRules } from '../../../scripts/rules-page.ts';
import { INVARIANTS, LIMIT_RULES } from '../../../src/descriptor/index.ts';
import { PROBLEMS, RULE_PROBLEMS } from '../../../src/signer/contract/problems.ts';
import { RULE_REFERENCE, type RuleRow } from '../../../src/signer/policy/reference/index.ts';
import { RULES } from '../../../src/signer/policy/rules.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const ids = RULE_REFERENCE.map(({ id }) => id);

/** What of a row is not there: titles that its files do not have, functions that theirs do not. */
function missing({ functions, accepts, refuses }: RuleRow): string[] {
  const titles = [accepts, refuses].flatMap(({ file, title }) => (read(file).includes(title) ? [] : [title]));
  const judges = functions.filter(name => {
    const [file = '', symbol = ''] = name.split('#');
    return !new RegExp(`\\b${symbol}\\(`, 'u').test(read(file));
  });
  return [...titles, ...judges];
}

it('has every rule that can refuse, once', () => {
  expect(new Set(ids).size).toBe(ids.length);
  const needed = [
    ...Object.keys(RULE_PROBLEMS),
    ...Object.values(INVARIANTS),
    ...Object.values(LIMIT_RULES),
    ...RULES.map(({ id }) => id),
  ];
  expect(needed.filter(id => !ids.includes(id))).toEqual([]);
  const known = [...Object.keys(RULE_PROBLEMS), ...Object.keys(PROBLEMS), 'SINGLE-ONION'];
  expect(ids.filter(id => !known.includes(id))).toEqual([]);
});

it('gives a default where there is a parameter, and none to an invariant', () => {
  for (const { id, parameter, default: value } of RULE_REFERENCE) {
    expect([id, parameter === undefined]).toEqual([id, value === undefined]);
  }
  const invariants = new Set<string>(Object.values(INVARIANTS));
  const rows = RULE_REFERENCE.filter(({ id }) => invariants.has(id));
  expect(rows.filter(row => row.parameter !== undefined)).toEqual([]);
  expect(rows.filter(row => !row.enforcers.includes('keyholder'))).toEqual([]);
});

it.each(RULE_REFERENCE)('$id names judges and tests that are there', row => {
  expect(missing(row)).toEqual([]);
});

it('finds a test or judge that is not there', () => {
  const [row] = RULE_REFERENCE;
  if (row === undefined) throw new Error('no rule');
  const title = ['no', 'such', 'title'].join(' ');
  const functions = [`${row.accepts.file}#noSuchJudge`];
  expect(missing({ ...row, accepts: { ...row.accepts, title }, functions })).toEqual([title, functions[0]]);
});

it('is the page that `npm run rules` writes', () => {
  expect(read('docs/rules.md')).toBe(renderRules(RULE_REFERENCE));
});
