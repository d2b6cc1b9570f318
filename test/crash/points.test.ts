import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../e2e/managed-process.ts';
import { Asker } from './load.ts';
import { CrashRig, SERVICES } from './rig.ts';

// kill −9 at every step, each by its name. The processes are the real ones, their methods wrapped from outside. The
// blocks follow each other on one signer, which must be whole after each.

const ARMED_SIGNER = fileURLToPath(new URL('armed-signer.ts', import.meta.url)) as `/${string}`;
const ARMED_KEYHOLDER = fileURLToPath(new URL('armed-keyholder.ts', import.meta.url)) as `/${string}`;
const ENDED_MS = 120_000;

let folder: string;
let rig: CrashRig;
let asker: Asker;
let env: { CRASH_POINT_FILE: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crash-points-'));
  rig = await CrashRig.create(join(folder, 'rig'));
  env = { CRASH_POINT_FILE: join(folder, 'point') };
  // Never an earlier request: each must reach its point.
  asker = new Asker(rig, SERVICES[0], () => 0.999);
});

afterAll(async () => {
  await rig.dispose();
  await rm(folder, { recursive: true, force: true });
});

const setPoint = (name: string): void => writeFileSync(env.CRASH_POINT_FILE, name);
const clearPoint = (): void => rmSync(env.CRASH_POINT_FILE, { force: true });
const startKeyholder = () => rig.startKeyholder(ARMED_KEYHOLDER, env);

async function startCore(): Promise<void> {
  const daemon = rig.home.spawn(ARMED_SIGNER, env);
  await daemon.waitFor('readiness', ({ msg }) => msg === 'ready');
}

/** What was under way is answered; nothing was lost and nothing spent twice. */
async function expectWhole(): Promise<void> {
  const before = asker.answers;
  await asker.settle();
  expect(asker.answers).toBe(before + 1);
  expect(rig.history.findings).toEqual([]);
}

describe('a keyholder without keys', () => {
  // Each begins with the state that `init` made.
  const keyholder = () => join(rig.home.state, 'keyholder');
  const copy = (from: string, to: string): unknown => execFileSync('cp', ['-a', from, to]);
  beforeAll(() => copy(keyholder(), join(folder, 'first')));
  const restoreFirstState = (): void => {
    rmSync(keyholder(), { recursive: true });
    copy(join(folder, 'first'), keyholder());
  };

  test.each(['HostState.save:before', 'MarkLog.recordGeneration:before', 'HostState.save:after'])(
    'that dies at %s of its first opening opens again, and the signer serves',
    async name => {
      const dying = startKeyholder();
      await rig.keyholderListens(); // it has taken the list, which is written into its state as well
      setPoint(name);
      const core = rig.home.spawn(ARMED_SIGNER, env);
      expect(await dying.ended(ENDED_MS)).toBe('SIGKILL');
      clearPoint();
      startKeyholder();
      await core.waitFor('readiness', ({ msg }) => msg === 'ready');
      await asker.askOne();
      await asker.settle();
      expect(asker.answers).toBeGreaterThan(0);
      expect(rig.history.findings).toEqual([]);
      await rig.kill('both');
      rig.compareJournal();
      restoreFirstState();
    },
  );
});

describe('a core that is killed', () => {
  beforeAll(async () => {
    startKeyholder();
    await rig.keyholderListens();
    await startCore();
  });

  test.each([
    'Journal.reserve:before',
    'Journal.reserve:after',
    'KeyholderDoor.sign:before',
    'KeyholderDoor.sign:after',
    'Journal.release:before',
    'Journal.release:after',
    'KeyholderDoor.checkpoint:before',
    'KeyholderDoor.checkpoint:after',
  ])('at %s answers the same request after its restart, and spends nothing twice', async name => {
    setPoint(name);
    while (await asker.askOne()); // the signer's second may be spent; the point is reached by the first that is not
    expect(await rig.home.daemon.ended(ENDED_MS)).toBe('SIGKILL');
    clearPoint();
    rig.compareJournal();
    await startCore();
    await expectWhole();
  });
});

describe('a keyholder that is killed', () => {
  test.each([
    'MarkLog.spend:before',
    'MarkLog.spend:after',
    'PeriodKey.signDescriptor:before',
    'PeriodKey.signDescriptor:after',
    'MarkLog.recordCheckpoint:before',
    'MarkLog.recordCheckpoint:after',
  ])('at %s leaves a signer that goes on when it is back', async name => {
    setPoint(name);
    const dying = startKeyholder();
    while (dying.running) await asker.askOne();
    expect(await dying.ended()).toBe('SIGKILL');
    clearPoint();
    startKeyholder();
    await asker.settle();
    await asker.askOne();
    await expectSettled();
  });

  test('in the middle of a mark drops that mark alone', async () => {
    await rig.kill('keyholder');
    const marks = join(rig.home.state, 'keyholder', 'marks');
    appendFileSync(marks, Buffer.from('a record that was cut o'));
    startKeyholder();
    await asker.askOne();
    await expectSettled();
  });

  async function expectSettled(): Promise<void> {
    await asker.settle();
    expect(rig.history.findings).toEqual([]);
  }
});

describe('a core that is started before its keyholder', () => {
  test('waits for it', async () => {
    await rig.kill('both');
    const core = rig.home.spawn();
    await core.waitFor('the wait', ({ msg }) => msg === 'waiting for the keyholder');
    rig.startKeyholder();
    await core.waitFor('readiness', ({ msg }) => msg === 'ready');
  });

  test('ends when it is told to while it waits', async () => {
    await rig.kill('both');
    const core = rig.home.spawn();
    await core.waitFor('the wait', ({ msg }) => msg === 'waiting for the keyholder');
    expect(await core.stop('SIGTERM')).toBe(0);
    startKeyholder();
    await startCore();
  });
});

describe('a policy that is applied by half', () => {
  test.each(['PolicyBook.apply:before', 'PolicyBook.apply:after'])(
    'because the command died at %s is finished by applying it again',
    async name => {
      await rig.home.stop('SIGTERM');
      // Something to apply: the deadline is in the keyholder's list.
      await rig.home.configure({ deadline: name.endsWith('before') ? '11s' : '12s' });
      setPoint(name);
      const args = ['--config', join(rig.home.folder, 'signer.yaml'), 'policy', 'apply', '--yes'];
      const died = await runCommand(ARMED_SIGNER, args, { env: { ...rig.home.env, ...env } });
      expect(died.code).toBe(-1);
      clearPoint();
      expect(await rig.home.succeed('policy', 'apply', '--yes')).toContain('is in force');
      await startCore();
      await asker.askOne();
      await asker.settle();
      expect(rig.history.findings).toEqual([]);
    },
  );
});
