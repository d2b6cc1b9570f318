// npm run fuzz -- --linear: how the work of each reader grows with its input. Pieces of good inputs and single
// characters are repeated until the input is long; the time for the fourfold length is compared with that for one.

import { concat } from '../../src/descriptor/bytes.ts';
import { runOnce } from './campaign.ts';
import { utf8 } from './seeds.ts';
import type { Target } from './target.ts';

const SHORT = 32 * 1024;
const FACTOR = 4;
const REPETITIONS = 5;
/** Times below it say nothing. */
const LEAST_MS = 8;
/** Linear work takes FACTOR times as long; quadratic work FACTOR². */
const MOST = FACTOR * 2.5;

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

/** Milliseconds of this thread's processor time in the fastest of several runs; refusals count like anything else. */
async function timeOf(target: Target, input: Uint8Array, repetitions: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < repetitions; i++) {
    const started = cpuMs();
    await runOnce(target, input);
    best = Math.min(best, cpuMs() - started);
  }
  return best;
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function ratioOf(target: Target, { make }: Pattern, repetitions: number): Promise<number> {
  const long = await timeOf(target, make(SHORT * FACTOR), repetitions);
  return long < LEAST_MS ? 0 : long / (await timeOf(target, make(SHORT), repetitions));
}

/** Prints each pattern whose work grows faster than its length; gives their number. */
export async function reportLinear(targets: readonly Target[]): Promise<number> {
  let faults = 0;
  for (const target of targets) {
    let [patterns, worst] = [0, 0];
    for (const seed of target.seeds().slice(0, 2)) {
      for (const pattern of patternsOf(seed)) {
        patterns++;
        let ratio = await ratioOf(target, pattern, 1);
        // A noisy machine is asked again before it is believed.
        if (ratio > MOST) ratio = await ratioOf(target, pattern, REPETITIONS);
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
