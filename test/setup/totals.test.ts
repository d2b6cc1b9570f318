import { describe, expect, test } from 'vitest';
import { totals } from '../../scripts/totals.js';

const GOOD = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
const RUN = { failedChecks: [], report: GOOD, exitCode: 0, strict: false };

describe('the totals of a test run', () => {
  test('count passed tests and nothing else when all is well', () => {
    expect(totals(RUN)).toEqual({ passed: 3, failed: 0, remarks: [] });
  });

  test('count a failed check beside failed tests', () => {
    const report = { ...GOOD, numFailedTests: 2 };
    const result = totals({ ...RUN, failedChecks: ['types', 'lint'], report, exitCode: 1 });
    expect(result).toMatchObject({ passed: 3, failed: 4 });
  });

  test('count a file that failed before its tests', () => {
    const testResults = [
      { name: 'a', status: 'failed', assertionResults: [] },
      { name: 'b', status: 'failed', assertionResults: [{ status: 'failed' }] },
    ];
    const report = { ...GOOD, numFailedTests: 1, testResults };
    expect(totals({ ...RUN, report, exitCode: 1 }).failed).toBe(2);
  });

  test('fail when there was no test, no report, or an exit code without a failed test', () => {
    expect(totals({ ...RUN, report: { ...GOOD, numPassedTests: 0 } })).toMatchObject({
      passed: 0,
      failed: 1,
    });
    expect(totals({ ...RUN, report: undefined })).toMatchObject({ passed: 0, failed: 1 });
    expect(totals({ ...RUN, exitCode: 1 })).toMatchObject({ passed: 3, failed: 1 });
  });

  test('say what needed a second attempt, without counting it', () => {
    const secondAttempts = ['needed a second attempt: x'];
    expect(totals({ ...RUN, secondAttempts })).toEqual({ passed: 3, failed: 0, remarks: secondAttempts });
  });

  test('let a skipped test pass at a desk and fail in CI', () => {
    const report = { ...GOOD, numPendingTests: 1, numTodoTests: 1 };
    expect(totals({ ...RUN, report })).toMatchObject({ passed: 3, failed: 0 });
    expect(totals({ ...RUN, report, strict: true })).toMatchObject({ passed: 3, failed: 2 });
  });
});
