import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseOnionAddress, publishablePeriods } from '../../src/descriptor/index.ts';
import { backendDescriptor, nowSeconds, pointsOf } from '../e2e/daemon/backends.ts';
import { entriesSince } from '../e2e/daemon/journal-entries.ts';
import { Asker } from './load.ts';
import { CrashRig, SERVICES } from './rig.ts';

// The keyholder's state is lost, and it is a process of its own: its operator gives it no fence, the core does.

/** Longer than a slow machine takes from one step to the next. */
const RUNWAY_SECONDS = 600;

let folder: string;
let rig: CrashRig;
let fence: number;
const keyholder = (): string => join(rig.home.state, 'keyholder');
const unfenced = (): string => join(folder, 'unfenced');
const copy = (from: string, to: string): unknown => execFileSync('cp', ['-a', from, to]);
const recover = () => rig.home.command('init', '--recover', '--yes');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recovery-'));
  rig = await CrashRig.create(join(folder, 'rig'));
  await rig.home.configure({ intervalSeconds: 60, ahead: '24min', runway: `${RUNWAY_SECONDS}s` });
  await rig.home.succeed('policy', 'apply', '--yes');
  await rig.start();
  await new Asker(rig, SERVICES[0], () => 0.999).askOne();
  await rig.home.stop();
});

afterAll(async () => {
  await rig?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** What a core under an attacker's control gets for one text of this second: `signed`, or the rule against it. */
async function hostileCore(second: number): Promise<string> {
  while (nowSeconds() + RUNWAY_SECONDS < second) await sleep(100);
  const { service, backends } = SERVICES[0];
  const { profile } = rig.home;
  const kpHsId = parseOnionAddress(rig.home.address(service));
  const evidence = backends.map(label => backendDescriptor(profile, label));
  const [period] = publishablePeriods(profile, second).toReversed();
  if (period === undefined) throw new Error('no period is published');
  return await rig.asCore(async client => {
    await client.prepare();
    for (const { text } of evidence) await client.prove(kpHsId, Buffer.from(text, 'latin1'));
    const { listSerial } = await client.status();
    const points = evidence.flatMap(each => pointsOf([each, 0, 1]));
    const targets = [{ periodNum: period.periodNum, variant: 0, second }];
    const answer = await client.sign({ kpHsId, listSerial, points, targets });
    return 'refused' in answer ? answer.refused.rule : 'signed';
  });
}

test('a keyholder with its old state is not recovered over: its operator renews it first', async () => {
  const { code, stderr } = await recover();
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^KEYHOLDER_REFUSED: .*init --recover/u)]);
  await rig.kill('keyholder');
  await rig.renewKeyholder();
  copy(keyholder(), unfenced());
});

test('`init --recover` gives it the fence, which no core gets around', async () => {
  rig.startKeyholder();
  await rig.keyholderListens();
  const { code, stderr } = await recover();
  expect([code, stderr]).toEqual([0, '']);
  const recovered = entriesSince(rig.home, 0).at(-1);
  expect(recovered).toMatchObject({ kind: 'recovered' });
  fence = recovered?.kind === 'recovered' ? recovered.fence : 0;
  expect(fence).toBeGreaterThan(nowSeconds());
  expect([await hostileCore(fence - 1), await hostileCore(fence)]).toEqual(['ONE-PER-SECOND', 'signed']);
});

test('a keyholder that lacks it gets it from the daemon before anybody is answered', async () => {
  await rig.kill('keyholder');
  rmSync(keyholder(), { recursive: true });
  copy(unfenced(), keyholder());
  rig.startKeyholder();
  await rig.keyholderListens();
  // The control: without the fence it signs what may have been signed before.
  expect(await hostileCore(fence - 2)).toBe('signed');
  await rig.kill('keyholder');
  const daemon = rig.home.spawn();
  await daemon.waitFor('the wait', ({ msg }) => msg === 'waiting for the keyholder');
  rig.startKeyholder();
  await daemon.waitFor('listening', ({ msg }) => msg === 'listening');
  expect((await rig.home.operatorStatus()).code).toBe('FENCED');
  await rig.home.stop();
  expect([await hostileCore(fence - 1), await hostileCore(fence)]).toEqual(['ONE-PER-SECOND', 'signed']);
});
