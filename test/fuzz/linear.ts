// npm run fuzz -- --linear: how the work of each reader grows with its input. Pieces of good inputs and single
// characters are repeated until the input is long; the processor time for
// three times the length is compared with that for one.

import { concat } from '../../src/descriptor/bytes.ts';
import { runOnce } from './campaign.ts';
import { utf8 } from './seeds.ts';
import type { Target } from './target.ts';

/** Long enough that memory for both lengths comes in the same way: below some 60 KiB it is much cheaper. */
const SHORT = 160 * 1024;
const FACTOR = 3;
const SAMPLES = 3;
/** Less for the long input is nothing that could grow into harm, and mostly memory. */
const LEAST_MS = 6;
/** Linear work takes FACTOR times as long; quadratic work FACTOR². */
const MOST = FACTOR * 2.2;

const CHARACTERS = [
  '\0',
  '\n',
  '\r\n',
  ' ',
  'a',
  'a ',
  '"',
  '\\',
  '=',
  '/',
  '-----',
  '-----BEGIN X-----\n',
  '[',
  '{"a":',
  '- ',
  'a: ',
  '# \n',
  '&a ',
  '%41',
  ';a=b',
  ',',
  '.',
  '\xff',
  '\u{1f9c5}',
  '250-a\r\n',
  '"\\',
  'a="',
  '>>',
  '? ',
].map(utf8);

interface Pattern {
  readonly name: string;
  readonly make: (length: number) => Uint8Array;
}

/** `piece` as often as fits, between the halves of `seed`. */
function repeated(seed: Uint8Array, at: number, piece: Uint8Array, name: string): Pattern {
  return {
    name,
    make: length => {
      const times = Math.max(1, Math.floor(length / Math.max(1, piece.length)));
      const block = Buffer.alloc(times * piece.length, piece);
      return concat(seed.subarray(0, at), block, seed.subarray(at));
    },
  };
}

function patternsOf(seed: Uint8Array): Pattern[] {
  const ends = [0, Math.floor(seed.length / 2), seed.length];
  const characters = CHARACTERS.flatMap(piece =>
    ends.map(at => repeated(seed, at, piece, `${JSON.stringify(Buffer.from(piece).toString())} at ${at}`)),
  );
  const lines = [
    ...Buffer.from(seed)
      .toString('latin1')
      .matchAll(/[^\n]*\n/gu),
  ].slice(0, 40);
  const copies = lines.map(({ 0: line, index }) =>
    repeated(seed, index, Buffer.from(line, 'latin1'), `the line at ${index}`),
  );
  return [...characters, ...copies, repeated(seed, seed.length, seed, 'the whole input')];
}

/** The account of a thread's processor time has a grain of some milliseconds: runs are counted until so much is used. */
const SAMPLE_MS = 40;

/** Milliseconds of this thread's processor time for one run, the least of several samples; refusals count too. */
async function timeOf(target: Target, input: Uint8Array, samples: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < samples; sample++) {
    let [used, runs] = [0, 0];
    for (const started = cpuMs(); used < SAMPLE_MS; used = cpuMs() - started, runs++)
      await runOnce(target, input);
    best = Math.min(best, used / runs);
  }
  return best;
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function ratioOf(target: Target, { make }: Pattern, samples: number): Promise<number> {
  const long = await timeOf(target, make(SHORT * FACTOR), samples);
  return long < LEAST_MS ? 0 : long / (await timeOf(target, make(SHORT), samples));
}

/** Whether one run of the long input takes so long that its growth can matter. */
async function isDear(target: Target, { make }: Pattern): Promise<boolean> {
  const input = make(SHORT * FACTOR);
  const started = performance.now();
  await runOnce(target, input);
  return performance.now() - started > LEAST_MS;
}

/** Prints each pattern whose work grows faster than its length; gives their number. */
export async function reportLinear(targets: readonly Target[]): Promise<number> {
  let faults = 0;
  for (const target of targets) {
    let [patterns, worst] = [0, 0];
    for (const seed of target.seeds().slice(0, 2)) {
      for (const pattern of patternsOf(seed)) {
        patterns++;
        if (!(await isDear(target, pattern))) continue;
        let ratio = await ratioOf(target, pattern, 1);
        // A noisy machine is asked again before it is believed.
        if (ratio > MOST) ratio = await ratioOf(target, pattern, SAMPLES);
        worst = Math.max(worst, ratio);
        if (ratio <= MOST) continue;
        faults++;
        process.stdout.write(
          `FINDING ${target.name}: ${pattern.name}, ${ratio.toFixed(1)} times for ${FACTOR}\n`,
        );
      }
    }
    process.stdout.write(
      `${target.name.padEnd(30)} ${String(patterns).padStart(5)} patterns, worst ${worst.toFixed(1)}\n`,
    );
  }
  process.stdout.write(`${faults} findings; linear work takes ${FACTOR} times as long\n`);
  return faults;
}
