import type { Bytes } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { aes256ctr } from './primitives.ts';
import { type NetworkProfile, type TimeInterval, type TimePeriod, srvRunStart } from './time.ts';

/** The last second of a period that has a counter: tor clips T here. */
export const MAX_T = 262_144;

/** Mean of one step: words are uniform in 0…65535 and each step adds 1. */
const MEAN_STEP = 32_768.5;
/** Five standard deviations of T counted from the counter, in seconds for each √T. */
const SPREAD = 2.9;
const MAX_STEP = 65_536;

const WORDS_PER_SAMPLE = 1024;
const BYTES_PER_WORD = 2;
const BYTES_PER_BLOCK = 16;

/** Counters of one key; see {@link createRevisionCounter}. */
export interface RevisionCounter {
  /** The counter for second `t`, 1…{@link MAX_T}. Throws COUNTER_OUT_OF_RANGE. */
  at(t: number): bigint;
}

/**
 * The counter for second `t` (1…262144; 1 is the first second of the period's shared random run) under a 32-byte
 * key: Σ (word_i + 1) over the little-endian words of the AES-256-CTR keystream (rend-spec-v3 appendix F.2, with
 * tor's + 1). Strictly increasing in `t`. The key is read, not kept. Throws COUNTER_OUT_OF_RANGE, BAD_LENGTH.
 */
export function revisionCounterAt(key: Bytes, t: number): bigint {
  return createRevisionCounter(key).at(t);
}

/**
 * Counters under one key, with the sums at every 1024th second remembered, so that a call reads at most 2 kB of
 * keystream beyond what was asked before. `key` (32 bytes) is referenced, never copied: the caller keeps it readable
 * and unchanged while it uses the result, and wipes it (rend-spec-v3 appendix F.2). Throws BAD_LENGTH; its `at`
 * throws COUNTER_OUT_OF_RANGE.
 */
export function createRevisionCounter(key: Bytes): RevisionCounter {
  if (key.length !== 32) throw new DescriptorError('BAD_LENGTH', 'a revision counter key has 32 bytes');
  /** sums[j] is the sum over the first 1024·j words; it stays below 2^34. */
  const sums = [0];
  return {
    at(t) {
      const seconds = checkT(t);
      const sample = Math.floor(seconds / WORDS_PER_SAMPLE);
      for (let next = sums.length; next <= sample; next++) {
        sums.push((sums[next - 1] ?? 0) + sumSteps(key, next - 1, WORDS_PER_SAMPLE));
      }
      return BigInt((sums[sample] ?? 0) + sumSteps(key, sample, seconds % WORDS_PER_SAMPLE));
    },
  };
}

/**
 * When a descriptor with this counter was made, Unix seconds, both ends included, to five standard deviations:
 * every T with |counter/32768.5 − T| ≤ 2.9·√T, and never one that the counter makes impossible. Ours, over the
 * counters of rend-spec-v3 appendix F.2.
 * Throws COUNTER_OUT_OF_RANGE for a counter that no second in 1…262144 has, BAD_PERIOD as {@link srvRunStart}.
 */
export function counterTimeInterval(
  profile: NetworkProfile,
  period: TimePeriod,
  counter: bigint,
): TimeInterval {
  if (counter < 1n || counter > BigInt(MAX_STEP) * BigInt(MAX_T)) throw outOfRange();
  const exact = Number(counter);
  const estimate = exact / MEAN_STEP;
  const root = Math.sqrt(SPREAD * SPREAD + 4 * estimate);
  const earliest = Math.max(Math.ceil(exact / MAX_STEP), ((root - SPREAD) / 2) ** 2);
  const latest = Math.min(exact, MAX_T, ((root + SPREAD) / 2) ** 2);
  if (earliest > latest) throw outOfRange();
  const origin = srvRunStart(profile, period);
  // T counts from 1, so T = 1 lasts from the origin to one second after it.
  return { from: origin + earliest - 1, to: origin + latest };
}

/**
 * What no counter up to second `t` is beyond, to five standard deviations: a bound for who does not know the key. Ours.
 * Does not throw.
 */
export function counterCeiling(t: number): bigint {
  const seconds = Math.min(Math.max(1, t), MAX_T);
  return BigInt(Math.min(MAX_STEP * seconds, Math.ceil(MEAN_STEP * (seconds + SPREAD * Math.sqrt(seconds)))));
}

/** Sum of `count` steps from word 1024·`sample` on. */
function sumSteps(key: Bytes, sample: number, count: number): number {
  if (count === 0) return 0;
  const firstBlock = (sample * WORDS_PER_SAMPLE * BYTES_PER_WORD) / BYTES_PER_BLOCK;
  const counterBlock = new Uint8Array(BYTES_PER_BLOCK);
  new DataView(counterBlock.buffer).setUint32(BYTES_PER_BLOCK - 4, firstBlock);
  const stream = aes256ctr(key, counterBlock, new Uint8Array(count * BYTES_PER_WORD));
  let sum = count;
  for (let at = 0; at < stream.length; at += BYTES_PER_WORD) {
    sum += (stream[at] ?? 0) + (stream[at + 1] ?? 0) * 256;
  }
  stream.fill(0);
  return sum;
}

function checkT(t: number): number {
  if (Number.isSafeInteger(t) && t >= 1 && t <= MAX_T) return t;
  throw new DescriptorError(
    'COUNTER_OUT_OF_RANGE',
    'a period has revision counters for seconds 1 to 262144 only',
  );
}

function outOfRange(): DescriptorError {
  return new DescriptorError('COUNTER_OUT_OF_RANGE', 'no second of a period has this revision counter');
}
