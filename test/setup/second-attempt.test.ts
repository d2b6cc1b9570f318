import { describe, expect, test } from 'vitest';
import { firstFailures, withSecondRun, worthAnotherRun } from '../../scripts/second-attempt.js';

const passed = { status: 'passed', fullName: 'good' };
const failed = { status: 'failed', fullName: 'bad' };

function report(files: Record<string, { status: string; fullName: string }[]>) {
  const testResults = Object.entries(files).map(([name, assertionResults]) => ({
    name: `/r/${name}`,
    status: assertionResults.length === 0 || assertionResults.includes(failed) ? 'failed' : 'passed',
    assertionResults,
  }));
  return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults };
}

describe('a second attempt', () => {
  test('is made for a live file that failed, and for no other', () => {
    const run = report({ 'test/e2e/a.test.ts': [passed, failed], 'test/e2e/b.test.ts': [passed] });
    expect(worthAnotherRun(run, '/r')).toEqual(['test/e2e/a.test.ts']);
    expect(worthAnotherRun(report({ 'test/thief/a.test.ts': [] }), '/r')).toEqual(['test/thief/a.test.ts']);
  });

  test('is not made when a file failed that drives nothing live', () => {
    const run = report({ 'test/e2e/a.test.ts': [failed], 'test/descriptor/b.test.ts': [failed] });
    expect(worthAnotherRun(run, '/r')).toEqual([]);
  });

  test('is not made for more than four files, or without a report', () => {
    const files = (count: number) =>
      report(
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`test/e2e/${i}.test.ts`, [failed]])),
      );
    expect(worthAnotherRun(files(4), '/r')).toHaveLength(4);
    expect(worthAnotherRun(files(5), '/r')).toEqual([]);
    expect(worthAnotherRun(undefined, '/r')).toEqual([]);
  });

  test('counts in place of the first', () => {
    const first = report({ 'test/e2e/a.test.ts': [passed, failed], 'test/e2e/b.test.ts': [passed] });
    const mended = withSecondRun(first, report({ 'test/e2e/a.test.ts': [passed, passed] }));
    expect(mended).toMatchObject({ numPassedTests: 3, numFailedTests: 0 });
    const still = withSecondRun(first, report({ 'test/e2e/a.test.ts': [passed, failed] }));
    expect(still).toMatchObject({ numPassedTests: 2, numFailedTests: 1 });
  });

  test('is told by the name of each test that needed it', () => {
    const first = report({ 'test/e2e/a.test.ts': [passed, failed], 'test/thief/b.test.ts': [] });
    expect(firstFailures(first)).toEqual([
      'needed a second attempt: bad',
      'needed a second attempt: /r/test/thief/b.test.ts',
    ]);
  });
});
