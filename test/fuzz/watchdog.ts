// A reader that does not come back stops every timer of its own thread; another thread notices.

import { writeFileSync, writeSync } from 'node:fs';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { MAX_INPUT_BYTES } from './mutate.ts';

/** Run number and length of its input; 0 as length between two runs. */
const HEAD_INTS = 2;
const LIMIT_MS = 60_000;

interface Shared {
  readonly memory: SharedArrayBuffer;
  readonly names: readonly string[];
  readonly file: string;
}

/** Shows another thread what is being run: it saves the input and ends the process after a minute with one input. */
export class Watchdog {
  readonly #head: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #worker: Worker;
  #run = 0;

  /** Inputs are saved in `file`, which begins with the number of the target in `names`. */
  constructor(names: readonly string[], file: string) {
    const memory = new SharedArrayBuffer(4 * (HEAD_INTS + 1) + MAX_INPUT_BYTES);
    this.#head = new Int32Array(memory, 0, HEAD_INTS + 1);
    this.#bytes = new Uint8Array(memory, 4 * (HEAD_INTS + 1));
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: { memory, names, file } satisfies Shared,
    });
    this.#worker.unref();
  }

  /** To be called before each run. */
  begin(target: number, input: Uint8Array): void {
    this.#bytes.set(input.subarray(0, MAX_INPUT_BYTES));
    this.#head[1] = Math.min(input.length, MAX_INPUT_BYTES);
    this.#head[2] = target;
    Atomics.store(this.#head, 0, ++this.#run);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

function watch({ memory, names, file }: Shared): void {
  const head = new Int32Array(memory, 0, HEAD_INTS + 1);
  let last = -1;
  setInterval(() => {
    const run = Atomics.load(head, 0);
    if (run === last && run !== 0) {
      writeFileSync(
        file,
        new Uint8Array(memory.slice(4 * (HEAD_INTS + 1), 4 * (HEAD_INTS + 1) + (head[1] ?? 0))),
      );
      writeSync(1, `FINDING ${names[head[2] ?? 0]} does not come back from ${file}\n`);
      process.kill(process.pid, 'SIGKILL');
    }
    last = run;
  }, LIMIT_MS);
}

if (!isMainThread) watch(workerData as Shared);
