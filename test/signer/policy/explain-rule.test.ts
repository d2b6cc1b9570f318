import { expect, it } from 'vitest';
import { describeRule, formatRule } from '../../../src/signer/policy/explain-rule.ts';
import { RULE_REFERENCE } from '../../../src/signer/policy/reference/index.ts';
import { failure } from '../failure.ts';

const explainRule = (id: string): string => formatRule(describeRule(id));

it.each(RULE_REFERENCE)('says of $id what it is for, its key and what to do', row => {
  const text = explainRule(row.id);
  for (const part of [row.id, row.paragraph, row.advice, row.parameter ?? 'none', row.default ?? ''])
    expect(text).toContain(part);
  expect(explainRule(row.id.toLowerCase())).toBe(text);
});

it('calls an invariant what no policy changes, and nothing else', () => {
  expect(explainRule('HORIZON')).toContain('which no policy changes');
  expect(explainRule('SIGN-RATE')).not.toContain('which no policy changes');
});

it('names the rules to who asks for another', () => {
  const error = failure(() => explainRule('HORIZONS'));
  expect(error).toMatchObject({ code: 'NOT_FOUND' });
  for (const { id } of RULE_REFERENCE) expect(error.message).toContain(id);
  expect(error.message).toMatch(/; or a file: NAME\.yaml, NAME\.json$/u);
});
