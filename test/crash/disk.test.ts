import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SignerError } from '../../src/signer/contract/problems.ts';
import { Asker } from './load.ts';
import { CrashRig, SERVICES } from './rig.ts';
import { SmallDisk } from './small-disk.ts';

// A disk that is full, read-only or torn. The blocks follow each other on one signer.

const IS_ROOT = process.getuid?.() === 0;

let folder: string;
let rig: CrashRig;
let asker: Asker;
let disk: SmallDisk | undefined;
const inState = (name: string): string => join(rig.home.state, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crash-disk-'));
  if (IS_ROOT) disk = SmallDisk.mount(join(folder, 'rig', 'signer'), 24);
  rig = await CrashRig.create(join(folder, 'rig'));
  asker = new Asker(rig, SERVICES[0], () => 0.999);
  await rig.start();
  await asker.askOne();
  await asker.settle();
});

afterAll(async () => {
  await rig.kill('both');
  disk?.unmount();
  await rig.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** Both died; they start again, what was under way is answered, and nothing was lost. */
async function expectWholeAfterRestart(): Promise<void> {
  rig.compareJournal();
  await rig.start();
  await asker.askOne();
  await asker.settle();
  expect(rig.history.findings).toEqual([]);
}

describe('a disk', () => {
  test('that is full stops the answers, and the same signer goes on when there is room', async () => {
    if (disk === undefined) limitFiles();
    else disk.fill();
    const status = await untilRefused();
    disk?.empty();
    if (disk === undefined) {
      expect(status).toBe(0); // without root: the limit ends the process that writes
      await rig.kill('both');
      await rig.start();
    } else {
      expect(status).toBe(503);
    }
    const before = asker.answers;
    await asker.settle();
    expect(asker.answers).toBe(before + 1);
    expect(rig.history.findings).toEqual([]);
  });

  test('that is full when both die loses no answer', async () => {
    disk?.fill();
    await rig.kill('both');
    disk?.empty();
    await expectWholeAfterRestart();
  });

  test('that is read-only lets no signer start, and nothing changes', async () => {
    await rig.kill('both');
    if (disk === undefined) execFileSync('chmod', ['-R', 'a-w', rig.home.state]);
    else disk.setReadOnly(true);
    const { exit, said } = await rig.home.startRefused();
    expect([exit, said]).toEqual([2, expect.stringMatching(/^JOURNAL_FAILED: /mu) as string]);
    if (disk === undefined) execFileSync('chmod', ['-R', 'u+w', rig.home.state]);
    else disk.setReadOnly(false);
    await expectWholeAfterRestart();
  });

  /** Asks until something other than an answer comes; 0 when nobody is there. */
  async function untilRefused(): Promise<number> {
    for (;;) {
      const answered = asker.answers;
      const status = await asker.askStatus();
      if (status !== 200 && status !== 429 && status !== 409 && asker.answers === answered) return status;
    }
  }

  /** No file of either process may grow beyond what it has. */
  function limitFiles(): void {
    for (const pid of rig.pids) execFileSync('prlimit', ['--pid', String(pid), '--fsize=1']);
  }
});

describe('a journal', () => {
  const journalFiles = (of: string): string[] =>
    readdirSync(of).filter(name => name.startsWith('journal.sqlite'));
  let whole: string;
  beforeAll(async () => {
    await rig.kill('core'); // its last entries are in the log beside the file
    whole = join(folder, 'whole');
    execFileSync('cp', ['-a', rig.home.state, whole]);
  });
  afterEach(() => {
    for (const name of journalFiles(rig.home.state)) rmSync(inState(name));
    for (const name of journalFiles(whole)) execFileSync('cp', ['-a', join(whole, name), inState(name)]);
  });

  function garble(name: string, from: number, length = 4096): void {
    const bytes = readFileSync(inState(name));
    bytes.fill(0xa5, from, from + length);
    writeFileSync(inState(name), bytes);
  }

  /** What stands in the log as well would be taken from there. */
  function garbleSettled(from: number, length?: number): void {
    rig.compareJournal(); // closing it takes the log into the file
    garble('journal.sqlite', from, length);
  }

  /** What opening and reading all of it comes to: a code, or what the judge finds. */
  function outcome(): readonly string[] {
    const before = rig.history.findings.length;
    try {
      rig.compareJournal();
    } catch (error) {
      if (error instanceof SignerError) return [error.code];
      throw error;
    }
    return rig.history.findings.splice(before);
  }

  test('that is whole lost nothing', () => {
    expect(outcome()).toEqual([]);
  });

  test.each<[string, () => void]>([
    ['is cut off in the middle', () => truncateSync(inState('journal.sqlite'), 8192)],
    ['has a garbled first page', () => garbleSettled(0)],
    ['has garbled pages', () => garbleSettled(4096, 16 * 4096)],
    ['lost its log', () => rmSync(inState('journal.sqlite-wal'))],
    ['has a log that is cut off', () => truncateSync(inState('journal.sqlite-wal'), 32 + 24 + 4096)],
    ['has a garbled log', () => garble('journal.sqlite-wal', 32, 24)],
  ])('that %s is found out by itself or by what was acknowledged', (_, damage) => {
    damage();
    const found = outcome();
    expect(found.length).toBeGreaterThan(0);
    for (const code of found) expect(code).toMatch(/^JOURNAL_(?:TORN|FOREIGN|FAILED)$|is lost/u);
  });

  test('whose last entries are gone starts no signer: the keyholder knows of a later head', async () => {
    rmSync(inState('journal.sqlite-wal'));
    const { exit, said } = await rig.home.startRefused();
    expect([exit, said]).toEqual([2, expect.stringMatching(/^CHECKPOINT_FORK: /mu) as string]);
  });

  test('that is back in its place serves on', async () => {
    await rig.home.start();
    await asker.askOne();
    await asker.settle();
    expect(rig.history.findings).toEqual([]);
  });
});
