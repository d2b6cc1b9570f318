import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A line of a program's log, parsed; a line that is not JSON has `msg` alone. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One of ours by its name, or the file of another main module, absolute. */
export type Program = 'onion-signer' | 'onion-publisher' | `/${string}`;

function entry(program: Program): string {
  if (program.startsWith('/')) return program;
  return `${ROOT}dist/${program === 'onion-signer' ? 'signer' : 'publisher'}/main.js`;
}

/** Runs one command of a program to its end, with `input` on standard input. */
export async function runCommand(
  program: Program,
  args: readonly string[],
  options: {
    readonly env?: NodeJS.ProcessEnv;
    readonly input?: Uint8Array | string;
    /** What runs the program: Node, and before it what becomes Node. */
    readonly start?: readonly string[];
  } = {},
): Promise<CommandResult> {
  const [command = '', ...before] = options.start ?? [process.execPath];
  const child = spawn(command, [...before, entry(program), ...args], {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [stdout, stderr]: string[] = ['', ''];
  const output = { stdout, stderr };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString('utf8')));
  child.stdin.on('error', () => undefined); // a command that does not read its input closes it
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, stdout: output.stdout ?? '', stderr: output.stderr ?? '' };
}

/** A daemon whose log lines can be waited for. It dies with this process. */
export class ManagedProcess {
  readonly name: string;
  readonly lines: LogLine[] = [];
  readonly #child: ChildProcess;
  readonly #waiters = new Set<() => void>();
  #exit: number | string | undefined;
  #closed = false;

  /** @param start what runs the program: Node, and before it what becomes Node */
  constructor(
    program: Program,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    start: readonly string[] = [process.execPath],
  ) {
    this.name = program;
    const [command = '', ...before] = start;
    this.#child = spawn(command, [...before, entry(program), ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', line => this.#take(line));
    }
    this.#child.once('close', () => {
      this.#closed = true;
    });
    const kill = (): void => void this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.#child.on('exit', (code, signal) => {
      process.off('exit', kill);
      this.#exit = signal ?? code ?? -1;
      this.#wake();
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** The first line from index `from` on that `wanted` accepts; waits for it. Fails when the program ends first. */
  async waitFor(
    what: string,
    wanted: (line: LogLine) => boolean,
    from = 0,
    limitMs = 120_000,
  ): Promise<LogLine> {
    const deadline = Date.now() + limitMs;
    let index = from;
    for (;;) {
      for (; index < this.lines.length; index++) {
        const line = this.lines[index];
        if (line !== undefined && wanted(line)) return line;
      }
      if (this.#exit !== undefined)
        throw new Error(`${this.name} ended (${this.#exit}) before: ${what}\n${this.tail()}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${this.name} did not come to: ${what}\n${this.tail()}`);
      await this.#nextEvent(left);
    }
  }

  /** Waits until the program has ended by itself and all of its output is here. Gives the exit code or the signal's name. */
  async ended(limitMs = 120_000): Promise<number | string> {
    if (!this.#closed) await once(this.#child, 'close', { signal: AbortSignal.timeout(limitMs) });
    return this.#exit ?? -1;
  }

  /** The last lines, for the message of a failed test. */
  tail(count = 25): string {
    return this.lines
      .slice(-count)
      .map(line => JSON.stringify(line))
      .join('\n');
  }

  /** Sends `signal` and waits for the end. Gives the exit code or the signal's name. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.#exit === undefined) {
      const ended = once(this.#child, 'exit');
      this.#child.kill(signal);
      await ended;
    }
    return this.#exit ?? -1;
  }

  #take(text: string): void {
    let line: LogLine = { msg: text };
    try {
      const parsed: unknown = JSON.parse(text);
      if (typeof parsed === 'object' && parsed !== null) line = { msg: '', ...parsed };
    } catch {
      // Not a log line of ours: kept as text.
    }
    this.lines.push(line);
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  async #nextEvent(limitMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#waiters.add(done);
    });
  }
}
