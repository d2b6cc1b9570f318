import { setTimeout as sleep } from 'node:timers/promises';
import { Asker } from './load.ts';
import { type CrashRig, SERVICES, type Victim } from './rig.ts';

const VICTIMS: readonly Victim[] = ['core', 'keyholder', 'both'];
/** A request takes some tens of milliseconds: the moment falls before, into and behind several of them. */
const LONGEST_LIFE_MS = 700;

export interface CampaignOptions {
  readonly runs: number;
  readonly seed: number;
  readonly onRun?: (run: number, report: CampaignReport) => void;
  /** How the signer is started again. */
  readonly restart?: () => Promise<void>;
}

/** What was done and what was found. `findings` is empty when the signer kept its word. */
export interface CampaignReport {
  readonly runs: number;
  readonly answers: number;
  /** Answers that were given again, and compared word for word. */
  readonly repeated: number;
  /** Texts that the keyholder made, released or not. */
  readonly texts: number;
  readonly kills: Readonly<Record<Victim, number>>;
  readonly findings: readonly string[];
}

/** Lets publishers ask a running signer, kills parts of it without warning, starts them again, judges; `runs` times. */
export async function campaign(rig: CrashRig, options: CampaignOptions): Promise<CampaignReport> {
  const random = createRandom(options.seed);
  const restart = options.restart ?? (() => rig.start());
  const askers = SERVICES.map(service => new Asker(rig, service, random));
  const kills = { core: 0, keyholder: 0, both: 0 };
  const report = (runs: number): CampaignReport => ({
    runs,
    answers: sum(askers.map(({ answers }) => answers)),
    repeated: sum(askers.map(({ repeated }) => repeated)),
    texts: rig.history.texts,
    kills,
    findings: rig.history.findings,
  });
  for (let run = 1; run <= options.runs; run++) {
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? 'both';
    kills[victim] += 1;
    const asking = Promise.all(askers.map(asker => asker.run()));
    await sleep(random() * LONGEST_LIFE_MS);
    await rig.kill(victim);
    for (const asker of askers) asker.stop();
    await asking;
    if (victim !== 'keyholder') rig.compareJournal();
    if (victim === 'keyholder') rig.startKeyholder();
    else await restart();
    await Promise.all(askers.map(asker => asker.settle()));
    options.onRun?.(run, report(run));
    if (rig.history.findings.length > 0) return report(run);
  }
  await rig.kill('core');
  rig.compareJournal();
  return report(options.runs);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
