// Runs a command as a process group of its own, so that an interrupt ends all of it.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

/**
 * @typedef {{cwd: string, env: NodeJS.ProcessEnv, capture?: boolean, sweep?: boolean, graceMs?: number}} GroupOptions
 *   capture: collect the output instead of showing it; sweep: end what the command leaves running;
 *   graceMs: time between the polite signal and SIGKILL
 * @typedef {{code: number, output: string, interrupted: boolean}} GroupResult
 */

/**
 * Runs `command` to its end. SIGINT, SIGTERM and SIGHUP go to its whole group; what has not ended after the grace
 * time, or at the second signal, is killed.
 * @param {string} command
 * @param {string[]} args
 * @param {GroupOptions} options
 * @returns {Promise<GroupResult>}
 */
export async function runGroup(command, args, options) {
  const { cwd, env, capture = false, sweep = true, graceMs = 15_000 } = options;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child;
  /** @type {(typeof SIGNALS)[number] | undefined} */
  let received;
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    signalGroup(child?.pid, received === undefined ? signal : 'SIGKILL');
    received ??= SIGNALS.find(name => name === signal);
    setTimeout(() => signalGroup(child?.pid, 'SIGKILL'), graceMs).unref();
  };
  // Before the start: a signal that comes in between must not end us alone.
  for (const signal of SIGNALS) process.on(signal, forward);
  try {
    const stdio = capture ? 'pipe' : 'inherit';
    child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', stdio, stdio] });
    const closed = new Promise(resolve => child?.once('close', resolve));
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', text => (output += String(text)));
    child.stderr?.setEncoding('utf8').on('data', text => (output += String(text)));
    const code = await ended(child);
    // What the command started in the background may ignore SIGINT; SIGTERM it understands.
    if (sweep || received !== undefined) {
      signalGroup(child.pid, 'SIGTERM');
      await groupGone(child.pid, graceMs);
    }
    if (capture) await closed;
    return {
      code: received === undefined ? code : 128 + SIGNAL_NUMBERS[received],
      output,
      interrupted: received !== undefined,
    };
  } finally {
    for (const signal of SIGNALS) process.off(signal, forward);
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<number>} exit code; 1 when a signal ended it
 */
function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code => resolve(code ?? 1));
  });
}

/**
 * Waits until the group has no running member left, killing it when the time is over.
 * @param {number | undefined} pid
 * @param {number} graceMs
 */
async function groupGone(pid, graceMs) {
  const limit = Date.now() + graceMs;
  while (groupRuns(pid)) {
    if (Date.now() >= limit) signalGroup(pid, 'SIGKILL');
    await delay(50);
  }
}

/**
 * True while a process of the group runs. One that has ended but that nobody has waited for does not: in a container
 * whose first process waits for no orphans it would stay for ever.
 * @param {number | undefined} group
 * @returns {boolean}
 */
export function groupRuns(group) {
  if (group === undefined) return false;
  return readdirSync('/proc').some(name => {
    if (!/^[0-9]+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, , itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(itsGroup) === group && state !== 'Z' && state !== 'X';
    } catch {
      return false;
    }
  });
}

/**
 * @param {number | undefined} pid
 * @param {NodeJS.Signals} signal
 */
function signalGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left.
  }
}
