import { describe, expect, it } from 'vitest';
import {
  PROBLEMS,
  RULE_PROBLEMS,
  SignerError,
  denialBody,
  errorBody,
  exitCodeOf,
  problemBody,
  type RuleId,
} from '../../../src/signer/contract/problems.ts';
import { ProblemSchema, compileValidator } from '../../../src/signer/contract/requests.ts';

const check = compileValidator(ProblemSchema);

describe('problem details', () => {
  it('fit their schema for every code and every rule', () => {
    for (const code of Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[])
      check(problemBody(code, { retryAfter: 3 }));
    for (const rule of Object.keys(RULE_PROBLEMS) as RuleId[])
      check(denialBody({ rule, observed: '1', limit: '0' }));
    expect(() => check({ ...problemBody('DENIED'), address: 'x' })).toThrow(SignerError);
  });

  it('of a denial show rule, observed value and limit', () => {
    expect(denialBody({ rule: 'POINT-COUNT', observed: '2', limit: '3..20' })).toMatchObject({
      status: 403,
      code: 'DENIED',
      rule: 'POINT-COUNT',
      observed: '2',
      limit: '3..20',
    });
  });

  it('are equal byte for byte for a forbidden and an unknown service', () => {
    const forbidden = denialBody({ rule: 'PUBLISHER-SERVICE', observed: 'x', limit: 'y' });
    expect(JSON.stringify(forbidden)).toBe(JSON.stringify(problemBody('SERVICE_UNKNOWN')));
    expect(forbidden.status).toBe(404);
  });

  it("show the message of the request's own faults and of nothing else", () => {
    expect(errorBody(new SignerError('REQUEST_SCHEMA', 'own words')).detail).toBe('own words');
    expect(errorBody(new SignerError('JOURNAL_TORN', 'inner words')).detail).toBe(
      PROBLEMS.JOURNAL_TORN.title,
    );
    expect(errorBody(new Error('inner words'))).toEqual(problemBody('INTERNAL'));
  });

  it('tell commands whether something was denied or unusable', () => {
    expect(exitCodeOf(new SignerError('DENIED', 'x'))).toBe(1);
    expect(exitCodeOf(new SignerError('JOURNAL_MISSING', 'x'))).toBe(2);
    expect(exitCodeOf(new Error('x'))).toBe(2);
  });
});
