import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Journal, ReserveOutcome } from '../../../src/signer/journal/journal.ts';
import { KEY, TestJournal, request } from './open-test-journal.ts';

let test: TestJournal;
beforeEach(() => {
  test = new TestJournal();
});
afterEach(() => test.remove());

const CHILD = new URL('crash-child.ts', import.meta.url).pathname;

/** Lets a child write until it has said `lines` lines, kills it without warning and gives what it said. */
async function crash(path: string, args: string[], lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  }
  expect(said[0]).toBe('open');
  return said.slice(1).map(line => line.trim());
}

/** What the journal answers to a request that the child made, repeated with another second. */
function repeat(journal: Journal, requestId: string, second: number): Promise<ReserveOutcome> {
  for (const { entry } of journal.archive.entries()) {
    if (entry.kind === 'reserved' && entry.request === requestId) {
      return journal.reserve(request({ requestId, requestDigest: entry.digest, second }));
    }
  }
  throw new Error('the reservation is lost');
}

it('keeps every reservation and release it reported, whenever it is killed', async () => {
  const counts = { r: 0, d: 0 };
  for (let round = 0; round < 8; round += 1) {
    const said = await crash(test.path, [String(1_000_000 * (round + 1))], 2 + round * 7);
    const journal = test.reopen({ journalId: test.journalId });
    for (const line of said) {
      const [event, requestId = '', second = ''] = line.split(' ');
      if (event === 'r') {
        counts.r += 1;
        expect(journal.nextFreeSecond(KEY, 0, Number(second))).toBeGreaterThan(Number(second));
      } else {
        counts.d += 1;
        expect(await repeat(journal, requestId, 1)).toEqual({ kind: 'replay', answer: requestId });
      }
    }
    test.close();
  }
  expect(Math.min(counts.r, counts.d)).toBeGreaterThan(0);
});

it('lets a request that was cut off be tried again, never its second', async () => {
  const [line = ''] = await crash(test.path, ['5000000', 'hold'], 2);
  const [, requestId = '', spent = ''] = line.split(' ');
  const { journal } = test;
  expect(journal.archive.unreleased()).toMatchObject([{ entry: 1, publisher: 'vps1', service: 'frontpage' }]);
  expect(await repeat(journal, requestId, Number(spent))).toEqual({
    kind: 'conflict',
    code: 'SECOND_SPENT',
    retryAfter: 1,
  });
  expect(await repeat(journal, requestId, Number(spent) + 1)).toMatchObject({ kind: 'reserved' });
});
