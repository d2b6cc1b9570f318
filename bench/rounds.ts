// The measurement: everything that is compared stands in the same round, one after the other.

import type { Cost, LineWorker } from './line-worker.ts';
import type { SignerLoad, Stretch } from './signer-load.ts';

export const POINT_COUNTS = [10, 20] as const;

export type Subject = 'stem' | 'library' | 'signer';
export type Mode = 'new-key' | 'new-key-all-verified' | 'unchanged';

/** One subject in one mode in one round. */
export interface Sample extends Cost {
  readonly subject: Subject;
  readonly mode: Mode;
  readonly points: number;
  readonly round: number;
  /** Of the whole signer only. */
  readonly stretch?: Stretch;
}

export interface Contestants {
  readonly stem: LineWorker;
  readonly library: LineWorker;
  readonly load: SignerLoad;
}

/** Descriptors made by a worker in one stretch; stem takes some half a second for each of these. */
const STEM_COUNT = { 'new-key': 40, unchanged: 80 } as const;
const LIBRARY_TIMES_STEM = 3;

/** One round of all contestants. `seconds` is how long the whole signer is asked with each number of points. */
export async function runRound(contestants: Contestants, round: number, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const { stem, library, load } = contestants;
  for (const points of POINT_COUNTS) {
    for (const mode of ['new-key', 'unchanged'] as const) {
      const count = STEM_COUNT[mode];
      samples.push({ subject: 'stem', mode, points, round, ...(await stem.measure(mode, points, count)) });
      const cost = await library.measure(mode, points, LIBRARY_TIMES_STEM * count);
      samples.push({ subject: 'library', mode, points, round, ...cost });
    }
    const all = await library.measure('new-key-all-verified', points, STEM_COUNT['new-key']);
    samples.push({ subject: 'library', mode: 'new-key-all-verified', points, round, ...all });
    const stretch = await load.run(points, seconds);
    samples.push({ subject: 'signer', mode: 'unchanged', points, round, ...costOf(stretch), stretch });
  }
  return samples;
}

/** The client's processor time is not the signer's. */
function costOf({ wallSeconds, cpuSeconds, descriptors }: Stretch): Cost {
  return {
    wallSeconds: wallSeconds / descriptors,
    cpuSeconds: (cpuSeconds.core + cpuSeconds.keyholder) / descriptors,
  };
}
