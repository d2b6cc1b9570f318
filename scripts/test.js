// npm test: set-up, types, lint, format, tests. The last line is always "N passed, N failed".

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { runGroup } from './child.js';
import { firstFailures, withSecondRun, worthAnotherRun } from './second-attempt.js';
import { ROOT, setUp } from './setup.js';
import { SetupError, runMain, say } from './setup/report.js';
import { TOOLS } from './tools.js';
import { totals } from './totals.js';

/** @typedef {import('./totals.js').VitestReport} VitestReport */

const CHECKS = /** @type {const} */ ([
  ['types', 'typecheck'],
  ['lint', 'lint'],
  ['format', 'formatCheck'],
]);
const REPORT = path.join(ROOT, '.setup', `vitest-${process.pid}.json`);

/**
 * @param {import('./setup.js').Ready} ready
 * @returns {Promise<number>} exit code
 */
async function runAll({ node, env }) {
  const options = { cwd: ROOT, env };
  /** @type {string[]} */
  const failedChecks = [];
  for (const [title, tool] of CHECKS) {
    const started = Date.now();
    const { code, output, interrupted } = await runGroup(node, TOOLS[tool]?.() ?? [], {
      ...options,
      capture: true,
    });
    if (interrupted) return code;
    if (code !== 0) {
      failedChecks.push(title);
      process.stdout.write(output);
    }
    progress(`${title}: ${code === 0 ? 'ok' : 'FAILED'} (${seconds(started)})`);
  }
  progress('tests');
  const first = await runVitest(node, options, process.argv.slice(2));
  if (first.interrupted) return first.code;
  const again = first.code === 0 ? [] : worthAnotherRun(first.report, ROOT);
  const strict = (env['CI'] ?? '') !== '' && env['CI'] !== 'false';
  if (again.length === 0 || first.report === undefined) {
    return conclude(totals({ failedChecks, report: first.report, exitCode: first.code, strict }));
  }
  progress(`once more, alone: ${again.join(' ')}`);
  const second = await runVitest(node, options, ['--no-file-parallelism', ...again]);
  if (second.interrupted) return second.code;
  const report = second.report && withSecondRun(first.report, second.report);
  const secondAttempts = firstFailures(first.report);
  return conclude(totals({ failedChecks, report, exitCode: second.code, strict, secondAttempts }));
}

/**
 * @param {string} node
 * @param {{cwd: string, env: NodeJS.ProcessEnv}} options
 * @param {string[]} more arguments
 */
async function runVitest(node, options, more) {
  mkdirSync(path.dirname(REPORT), { recursive: true });
  rmSync(REPORT, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const { code, interrupted } = await runGroup(
    node,
    [...(TOOLS['vitest']?.() ?? []), ...reporters, ...more],
    options,
  );
  return { code, interrupted, report: readReport() };
}

/** @returns {VitestReport | undefined} */
function readReport() {
  if (!existsSync(REPORT)) return undefined;
  const report = /** @type {VitestReport} */ (JSON.parse(readFileSync(REPORT, 'utf8')));
  return report;
}

/** @param {import('./totals.js').Totals} result */
function conclude({ passed, failed, remarks }) {
  for (const remark of remarks) process.stdout.write(`${remark}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

/** @param {string} text */
function progress(text) {
  process.stdout.write(`test: ${text}\n`);
}

/** @param {number} started */
function seconds(started) {
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}

await runMain(async () => {
  try {
    return await runAll(await setUp());
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    return conclude({ passed: 0, failed: 1, remarks: [] });
  } finally {
    rmSync(REPORT, { force: true });
  }
});
