// Counts what a test run found: tests, checks before them, and everything that must not count as success.

/**
 * @typedef {{name: string, status: string, assertionResults: {status: string, fullName?: string}[]}} FileResult
 * @typedef {{numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: FileResult[]}} VitestReport the part of vitest's JSON report that we read
 * @typedef {{passed: number, failed: number, remarks: string[]}} Totals
 */

/**
 * @param {object} run
 * @param {string[]} run.failedChecks names of the checks that failed before the tests
 * @param {VitestReport | undefined} run.report undefined when vitest wrote none
 * @param {number} run.exitCode of vitest
 * @param {string[]} [run.secondAttempts] what failed at first and was run again; said, not counted
 * @param {boolean} run.strict in CI: a skipped test is a failed one
 * @returns {Totals}
 */
export function totals({ failedChecks, report, exitCode, strict, secondAttempts = [] }) {
  const remarks = [...failedChecks.map(name => `failed check: ${name}`), ...secondAttempts];
  const passed = report?.numPassedTests ?? 0;
  let failed = failedChecks.length + (report?.numFailedTests ?? 0);

  const brokenFiles = (report?.testResults ?? []).filter(
    result =>
      result.status === 'failed' && !result.assertionResults.some(({ status }) => status === 'failed'),
  ).length;
  if (brokenFiles > 0) remarks.push(`${brokenFiles} test file(s) failed outside their tests`);
  failed += brokenFiles;

  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  if (skipped > 0) remarks.push(`${skipped} test(s) skipped${strict ? '; in CI that is a failure' : ''}`);
  if (strict) failed += skipped;

  if (report === undefined) remarks.push('vitest wrote no report');
  else if (passed + failed + skipped === 0) remarks.push('there were no tests');
  if (exitCode !== 0 && failed === 0) remarks.push(`vitest ended with exit code ${exitCode}`);
  if (failed === 0 && (exitCode !== 0 || passed === 0)) failed = 1;
  return { passed, failed, remarks };
}
