import { execFileSync } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { SignAnswer } from '../../../src/signer/contract/requests.ts';
import type { AuditReport } from '../../../src/signer/audit/verify.ts';
import { goodRequest } from './backends.ts';
import type { SignerHome } from './home.ts';
import { entriesSince, sizeOf } from './journal-entries.ts';

/** With modes: the keyholder looks at them. */
const copy = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to]);

/** `init --recover`. `homeOf` gives a signer that is stopped. */
export function describeRecovery(homeOf: () => SignerHome): void {
  let home: SignerHome;
  let first: SignAnswer;
  let lost: SignAnswer;
  const inState = (name: string): string => join(home.state, name);
  const kept = (name: string): string => join(home.folder, `before-${name}`);
  const recover = (...args: string[]) => home.command('init', '--recover', ...args);

  beforeAll(async () => {
    home = homeOf();
    await home.configure({ runway: '1s' });
    await home.start();
    first = await home.sign(goodRequest(home).request);
    expect(await home.stop()).toBe(0);
    for (const name of ['journal.sqlite', 'keyholder']) copy(inState(name), kept(name));
    await home.start();
    lost = await home.sign(goodRequest(home).request);
    expect(await home.stop()).toBe(0);
  });

  /** Puts parts of the state back to the older day. */
  function putBack(...names: string[]): void {
    for (const name of names) {
      rmSync(inState(name), { recursive: true });
      copy(kept(name), inState(name));
    }
  }

  /** The last answer's texts come after the others of their period. */
  function expectLater(answer: SignAnswer, ...earlier: SignAnswer[]): void {
    for (const { period, revisionCounter } of answer.descriptors) {
      for (const old of earlier.flatMap(({ descriptors }) => descriptors)) {
        if (old.period.periodNum !== period.periodNum) continue;
        expect(BigInt(revisionCounter)).toBeGreaterThan(BigInt(old.revisionCounter));
      }
    }
  }

  test('a journal that was put back is taken up only when a person says so', async () => {
    putBack('journal.sqlite');
    const { said } = await home.startRefused();
    expect(said).toMatch(/^CHECKPOINT_FORK: .*init --recover/mu);
    const asked = await recover();
    expect([asked.code, asked.stderr.split(':')[0]]).toEqual([1, 'DENIED']);
    expect(asked.stdout).toContain('sign nothing for the runway');
    expect((await home.startRefused()).said).toMatch(/^CHECKPOINT_FORK: /mu);
  });

  test('it goes on under another key, writes down what was lost, and waits for the runway', async () => {
    const note = join(home.folder, 'newest-note');
    writeFileSync(note, lost.checkpoint);
    await home.configure({ runway: '12s' });
    const { code, stdout } = await recover('--yes', '--checkpoint', note);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`knows of ${sizeOf(lost.checkpoint)}`)]);
    const recovered = entriesSince(home, 0).at(-1);
    expect(recovered).toMatchObject({ kind: 'recovered', lost: { size: sizeOf(lost.checkpoint) } });
    await home.start('not ready');
    const refused = await home.ask(goodRequest(home).request);
    expect(JSON.parse(refused.body)).toMatchObject({ status: 503, code: 'FENCED' });
    expect((await home.operatorStatus()).code).toBe('FENCED');
    expect((await home.command('status')).code).toBe(2);
    // Publishers still show what they were given before.
    const answer = await home.sign({ ...goodRequest(home).request, checkpoint: lost.checkpoint });
    expectLater(answer, first, lost);
    expect(answer.checkpoint.split('\n')[0]).not.toBe(lost.checkpoint.split('\n')[0]);
    await home.sign({ ...goodRequest(home).request, checkpoint: answer.checkpoint });
    await home.configure({ runway: '1s' });
    expect(await home.stop()).toBe(0);
  });

  test('a checkpoint that is newer than the whole state halts, also after a restart, until a recovery', async () => {
    for (const name of ['journal.sqlite', 'keyholder']) {
      rmSync(kept(name), { recursive: true });
      copy(inState(name), kept(name));
    }
    await home.start();
    const { checkpoint } = await home.sign(goodRequest(home).request);
    expect(await home.stop()).toBe(0);
    putBack('journal.sqlite', 'keyholder');
    await home.start();
    const expectHalted = async (change: object = {}): Promise<void> => {
      const { body } = await home.ask({ ...goodRequest(home).request, ...change });
      expect(JSON.parse(body)).toMatchObject({ status: 503, code: 'CHECKPOINT_AHEAD' });
    };
    await expectHalted({ checkpoint });
    await expectHalted();
    expect(await home.stop()).toBe(0);
    await home.start('not ready');
    await expectHalted();
    expect((await home.operatorStatus()).code).toBe('CHECKPOINT_AHEAD');
    expect((await home.command('status')).code).toBe(2);
    expect((await recover('--yes')).stderr).toMatch(/^JOURNAL_LOCKED: /u);
    expect(await home.stop()).toBe(0);
    expect((await recover('--yes')).code).toBe(0);
    expect(entriesSince(home, 0).at(-1)).toMatchObject({ lost: { size: sizeOf(checkpoint) } });
    await home.start();
    await home.sign({ ...goodRequest(home).request, checkpoint });
    expect(await home.stop()).toBe(0);
  });

  test('a keyholder whose state is lost is made anew', async () => {
    renameSync(inState('keyholder'), join(home.folder, 'lost-keyholder'));
    expect((await home.startRefused()).said).toMatch(/STATE_MISSING: /u);
    const { code, stdout } = await recover('--yes');
    expect([code, stdout]).toEqual([0, expect.stringContaining('does not start (STATE_MISSING)')]);
    await home.start();
    expectLater(await home.sign(goodRequest(home).request), first, lost);
    expect(await home.stop()).toBe(0);
  });

  test('leaves one log whose keys are all vouched for, and which admits what was lost', async () => {
    const note = join(home.folder, 'newest-note');
    const args = ['--address', home.address('frontpage'), '--checkpoint', note, '--json'];
    const report = JSON.parse(await home.succeed('audit', 'verify', ...args)) as AuditReport;
    expect(report).toMatchObject({ findings: [], unvouched: 0, lost: 1 });
    expect(report.formerOrigins).toHaveLength(3);
    const origins = [...report.formerOrigins, report.origin];
    expect(report.vouchings.map(({ origin }) => origin)).toEqual(origins);
  });
}
