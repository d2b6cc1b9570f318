import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { campaign } from './campaign.ts';
import { CrashRig } from './rig.ts';

// The short form of `npm run crash`, and a signer that does not keep its word, which the same judge must find.

const RUNS = 12;
const FORGETFUL = fileURLToPath(new URL('forgetful-signer.ts', import.meta.url)) as `/${string}`;

let folder: string;
let rig: CrashRig;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crash-'));
  rig = await CrashRig.create(join(folder, 'rig'));
});

afterAll(async () => {
  await rig.dispose();
  await rm(folder, { recursive: true, force: true });
});

test(`a signer that is killed ${RUNS} times at random moments spends no counter twice and loses no answer`, {
  timeout: 600_000,
}, async () => {
  await rig.start();
  const report = await campaign(rig, { runs: RUNS, seed: 20_261_130 });
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ runs: RUNS });
  expect(report.answers).toBeGreaterThanOrEqual(RUNS);
  expect(report.repeated).toBeGreaterThan(0);
  for (const count of Object.values(report.kills)) expect(count).toBeGreaterThan(0);
});

test('a core that acknowledges before its journal has the answer is found out', {
  timeout: 600_000,
}, async () => {
  await rig.kill('both');
  const restart = () => rig.start(FORGETFUL);
  await restart();
  const report = await campaign(rig, { runs: RUNS, seed: 1, restart });
  expect(report.findings.length).toBeGreaterThan(0);
});
