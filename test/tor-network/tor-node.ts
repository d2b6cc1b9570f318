import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import type { ControlEventType } from '../../src/publisher/control/events.ts';
import { forgetChild, watchChild } from './children.ts';
import { torPrograms } from './tor-program.ts';

const EVENTS: readonly ControlEventType[] = ['HS_DESC', 'STATUS_CLIENT', 'NEWCONSENSUS', 'SIGNAL'];
const STOP_LIMIT_MS = 5000;

export interface TorNodeSettings {
  readonly name: string;
  readonly dataDirectory: string;
  readonly controlPort: number;
  /** Stands in for the distribution's defaults. */
  readonly emptyFile: string;
  /** The configuration, asked for at each start. */
  torrc(this: void): readonly string[];
  /** Frees the reserved ports of this tor. */
  releasePorts(this: void): Promise<void>;
  /** Gets each line that tor logs. */
  log(this: void, line: string): void;
}

/** One tor as a child process, with a control connection that owns it: when that closes, this tor ends. */
export class TorNode {
  readonly #settings: TorNodeSettings;
  #child: ChildProcess | undefined;
  #control: ControlPort | undefined;

  constructor(settings: TorNodeSettings) {
    this.#settings = settings;
  }

  get name(): string {
    return this.#settings.name;
  }

  get dataDirectory(): string {
    return this.#settings.dataDirectory;
  }

  get controlPort(): number {
    return this.#settings.controlPort;
  }

  get cookiePath(): string {
    return join(this.dataDirectory, 'control_auth_cookie');
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Process id of the running tor; throws when it does not run. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.name} does not run.`);
    return this.#child.pid;
  }

  /** The control connection of the test network itself; a program under test opens its own. */
  get control(): ControlPort {
    if (this.#control === undefined) throw new Error(`${this.name} does not run.`);
    return this.#control;
  }

  /**
   * Starts tor; resolves when it obeys on its control port, before it knows any network. With `offline` it leaves
   * the network alone until `goOnline`, so that no failed attempts slow it down.
   */
  async start({ offline = false } = {}): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.name} runs already.`);
    const { dataDirectory, controlPort, emptyFile, releasePorts } = this.#settings;
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    await this.#configure(offline ? ['DisableNetwork 1'] : []);
    await releasePorts();
    const args = ['--defaults-torrc', emptyFile, '-f', this.#configuration];
    const child = spawn(torPrograms().tor, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    watchChild(child);
    child.once('exit', () => this.#ended(child));
    await this.#ready(child);
    const control = await ControlPort.open({ host: '127.0.0.1', port: controlPort });
    this.#control = control;
    await control.connection.send('TAKEOWNERSHIP');
    await control.setEvents(EVENTS);
  }

  get #configuration(): string {
    return `${this.dataDirectory}.torrc`;
  }

  async #configure(more: readonly string[]): Promise<void> {
    const lines = [...this.#settings.torrc(), ...more];
    await writeFile(this.#configuration, `${lines.join('\n')}\n`);
  }

  async #ready(child: ChildProcess): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lines: string[] = [];
    child.once('error', error => {
      this.#ended(child);
      reject(error);
    });
    child.once('close', code => reject(new TorStartError(this.name, code, lines)));
    if (child.stdout === null) throw new Error('unreachable: stdout is piped');
    createInterface(child.stdout).on('line', line => {
      if (lines.length < 100) lines.push(line);
      if (line.includes('Bootstrapped 0%')) resolve();
      this.#settings.log(`${this.name}: ${line}`);
    });
    await promise;
  }

  /** Ends `offline`; to a tor that is online already, it gives a fresh try at every download that failed. */
  async goOnline(): Promise<void> {
    await this.#configure([]);
    await this.control.signal('RELOAD');
  }

  /** Waits for a state of bootstrap: 75 when all directory documents are there, 100 with a first circuit. */
  async bootstrapped(progress = 100): Promise<void> {
    const reached = (text = '') => Number(text) >= progress;
    const done = this.control.waitFor('STATUS_CLIENT', event => reached(event.keywords.get('PROGRESS')));
    const { 'status/bootstrap-phase': phase } = await this.control.getInfo(['status/bootstrap-phase']);
    if (!reached(/ PROGRESS=(\d+) /u.exec(phase)?.[1])) await done;
  }

  /** Start of validity of the consensus that this tor holds, Unix seconds; 0 when it holds none. */
  async consensusValidAfter(): Promise<number> {
    const { 'consensus/valid-after': text } = await this.control
      .getInfo(['consensus/valid-after'])
      .catch(() => ({ 'consensus/valid-after': '' }));
    return text === '' ? 0 : Date.parse(`${text.replace(' ', 'T')}Z`) / 1000;
  }

  /** Waits for a consensus that begins after `validAfter`; returns its own begin, Unix seconds. */
  async consensusAfter(validAfter: number): Promise<number> {
    for (;;) {
      const arrived = this.control.waitFor('NEWCONSENSUS');
      const held = await this.consensusValidAfter();
      if (held > validAfter) return held;
      await arrived;
    }
  }

  /** Waits for a consensus that lists at least `count` relays with the flag HSDir. */
  async consensusWithHsDirs(count: number): Promise<void> {
    for (;;) {
      const arrived = this.control.waitFor('NEWCONSENSUS');
      const { 'ns/all': statuses } = await this.control.getInfo(['ns/all']);
      if (statuses.split('\n').filter(line => /^s .*\bHSDir\b/u.test(line)).length >= count) return;
      await arrived;
    }
  }

  /** Ends tor in an orderly way, or hard after five seconds. No effect when it does not run. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#end(child, 'SIGTERM');
    clearTimeout(hard);
  }

  /** Ends tor at once, as a power cut would. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) await this.#end(this.#child, 'SIGKILL');
  }

  /** Same keys, same ports, new process; what the old one kept in memory is gone. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async #end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  #ended(child: ChildProcess): void {
    forgetChild(child);
    this.#child = undefined;
    this.#control?.close();
    this.#control = undefined;
  }
}

/** A tor with a SOCKS port. */
export class ClientTor extends TorNode {
  readonly socksPort: number;

  constructor(settings: TorNodeSettings, socksPort: number) {
    super(settings);
    this.socksPort = socksPort;
  }

  /** Drops cached descriptors and circuits; resolves when tor has done so, which it does at most every 10 s. */
  async newnym(): Promise<void> {
    const done = this.control.waitFor('SIGNAL', event => event.signal === 'NEWNYM');
    await this.control.signal('NEWNYM');
    await done;
  }
}

/** Tor ended before it was ready. */
export class TorStartError extends Error {
  override readonly name = 'TorStartError';
  readonly portTaken: boolean;

  constructor(node: string, code: number | null, lines: readonly string[]) {
    super(`${node} ended with ${code} before it was ready:\n${lines.join('\n')}`);
    this.portTaken = lines.some(line => line.includes('Address already in use'));
  }
}
