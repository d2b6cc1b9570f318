// A test file that drives a live Tor network may fail once and be run again, alone; the totals then say so.

/**
 * @typedef {import('./totals.js').VitestReport} VitestReport
 * @typedef {import('./totals.js').FileResult} FileResult
 */

/** Folders whose tests drive tor and the real programs, in which a lost circuit is not a defect of ours. */
const LIVE = ['e2e', 'fidelity', 'tor-network', 'publisher', 'thief', 'crash'].map(name => `test/${name}/`);
/** More than these at once is no accident. */
const MOST_FILES = 4;

/**
 * The files of a failed run that are worth one more attempt: all that failed, or none.
 * @param {VitestReport | undefined} report
 * @param {string} root of the repository, an absolute path without a slash at its end
 * @returns {string[]} paths relative to `root`
 */
export function worthAnotherRun(report, root) {
  const failed = (report?.testResults ?? [])
    .filter(({ status }) => status === 'failed')
    .map(({ name }) => (name.startsWith(`${root}/`) ? name.slice(root.length + 1) : name));
  const live = failed.every(name => LIVE.some(folder => name.startsWith(folder)));
  return live && failed.length <= MOST_FILES ? failed : [];
}

/**
 * The first report with the files of the second in place of their own.
 * @param {VitestReport} first
 * @param {VitestReport} second
 * @returns {VitestReport}
 */
export function withSecondRun(first, second) {
  const again = new Set(second.testResults.map(({ name }) => name));
  const testResults = [...first.testResults.filter(({ name }) => !again.has(name)), ...second.testResults];
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (/** @type {string[]} */ ...statuses) =>
    all.filter(({ status }) => statuses.includes(status)).length;
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('pending', 'skipped', 'disabled'),
    numTodoTests: count('todo'),
    testResults,
  };
}

/**
 * What failed at the first attempt, one line for each test and for each file that broke outside of them.
 * @param {VitestReport} report
 * @returns {string[]}
 */
export function firstFailures(report) {
  return report.testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, assertionResults }) => {
      const tests = assertionResults.filter(({ status }) => status === 'failed');
      return tests.length === 0 ? [name] : tests.map(({ fullName = name }) => fullName);
    })
    .map(name => `needed a second attempt: ${name}`);
}
