import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NetworkProfile, testNetwork } from '../../../src/descriptor/index.ts';
import type { SignAnswer, SignRequest, StatusAnswer } from '../../../src/signer/contract/requests.ts';
import type { SoftHsm } from '../../softhsm/create-softhsm.ts';
import { type CommandResult, ManagedProcess, type Program, runCommand } from '../managed-process.ts';
import { expectSuccess } from '../stage.ts';
import { backendAddress } from './backends.ts';
import { ask, get, type HttpAnswer, type HttpQuestion } from './http.ts';

/** What signer.yaml says beside tokens, publishers and paths. */
export interface Settings {
  readonly intervalSeconds: number;
  readonly ahead: string;
  /** 1s leaves only the text for now; then no later second is spent. */
  readonly runway: string;
  readonly deadline: string;
  readonly pin: string;
  readonly tokens: readonly string[];
  /** Publishers that come in another way than by the socket of their name. */
  readonly publishers: Readonly<Record<string, string>>;
  /** Further lines of signer.yaml. */
  readonly lines: readonly string[];
}

export interface ServiceSettings {
  readonly publisher: string;
  readonly backends: readonly string[];
  /** Further lines of the policy. */
  readonly lines?: readonly string[];
}

export const PUBLISHER = 'vps1';
export const OTHER_PUBLISHER = 'vps2';

/** One signer with its files, made and run by its own commands only. */
export class SignerHome {
  readonly folder: string;
  readonly hsm: SoftHsm;
  /** Everything that any process of this signer wrote to a terminal or a log. */
  readonly spoken: string[] = [];
  /** Service → address, 62 characters. */
  readonly addresses = new Map<string, string>();
  settings: Settings;
  /** What runs our programs: Node, and before it what becomes Node. */
  launcher: readonly string[] = [process.execPath];
  /** What our processes get beside the environment; the compile cache halves the time that a command takes. */
  readonly env: NodeJS.ProcessEnv;
  readonly #daemons: ManagedProcess[] = [];
  readonly #refused: ManagedProcess[] = [];

  constructor(folder: string, hsm: SoftHsm) {
    this.folder = folder;
    this.hsm = hsm;
    this.env = { ...hsm.env, NODE_COMPILE_CACHE: join(dirname(folder), 'compile-cache') };
    this.settings = {
      intervalSeconds: 10,
      ahead: '4min',
      runway: '20s',
      deadline: '10s',
      pin: hsm.pinSource,
      tokens: [hsm.uri],
      publishers: {},
      lines: [],
    };
  }

  get profile(): NetworkProfile {
    return testNetwork('lab', this.settings.intervalSeconds);
  }

  get state(): string {
    return join(this.folder, 'state');
  }

  get daemon(): ManagedProcess {
    const daemon = this.#daemons.at(-1);
    if (daemon === undefined) throw new Error('no daemon was started');
    return daemon;
  }

  socket(publisher = PUBLISHER): string {
    return join(this.folder, 'run', `${publisher}.sock`);
  }

  address(service: string): string {
    const address = this.addresses.get(service);
    if (address === undefined) throw new Error(`${service} has no identity`);
    return address;
  }

  /** Writes signer.yaml; what a daemon reads takes effect with its next start. */
  async configure(changes: Partial<Settings> = {}): Promise<void> {
    this.settings = { ...this.settings, ...changes };
    const { intervalSeconds, ahead, runway, deadline, pin, tokens, lines: more } = this.settings;
    const doors = { [PUBLISHER]: 'unix', [OTHER_PUBLISHER]: 'unix', ...this.settings.publishers };
    await mkdir(this.folder, { recursive: true });
    const lines = [
      `tokens: ${JSON.stringify(tokens)}`,
      `pin: ${pin}`,
      `publishers: ${JSON.stringify(doors)}`,
      `state: ${this.state}`,
      `run: ${join(this.folder, 'run')}`,
      `network: { name: lab, voting_interval: ${intervalSeconds}s }`,
      `ahead: ${ahead}`,
      `runway: ${runway}`,
      `deadline: ${deadline}`,
      ...more,
    ];
    await writeFile(join(this.folder, 'signer.yaml'), `${lines.join('\n')}\n`);
  }

  /** Runs one `onion-signer` command to its end. */
  async command(...args: string[]): Promise<CommandResult> {
    const all = ['--config', join(this.folder, 'signer.yaml'), ...args];
    const result = await runCommand('onion-signer', all, { env: this.env, start: this.launcher });
    this.spoken.push(result.stderr);
    return result;
  }

  async succeed(...args: string[]): Promise<string> {
    return expectSuccess(args.join(' '), await this.command(...args)).trim();
  }

  /** Makes an identity and writes its policy, which `policy apply` then puts in force. */
  async addService(service: string, settings: ServiceSettings): Promise<void> {
    this.addresses.set(service, await this.succeed('key', 'new', service, '--single-custodian'));
    await this.writePolicy(service, settings);
  }

  async writePolicy(service: string, { publisher, backends, lines = [] }: ServiceSettings): Promise<void> {
    const policy = [
      `service: ${service}`,
      `address: ${this.address(service)}`,
      `publishers: [${publisher}]`,
      'backends:',
      ...backends.map(label => `  ${label}: ${backendAddress(label)}`),
      ...lines,
    ];
    await writeFile(join(this.folder, 'policies', `${service}.yaml`), `${policy.join('\n')}\n`);
  }

  /** Starts the daemon and waits until it listens, and then for `line` of its log. */
  async start(line = 'ready', program: Program = 'onion-signer'): Promise<ManagedProcess> {
    const daemon = this.spawn(program);
    await daemon.waitFor('listening', ({ msg }) => msg === 'listening', 0, 120_000);
    await daemon.waitFor(line, ({ msg }) => msg === line, 0, 120_000);
    return daemon;
  }

  /** Starts a daemon that must end by itself. Gives its exit status and all that it said. */
  async startRefused(): Promise<{ exit: number | string; said: string }> {
    const daemon = this.spawn();
    const exit = await daemon.ended();
    this.#refused.push(...this.#daemons.splice(-1));
    return { exit, said: daemon.lines.map(({ msg }) => msg).join('\n') };
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    return await this.daemon.stop(signal);
  }

  /** Asks for a signature once. */
  async ask(request: unknown, publisher = PUBLISHER): Promise<HttpAnswer> {
    return await ask(this.socket(publisher), { body: JSON.stringify(request) });
  }

  /** Asks for a signature, again after each Retry-After: a second may be spent, a keyholder may be starting. */
  async sign(request: SignRequest): Promise<SignAnswer> {
    return await this.retry({ body: JSON.stringify(request) });
  }

  async retry(question: HttpQuestion): Promise<SignAnswer> {
    for (let attempt = 0; ; attempt++) {
      const answer = await ask(this.socket(), question);
      if (answer.status === 200) return JSON.parse(answer.body) as SignAnswer;
      const wait = Number(answer.headers['retry-after'] ?? Number.NaN);
      if (Number.isNaN(wait) || attempt >= 20) throw new Error(`${answer.status} ${answer.body}`);
      await sleep(wait * 1000);
    }
  }

  /** GET /v1/status */
  async status(publisher = PUBLISHER): Promise<StatusAnswer> {
    return await get<StatusAnswer>(this.socket(publisher), '/v1/status');
  }

  /** What `onion-signer status` shows. */
  async operatorStatus(): Promise<StatusAnswer> {
    return await get<StatusAnswer>(this.socket('admin'), '/status');
  }

  /** Ends everything that runs and removes the files. */
  async dispose(): Promise<void> {
    await Promise.allSettled([...this.#daemons, ...this.#refused].map(each => each.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The logs of all daemons so far, as text. */
  logs(): string {
    return [...this.#daemons, ...this.#refused]
      .flatMap(({ lines }) => lines.map(line => JSON.stringify(line)))
      .join('\n');
  }

  /** Starts the daemon and waits for nothing. */
  spawn(program: Program = 'onion-signer', env: NodeJS.ProcessEnv = {}): ManagedProcess {
    const args = ['--config', join(this.folder, 'signer.yaml'), 'serve', '--log-level', 'debug'];
    const daemon = new ManagedProcess(program, args, { ...this.env, ...env }, this.launcher);
    this.#daemons.push(daemon);
    return daemon;
  }
}
