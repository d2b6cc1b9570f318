// npm run crash -- --runs 1000 [--seed N]: kills a signer under load at random moments and judges what it did.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CampaignReport, campaign } from './campaign.ts';
import { CrashRig } from './rig.ts';

const PROGRESS_EVERY = 10;

const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } });
const runs = Number(values.runs ?? '1000');
const seed = Number(values.seed ?? Date.now() % 2 ** 32);
if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('crash: give --runs and --seed as whole numbers\n');
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'onion-signer-crash-'));
process.stdout.write(`crash: ${runs} runs, seed ${seed}, ${folder}\n`);
const rig = await CrashRig.create(folder);
let isClean = false;
try {
  await rig.start();
  const onRun = (run: number, report: CampaignReport): void => {
    if (run % PROGRESS_EVERY === 0) process.stdout.write(`crash: ${describe(report)}\n`);
  };
  const report = await campaign(rig, { runs, seed, onRun });
  for (const finding of report.findings) process.stdout.write(`crash: FOUND ${finding}\n`);
  isClean = report.findings.length === 0;
  process.stdout.write(`crash: ${isClean ? 'OK' : 'FAILED'}: ${describe(report)}\n`);
} finally {
  if (isClean) {
    await rig.dispose();
    await rm(folder, { recursive: true, force: true });
  } else {
    process.exitCode = 1;
    process.stdout.write(`crash: everything is kept in ${folder}; seed ${seed}\n`);
    await rig.kill('both');
  }
}

function describe({ runs: done, kills, answers, repeated, texts, findings }: CampaignReport): string {
  const killed = `killed core ${kills.core}, keyholder ${kills.keyholder}, both ${kills.both}`;
  const seen = `${answers} answers (${repeated} given again), ${texts} texts`;
  return `${done} runs, ${killed}, ${seen}, ${findings.length} findings`;
}
