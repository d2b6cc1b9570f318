import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A worker process that answers each line of its input with a line: seconds per descriptor, resident kilobytes. */
export class LineWorker {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.on('error', () => undefined); // told by the answer that does not come
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the worker has no output');
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#child.spawnfile} did not start`);
    return this.#child.pid;
  }

  /** Has `count` descriptors made with `points` points; gives descriptors per second. */
  async rate(mode: string, points: number, count: number): Promise<number> {
    this.#child.stdin?.write(`${mode} ${points} ${count}\n`);
    const { value, done } = await this.#answers.next();
    const seconds = Number.parseFloat(done === true ? '' : value);
    if (!(seconds > 0))
      throw new Error(`${this.#child.spawnfile} ended or answered nonsense to ${mode} ${points}`);
    return 1 / seconds;
  }

  stop(): void {
    this.#child.stdin?.end();
    this.#child.kill('SIGTERM');
  }
}
