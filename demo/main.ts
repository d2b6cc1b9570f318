import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildStage, type Stage } from '../test/e2e/stage.ts';
import { THIEF_STAGE } from '../test/thief/thief.ts';
import { Progress } from './progress.ts';
import { type SecondAct, showTheThief } from './second-act.ts';

const OUT = fileURLToPath(new URL('../demo-out/', import.meta.url));
const VISITS_PER_BACKEND = 20;

/** One uploaded text as the report names it. */
interface ReportedDescriptor {
  readonly file: string;
  readonly period: number;
  /** Minutes. */
  readonly periodLength: number;
  readonly revisionCounter: string;
  /** Fingerprints of the directories that took it. */
  readonly hsdirs: readonly string[];
}

const OPTIONS = ['--keep', '--no-thief'];
const USAGE = `usage: npm run demo [-- ${OPTIONS.map(each => `[${each}]`).join(' ')}]
  --keep      leave everything running until Ctrl-C
  --no-thief  without the second act
`;

/** The main job on real parts: exit code 0 and a plain verdict, or 1 and what failed. */
async function main(): Promise<number> {
  const given = process.argv.slice(2);
  if (given.some(each => !OPTIONS.includes(each))) {
    process.stdout.write(USAGE);
    return given.includes('--help') ? 0 : 2;
  }
  const keep = process.argv.includes('--keep');
  const withThief = !process.argv.includes('--no-thief');
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  const progress = new Progress();
  let stage: Stage | undefined;
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  interrupted.catch(() => undefined);
  const reached = new Set<string>();
  let failure: unknown;
  let thief: SecondAct | undefined;
  try {
    const building = buildStage({ ...THIEF_STAGE, folder: OUT, step: name => progress.step(name) });
    building.then(built => (stage = built)).catch(() => undefined);
    const built = await Promise.race([building, interrupted]);
    await Promise.race([showTheJob(built, progress, reached), interrupted]);
    if (withThief) thief = await Promise.race([showTheThief(built, progress), interrupted]);
  } catch (error) {
    failure = error;
  }
  progress.end();
  if (stage !== undefined) await writeReport(stage, { progress, reached, failure, thief });
  printVerdict(stage, reached, failure, thief);
  if (keep && stage !== undefined && failure === undefined) {
    printStaying(stage);
    await interrupted.catch(() => undefined);
  }
  await stage?.stop();
  return failure === undefined ? 0 : 1;
}

async function showTheJob(stage: Stage, progress: Progress, reached: Set<string>): Promise<void> {
  const names = stage.network.backends.map(({ name }) => name);
  progress.step('open the page through the master address until each backend has answered');
  for (let visit = 1; reached.size < names.length; visit++) {
    if (visit > VISITS_PER_BACKEND * names.length) throw new Error('not every backend answered');
    reached.add(await open(stage, `visit-${visit}`, visit % VISITS_PER_BACKEND === 0));
  }
  const [victim] = stage.network.backends;
  if (victim === undefined) throw new Error('there is no backend');
  progress.step(`kill ${victim.name} (kill -9) and wait until its points have left the descriptor`);
  const before = stage.publisher.lines.length;
  await victim.kill();
  const silent = (line: { readonly msg: string }): boolean =>
    line.msg === 'a backend is silent; its points leave';
  await stage.publisher.waitFor('the points to leave', silent, before);
  await stage.published(stage.publisher.lines.length);
  progress.step('open the page again: the others answer');
  await stage.network.newnym();
  for (let visit = 1; visit <= 6; visit++) {
    const body = await open(stage, `again-${visit}`);
    if (body === victim.name) throw new Error(`${victim.name} answered after its death`);
  }
}

async function open(stage: Stage, isolation: string, newnym = false): Promise<string> {
  const { status, body } = await stage.network.fetch(stage.address, '/', { isolation, newnym });
  if (status !== 200) throw new Error(`the page answered ${status}`);
  return body;
}

interface Shown {
  readonly progress: Progress;
  readonly reached: ReadonlySet<string>;
  readonly failure: unknown;
  readonly thief: SecondAct | undefined;
}

async function writeReport(stage: Stage, { progress, reached, failure, thief }: Shown): Promise<void> {
  const report = {
    verdict: failure === undefined ? 'ok' : 'failed',
    address: stage.address,
    custody: await custodyLine(stage),
    backendsReached: [...reached].sort(),
    descriptors: await collectDescriptors(stage),
    thief,
    steps: progress.steps,
  };
  await writeFile(join(OUT, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
}

async function custodyLine(stage: Stage): Promise<string> {
  const { stdout } = await stage.onionSigner('status', '--json');
  const { isolation, services } = JSON.parse(stdout) as {
    isolation: string;
    services: { custody: string; origin: string }[];
  };
  const [service] = services;
  return `${service?.custody ?? 'none'}, ${service?.origin ?? ''}, isolation: ${isolation}`;
}

/** Copies each text to demo-out/descriptors/ and reads what the publisher noted beside it. */
async function collectDescriptors(stage: Stage): Promise<ReportedDescriptor[]> {
  const folder = join(OUT, 'descriptors');
  await mkdir(folder, { recursive: true });
  const names = (await readdir(stage.recordFolder)).filter(name => name.endsWith('.txt')).sort();
  return await Promise.all(
    names.map(async name => {
      await copyFile(join(stage.recordFolder, name), join(folder, name));
      const note = await readFile(join(stage.recordFolder, name.replace(/txt$/, 'json')), 'utf8');
      return { file: `descriptors/${name}`, ...(JSON.parse(note) as Omit<ReportedDescriptor, 'file'>) };
    }),
  );
}

function printVerdict(
  stage: Stage | undefined,
  reached: ReadonlySet<string>,
  failure: unknown,
  thief: SecondAct | undefined,
): void {
  if (failure !== undefined) {
    process.stdout.write(`\nFAILED: ${failure instanceof Error ? failure.message : 'unknown'}\n`);
    return;
  }
  process.stdout.write(
    [
      '',
      'OK: a stock tor client opened the page through an address whose key only the token can open.',
      `    ${stage?.address ?? ''}`,
      `    answered by ${[...reached].sort().join(', ')}; one was killed, the descriptor followed, the page still opened`,
      ...(thief === undefined ? [] : thiefLines(thief)),
      '    details: demo-out/report.json, demo-out/descriptors/',
      '',
    ].join('\n'),
  );
}

function thiefLines({ attacks, audit }: SecondAct): string[] {
  return [
    'OK: who owned the publisher’s host got none of this, and honest requests were served on:',
    ...attacks.map(({ attack, end }) => `    ${attack}: ${end}`),
    `    audit verify: ${audit}`,
  ];
}

function printStaying({ address, network }: Stage): void {
  const proxy = `127.0.0.1:${network.client.socksPort}`;
  process.stdout.write(
    `\nStill running; end it with Ctrl-C. Try:\n  curl --socks5-hostname ${proxy} http://${address}/\n`,
  );
}

process.exit(await main());
