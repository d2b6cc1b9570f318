// npm run bench -- [--rounds N] [--services N] [--quick] [--json] | --period-keys: how fast descriptors are made, beside python3-stem on
// the same core in the same minute. Ratios are what counts: they hold on a slower or busier machine. A goal that is
// missed is said and changes no exit code.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureIdlePublisher } from './idle-publisher.ts';
import { LineWorker } from './line-worker.ts';
import { type Memory, memoryOf, pinToOneCore } from './processes.ts';
import { compile, formatReport } from './report.ts';
import { POINT_COUNTS, type Sample, runRound } from './rounds.ts';
import { SignerLoad } from './signer-load.ts';
import { type SignerRig, startSigner } from './signer-rig.ts';
import { measureSigningPlaces } from './signing-places.ts';

/** stem is Debian's package; another Python in PATH may lack it. */
const PYTHON = '/usr/bin/python3';
const USAGE = 'npm run bench -- [--rounds N] [--services N] [--quick] [--json] | --period-keys\n';

interface Extent {
  readonly rounds: number;
  readonly services: number;
  /** How long the whole signer is asked in each round, with each number of points. */
  readonly seconds: number;
  readonly json: boolean;
}

function readArguments(): Extent {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, services: { type: 'string' }, quick: flag, json: flag },
  });
  const whole = (text: string | undefined, fallback: number, max: number): number => {
    const number = text === undefined ? fallback : Number(text);
    if (!Number.isInteger(number) || number < 1 || number > max) throw new Error(USAGE.trimEnd());
    return number;
  };
  return {
    rounds: whole(values.rounds, values.quick ? 1 : 5, 1000),
    services: whole(values.services, values.quick ? 8 : 40, 200),
    seconds: values.quick ? 1 : 2,
    json: values.json,
  };
}

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

async function main({ rounds, services, seconds, json }: Extent): Promise<void> {
  say(`set up a signer with ${services} services`);
  const rig = await startSigner(services);
  const stem = new LineWorker(PYTHON, [fileURLToPath(new URL('stem_worker.py', import.meta.url))]);
  const library = new LineWorker(process.execPath, [
    fileURLToPath(new URL('library-worker.ts', import.meta.url)),
  ]);
  const load = new SignerLoad(rig);
  try {
    say('warm up: every service shows its evidence and is signed for');
    await load.warmUp(POINT_COUNTS);
    const pids = [process.pid, rig.corePid, rig.keyholderPid, stem.pid, library.pid];
    const pinned = pinToOneCore(pids);
    if (!pinned) say('taskset is missing: the processes share all cores, and the ratios say less');
    await runRound({ stem, library, load }, 0, 1); // not counted
    const samples: Sample[] = [];
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`);
      samples.push(...(await runRound({ stem, library, load }, round, seconds)));
    }
    const report = compile(samples, await memoryReport(rig), { rounds, services, pinned });
    process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report));
  } finally {
    load.close();
    stem.stop();
    library.stop();
    await rig.stop();
  }
}

async function memoryReport(rig: SignerRig): Promise<Record<string, Memory>> {
  const measured = {
    core: memoryOf(rig.corePid),
    keyholder: memoryOf(rig.keyholderPid),
    'token process': rig.tokenProcess,
    'publisher, idle': await measureIdlePublisher(),
  };
  const known = Object.entries(measured).flatMap(([name, memory]) =>
    memory === undefined ? [] : [[name, memory] as const],
  );
  return Object.fromEntries(known);
}

try {
  if (process.argv.includes('--period-keys')) await measureSigningPlaces();
  else await main(readArguments());
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
