import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What one descriptor cost. */
export interface Cost {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** A worker process: `MODE POINTS COUNT` in, seconds and processor seconds for each descriptor and kilobytes out. */
export class LineWorker {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.on('error', () => undefined); // told by the answer that does not come
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('a worker has no output');
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#child.spawnfile} did not start`);
    return this.#child.pid;
  }

  /** Has `count` descriptors with `points` points made. */
  async measure(mode: string, points: number, count: number): Promise<Cost> {
    this.#child.stdin?.write(`${mode} ${points} ${count}\n`);
    const answer = await this.#answers.next();
    const [wallSeconds = 0, cpuSeconds = 0] = answer.done === true ? [] : answer.value.split(' ').map(Number);
    if (!(wallSeconds > 0 && cpuSeconds > 0))
      throw new Error(`${this.#child.spawnfile} does not answer ${mode} ${points}`);
    return { wallSeconds, cpuSeconds };
  }

  stop(): void {
    this.#child.kill('SIGTERM');
  }
}
