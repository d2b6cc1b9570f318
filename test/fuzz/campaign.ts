import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import { type Target, refusalCode } from './target.ts';

/** An input whose run did what no input may do. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  /** From 1; 0 for a seed of the target or a replayed file. */
  readonly iteration: number;
  readonly input: Uint8Array;
  readonly thrown: unknown;
}

/** What came of the runs so far. */
export interface Tally {
  mutants: number;
  taken: number;
  /** By code. */
  readonly refused: Map<string, number>;
}

/** Verdicts that were new put their input among those that are mutated further; so many are kept. */
const MAX_POOL = 512;
const MAX_MESSAGE = 1000;

/**
 * Mutants of one target. All follows from `seed` and the target's name: the n-th mutant is the same in every run,
 * whatever other targets run beside it.
 */
export class Campaign {
  readonly target: Target;
  readonly seed: number;
  readonly tally: Tally = { mutants: 0, taken: 0, refused: new Map() };
  readonly #pool: Uint8Array[] = [];
  readonly #seen = new Set<string>();
  #seeds = 0;

  constructor(target: Target, seed: number) {
    this.target = target;
    this.seed = seed;
  }

  /** Runs the seeds as they are. At least one must be taken, or every property would be empty. */
  async start(): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const input of this.target.seeds()) {
      const finding = await this.#try(input, 0);
      if (finding !== undefined) findings.push(finding);
      this.#pool.push(input);
    }
    this.#seeds = this.#pool.length;
    if (this.tally.taken + findings.length === 0) {
      throw new Error(`${this.target.name}: no seed is taken; give it a better one`);
    }
    return findings;
  }

  /** Makes and runs the next mutant. */
  async step(): Promise<Finding | undefined> {
    const iteration = ++this.tally.mutants;
    const random = new Random(`${this.seed} ${this.target.name} ${iteration}`);
    const [base, other] = [random.pick(this.#pool), random.pick(this.#pool)];
    return this.#try(mutate(base, this.target.shapes, random, other), iteration);
  }

  async #try(input: Uint8Array, iteration: number): Promise<Finding | undefined> {
    const { name: target } = this.target;
    try {
      const outcome = await runOnce(this.target, new Uint8Array(input));
      this.#count(outcome);
      if (iteration > 0 && !this.#seen.has(outcome.kind)) this.#keep(input);
      this.#seen.add(outcome.kind);
      return undefined;
    } catch (thrown) {
      return { target, seed: this.seed, iteration, input, thrown };
    }
  }

  #count({ code }: Outcome): void {
    if (code === undefined) this.tally.taken++;
    else this.tally.refused.set(code, (this.tally.refused.get(code) ?? 0) + 1);
  }

  #keep(input: Uint8Array): void {
    if (this.#pool.length < MAX_POOL) this.#pool.push(input);
    else this.#pool[this.#seeds + (this.tally.mutants % (MAX_POOL - this.#seeds))] = input;
  }
}

interface Outcome {
  /** undefined when the input was taken. */
  readonly code: string | undefined;
  /** Code and message without its numbers: which of the reader's ways out this was. */
  readonly kind: string;
}

/** Runs one input; throws what is a finding. */
export async function runOnce({ area, codes, run }: Target, input: Uint8Array): Promise<Outcome> {
  const before = Buffer.from(input);
  try {
    await run(input);
  } catch (thrown) {
    const code = refusalCode(area, thrown);
    if (code === undefined || (codes !== undefined && !codes.includes(code))) throw thrown;
    const { message } = thrown as Error;
    // A refusal is logged and shown: one printable line.
    if (message.length > MAX_MESSAGE || /[\p{Cc}\p{Cf}]/u.test(message)) throw thrown;
    return { code, kind: `${code} ${message.replace(/[0-9]+/gu, '0')}` };
  }
  if (!before.equals(input)) throw new Error('the reader has changed its input');
  return { code: undefined, kind: 'taken' };
}
