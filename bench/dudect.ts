// npm run dudect -- [--samples N] [--json]: does the time of an operation tell secrets apart? Two classes, one fixed
// secret and random ones, in random order; N samples of each at least (10^6). Ctrl-C ends it with what there is. Ends with 1 when one that must not leak is
// found out, or the control, which leaks, is not.

import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Secret } from '../src/pkcs11/locked-memory.ts';
import { pinToOneCore } from './processes.ts';
import { SUBJECTS, type Subject } from './timing-subjects.ts';
import { CERTAIN_T, SUSPICIOUS_T, TimingTest, type TimingVerdict, worstOf } from './timing-test.ts';

const USAGE = 'npm run dudect -- [--samples N] [--json]';
const SECRET_BYTES = 64;
const BATCH = 1000;
/** Not counted: the first half warms up, the second sets the limits. */
const CALIBRATION_BATCHES = 20;
/** What leaks is seen at once. */
const CONTROL_SAMPLES = 100_000;

/** The scalar 3, and nothing else: few digits, few bits, and no chance that it is one of the random ones. */
const FIXED = Uint8Array.from({ length: SECRET_BYTES }, (_, i) => (i === 0 ? 3 : 0));

function readArguments(): { readonly samples: number; readonly json: boolean } {
  const { values } = parseArgs({
    options: { samples: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const samples = Number(values.samples ?? 1_000_000);
  if (!Number.isSafeInteger(samples) || samples < 10_000) throw new Error(`${USAGE}, at least 10000`);
  return { samples, json: values.json };
}

const say = (text: string): void => void process.stderr.write(`dudect: ${text}\n`);

/** Secrets of both classes in random order; everything that is timed reads them from one place in locked memory. */
class Batch {
  readonly classes = new Uint8Array(BATCH);
  readonly times = new Float64Array(BATCH);
  readonly #secrets = new Uint8Array(BATCH * SECRET_BYTES);
  readonly #window = new Secret(SECRET_BYTES);

  /** Nanoseconds of each. */
  measure(subject: Subject): void {
    this.#fill();
    this.#window.use(secret => {
      for (let i = 0; i < BATCH; i += 1) {
        secret.set(this.#secrets.subarray(i * SECRET_BYTES, (i + 1) * SECRET_BYTES));
        subject.prepare();
        const start = performance.now();
        subject.run(secret);
        this.times[i] = (performance.now() - start) * 1e6;
      }
    });
  }

  /** Random bytes are taken for both classes; then the fixed ones are put over half of them. */
  #fill(): void {
    this.#secrets.set(randomBytes(this.#secrets.length));
    for (const [i, byte] of randomBytes(BATCH).entries()) {
      const secret = this.#secrets.subarray(i * SECRET_BYTES, (i + 1) * SECRET_BYTES);
      const which = byte & 1;
      this.classes[i] = which;
      if (which === 0) secret.set(FIXED);
      // Below 2^252, as blinded scalars are.
      else secret[31] = (secret[31] ?? 0) & 0x0f;
    }
  }
}

/** One subject on its way. */
class Measurement {
  readonly subject: Subject;
  /** Of each class. */
  readonly #samples: number;
  readonly #batch = new Batch();
  readonly #test: TimingTest;

  constructor(subject: Subject, samples: number) {
    this.subject = subject;
    this.#samples = subject.isControl ? Math.min(samples, CONTROL_SAMPLES) : samples;
    const calibration: number[] = [];
    for (let i = 0; i < CALIBRATION_BATCHES; i += 1) {
      this.#batch.measure(subject);
      if (i >= CALIBRATION_BATCHES / 2) calibration.push(...this.#batch.times);
    }
    this.#test = new TimingTest(calibration);
  }

  get isComplete(): boolean {
    return Math.min(...this.verdict.counts) >= this.#samples;
  }

  get verdict(): TimingVerdict {
    return this.#test.verdict;
  }

  run(): void {
    const { classes, times } = this.#batch;
    this.#batch.measure(this.subject);
    for (let i = 0; i < BATCH; i += 1) this.#test.add(classes[i] === 0 ? 0 : 1, times[i] ?? 0);
  }
}

function judge(subject: Subject, verdict: TimingVerdict): { readonly word: string; readonly good: boolean } {
  const worst = worstOf(verdict);
  if (worst > CERTAIN_T) return { word: 'LEAKS', good: subject.isControl };
  const word = worst > SUSPICIOUS_T ? 'suspicious' : 'no leak seen';
  return { word, good: !subject.isControl };
}

function format(name: string, verdict: TimingVerdict, word: string): string {
  const [fixed, random] = verdict.means;
  return (
    `${name}: ${word}\n` +
    `  samples ${verdict.counts.join(' + ')}, mean ${fixed.toFixed(0)} ns fixed, ${random.toFixed(0)} ns random\n` +
    `  t ${verdict.t.toFixed(2)}; cropped ${verdict.croppedT.toFixed(2)} ` +
    `(fastest ${(100 * verdict.croppedPart).toFixed(1)} %); second moment ${verdict.secondOrderT.toFixed(2)}\n`
  );
}

/** The subjects have their turns, a batch each, so that what the machine does meanwhile meets all of them. */
async function main({ samples, json }: ReturnType<typeof readArguments>): Promise<void> {
  if (!pinToOneCore([process.pid])) say('taskset is missing: no core of its own');
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  const measurements = SUBJECTS.map(subject => new Measurement(subject, samples));
  while (!stopped.signal.aborted && measurements.some(({ isComplete }) => !isComplete)) {
    for (const measurement of measurements) if (!measurement.isComplete) measurement.run();
    await nextTurn();
  }
  if (stopped.signal.aborted) say('ended early: the counts say how early');
  for (const { subject, verdict } of measurements) {
    const { word, good } = judge(subject, verdict);
    process.stdout.write(
      json
        ? `${JSON.stringify({ name: subject.name, word, ...verdict })}\n`
        : format(subject.name, verdict, word),
    );
    if (!good) process.exitCode = 1;
  }
}

await main(readArguments());
