import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';

const KILL_AFTER_MS = 2_000;
const MAX_LINES = 5;
const MAX_LINE_CHARS = 200;
const MAX_STDERR_BYTES = 4096;

export type ChildEvents = {
  /** What it says on standard error: at most 5 lines of 200 characters, fit for a log. */
  readonly onLine: (line: string) => void;
  /** It ended, or was ended; `useful` when it has ever answered a byte. */
  readonly onEnd: (useful: boolean) => void;
};

/**
 * A program's standard input and output as one byte stream; ending the stream ends the program, with SIGTERM and two
 * seconds later SIGKILL. An http.Agent may take it for a socket: what a socket has beyond a stream does nothing here.
 */
export class ChildStream extends Duplex {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #useful = false;

  constructor([program, ...words]: readonly [string, ...string[]], { onLine, onEnd }: ChildEvents) {
    super({ allowHalfOpen: false });
    this.#child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    this.#child.once('error', error => this.destroy(error));
    this.#child.once('close', () => {
      this.destroy();
      onEnd(this.#useful);
    });
    stdin.on('error', error => this.destroy(error));
    stdout.on('error', error => this.destroy(error));
    stdout.on('data', (chunk: Buffer) => {
      this.#useful = true;
      if (!this.push(chunk)) stdout.pause();
    });
    stdout.once('end', () => this.push(null));
    readLines(stderr, onLine);
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const child = this.#child;
    child.stdin.destroy();
    // Nobody reads on, and a full pipe must not keep it alive.
    child.stdout.resume();
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      child.once('exit', () => clearTimeout(force));
    }
    done(error);
  }

  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** The first lines; the rest is read and dropped, so that a chatty program does not block. */
function readLines(stderr: Readable, onLine: (line: string) => void): void {
  let said = '';
  let told = 0;
  const tell = (line: string): void => {
    const text = forLog(line);
    if (text === '' || told === MAX_LINES) return;
    told += 1;
    onLine(text);
  };
  stderr.on('error', () => undefined);
  stderr.on('data', (chunk: Buffer) => {
    if (told === MAX_LINES) return;
    const lines = (said + chunk.toString('latin1')).slice(0, MAX_STDERR_BYTES).split('\n');
    said = lines.pop() ?? '';
    for (const line of lines) tell(line);
  });
  stderr.once('end', () => tell(said));
}

/** Printable, short, and without anything as long as a key or an onion address. */
export const forLog = (line: string): string =>
  line
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/[A-Za-z0-9+/=_-]{32,}/g, '…')
    .trim()
    .slice(0, MAX_LINE_CHARS);
