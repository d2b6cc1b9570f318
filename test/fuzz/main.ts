// npm run fuzz -- [--minutes N] [--seed N] [--target NAME] [--replay FILE] [--linear] [--json]: mutants of good inputs
// go through every reader of untrusted bytes. Ends with 1 when one did what no input may do.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Campaign, type Finding, runOnce } from './campaign.ts';
import { reportLinear } from './linear.ts';
import { TARGETS } from './targets/all.ts';
import type { Target } from './target.ts';
import { Watchdog } from './watchdog.ts';

const USAGE = 'npm run fuzz -- [--minutes N] [--seed N] [--target NAME] [--replay FILE] [--linear] [--json]';
/** Outside of git. */
const FINDINGS = path.join(import.meta.dirname, '..', '..', '.setup', 'findings');
/** How long each target has its turn. */
const TURN_MS = 200;
/** Targets of this cost have longer turns: whole descriptors are what matters most. */
const DEAR = 60;
/** Findings of one target that are kept apart. */
const MAX_FINDINGS = 5;

function readArguments() {
  const flag = { type: 'boolean', default: false } as const;
  const word = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { minutes: word, seed: word, target: word, replay: word, linear: flag, json: flag },
  });
  const number = (text: string | undefined, fallback: number): number => {
    const value = text === undefined ? fallback : Number(text);
    if (!Number.isFinite(value) || value < 0) throw new Error(USAGE);
    return value;
  };
  const targets = TARGETS.filter(({ name }) => values.target === undefined || name.startsWith(values.target));
  if (targets.length === 0) throw new Error(`--target: ${TARGETS.map(({ name }) => name).join(' ')}`);
  return {
    ...values,
    targets,
    minutes: number(values.minutes, 10),
    seed: Math.floor(number(values.seed, Date.now() % 1_000_000_000)),
  };
}

function save({ target, seed, iteration, input, thrown }: Finding): string {
  const file = path.join(FINDINGS, `${target.replaceAll('/', '-')}--${seed}-${iteration}.bin`);
  writeFileSync(file, input);
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return (
    `FINDING ${target}, seed ${seed}, mutant ${iteration}, ${input.length} bytes\n${stack}\n` +
    `  npm run fuzz -- --target ${target} --replay ${path.relative(process.cwd(), file)}\n`
  );
}

async function replay(target: Target, file: string): Promise<number> {
  const input = new Uint8Array(readFileSync(file));
  const { code = 'taken' } = await runOnce(target, input);
  process.stdout.write(`${target.name}: ${code}\n`);
  return 0;
}

/** Each target in turn until the time is over. Gives the number of findings. */
async function fuzz(
  targets: readonly Target[],
  seed: number,
  minutes: number,
  json: boolean,
): Promise<number> {
  process.stderr.write(`fuzz: seed ${seed}, ${minutes} min, ${targets.length} targets\n`);
  mkdirSync(FINDINGS, { recursive: true });
  const watchdog = new Watchdog(
    targets.map(({ name }) => name),
    path.join(FINDINGS, `hang-${seed}.bin`),
  );
  const watched = targets.map(
    (target, number): Target => ({
      ...target,
      run: input => {
        watchdog.begin(number, input);
        return target.run(input);
      },
    }),
  );
  const campaigns = watched.map(target => new Campaign(target, seed));
  const found = new Map<string, number>();
  const report = (finding: Finding): void => {
    const count = (found.get(finding.target) ?? 0) + 1;
    found.set(finding.target, count);
    if (count <= MAX_FINDINGS) process.stdout.write(save(finding));
  };
  for (const campaign of campaigns) {
    for (const finding of await campaign.start()) report(finding);
  }
  const end = performance.now() + minutes * 60_000;
  while (performance.now() < end) {
    for (const campaign of campaigns) {
      const turn = Math.min(end, performance.now() + TURN_MS * ((campaign.target.cost ?? 1) >= DEAR ? 3 : 1));
      while (performance.now() < turn) {
        const finding = await campaign.step();
        if (finding !== undefined) report(finding);
      }
    }
  }
  await watchdog.stop();
  process.stdout.write(json ? `${JSON.stringify(rows(campaigns), undefined, 2)}\n` : table(campaigns));
  const findings = [...found.values()].reduce((sum, count) => sum + count, 0);
  process.stdout.write(`seed ${seed}: ${findings} findings\n`);
  return findings;
}

function rows(campaigns: readonly Campaign[]) {
  return campaigns.map(({ target, tally }) => ({
    target: target.name,
    mutants: tally.mutants,
    taken: tally.taken,
    codes: Object.fromEntries(tally.refused),
  }));
}

function table(campaigns: readonly Campaign[]): string {
  const lines = rows(campaigns).map(
    ({ target, mutants, taken, codes }) =>
      `${target.padEnd(30)} ${String(mutants).padStart(9)} ${String(taken).padStart(8)}  ${Object.keys(codes).length}`,
  );
  return `${'target'.padEnd(30)}   mutants    taken  codes\n${lines.join('\n')}\n`;
}

const { targets, minutes, seed, linear, json, replay: file } = readArguments();
const [first] = targets;
try {
  if (file !== undefined && first !== undefined) process.exitCode = await replay(first, file);
  else if (linear) process.exitCode = (await reportLinear(targets)) === 0 ? 0 : 1;
  else process.exitCode = (await fuzz(targets, seed, minutes, json)) === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`fuzz: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
