import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendAddress } from '../e2e/daemon/backends.ts';
import { ManagedProcess } from '../e2e/managed-process.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ATTACK = fileURLToPath(new URL('attack.py', import.meta.url));

/** Numbers that no account has: the kernel asks for no name. A user's own group has its number. */
export const USERS = { root: 0, core: 64_001, keyholder: 64_002, stranger: 64_003 } as const;
export type User = keyof typeof USERS;
export const SERVICE = 'frontpage';
export const PUBLISHER = 'vps1';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A signer as docs/isolation.md has it: programs, configuration and list of root, core and keyholder of two users. */
export class TwoUsers {
  /** 0755, as every folder of root in here. */
  readonly folder: string;
  readonly #hsm: SoftHsm;
  readonly #started: ManagedProcess[] = [];

  private constructor(folder: string, hsm: SoftHsm) {
    this.folder = folder;
    this.#hsm = hsm;
  }

  /** Programs, configuration, folders and a token of the keyholder's user; nothing is initialised. */
  static async create(): Promise<TwoUsers> {
    const folder = mkdtempSync(join(tmpdir(), 'two-users-'));
    chmodSync(folder, 0o755);
    const hsm = await createSoftHsm();
    execFileSync('chown', ['-R', `${USERS.keyholder}:${USERS.keyholder}`, hsm.folder]);
    const stage = new TwoUsers(folder, hsm);
    copyProgram(stage.program);
    for (const name of ['etc', 'etc/policies', 'etc/keyholder'])
      mkdirSync(join(folder, name), { mode: 0o755 });
    for (const [name, user, mode] of [
      ['core', 'core', 0o700],
      ['run', 'core', 0o750],
      ['keyholder', 'keyholder', 0o700],
      ['keyholder/identities', 'keyholder', 0o700],
      ['door', 'keyholder', 0o750],
    ] as const) {
      mkdirSync(join(folder, name), { mode });
      chownSync(join(folder, name), USERS[user], USERS[user]);
    }
    writeFileSync(stage.config, stage.#configText());
    return stage;
  }

  get program(): string {
    return join(this.folder, 'program');
  }

  get config(): string {
    return join(this.folder, 'etc', 'signer.yaml');
  }

  get list(): string {
    return join(this.folder, 'etc', 'keyholder', 'keyholder.list');
  }

  get pinFile(): string {
    return this.#hsm.pinFile;
  }

  get token(): string {
    return this.#hsm.uri;
  }

  /** The socket of core's and keyholder's door, and those of the core's run folder. */
  get door(): string {
    return join(this.folder, 'door', 'keyholder.sock');
  }

  socket(name: string): string {
    return join(this.folder, 'run', `${name}.sock`);
  }

  /** `onion-signer` as one of the users, to its end. */
  signer(user: User, ...args: string[]): Ran {
    return this.run(user, ['dist/signer/main.js', '--config', this.config, ...args]);
  }

  /** The keyholder's own program, to its end. */
  keyholder(user: User, ...args: string[]): Ran {
    return this.run(user, ['dist/pkcs11/keyholder.js', ...args, ...this.keyholderState]);
  }

  get keyholderState(): readonly string[] {
    const home = join(this.folder, 'keyholder');
    return ['--state', join(home, 'state'), '--host-key', `file:${join(home, 'host.key')}`];
  }

  run(user: User, [file = '', ...args]: readonly string[]): Ran {
    const [command = '', ...start] = this.#start(user);
    const { status, stdout, stderr } = spawnSync(command, [...start, join(this.program, file), ...args], {
      env: this.#env,
      encoding: 'utf8',
    });
    return { code: status, stdout, stderr };
  }

  startKeyholder(user: User = 'keyholder'): ManagedProcess {
    const args = [...this.keyholderState, '--list', this.list, '--socket', this.door];
    return this.#spawn(user, 'dist/pkcs11/keyholder.js', args);
  }

  startCore(): ManagedProcess {
    return this.#spawn('core', 'dist/signer/main.js', [
      '--config',
      this.config,
      'serve',
      '--log-level',
      'debug',
    ]);
  }

  /** Tries each as the user, in one process, and says what became of it. */
  attack(user: User, attempts: readonly (readonly [kind: string, target: string])[]): Map<string, string> {
    const [command = '', ...start] = this.#identity(user);
    const input = JSON.stringify(attempts);
    const said = execFileSync(command, [...start, '/usr/bin/python3', '-c', readFileSync(ATTACK, 'utf8')], {
      input,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', TMPDIR: tmpdir() },
    });
    const words = JSON.parse(said) as string[];
    return new Map(attempts.map(([kind, target], i) => [`${kind} ${target}`, words[i] ?? 'nothing']));
  }

  writePolicy(address: string): void {
    const lines = [
      `service: ${SERVICE}`,
      `address: ${address}`,
      `publishers: [${PUBLISHER}]`,
      `backends: { box-1: ${backendAddress('box-1')} }`,
    ];
    writeFileSync(join(this.folder, 'etc', 'policies', `${SERVICE}.yaml`), `${lines.join('\n')}\n`);
  }

  async dispose(): Promise<void> {
    await Promise.allSettled(this.#started.map(each => each.stop('SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true });
    await this.#hsm.dispose();
  }

  #configText(): string {
    const { folder } = this;
    return [
      `tokens: ${JSON.stringify([this.#hsm.uri])}`,
      `pin: ${this.#hsm.pinSource}`,
      `publishers: { ${PUBLISHER}: unix }`,
      `state: ${join(folder, 'core')}`,
      `run: ${join(folder, 'run')}`,
      `envelopes: ${join(folder, 'keyholder', 'identities')}`,
      `keyholder: unix:${this.door}`,
      `keyholder_list: ${this.list}`,
      'network: { name: lab, voting_interval: 60s }',
      'period_keys: token',
      'deadline: 60s',
      '',
    ].join('\n');
  }

  #spawn(user: User, file: string, args: readonly string[]): ManagedProcess {
    const started = new ManagedProcess(
      `/${join(this.program, file).slice(1)}`,
      args,
      this.#env,
      this.#start(user),
    );
    this.#started.push(started);
    return started;
  }

  /** Root's, and where SoftHSM looks. */
  get #env(): { readonly SOFTHSM2_CONF: string; readonly PATH: string; readonly HOME: string } {
    return { SOFTHSM2_CONF: this.#hsm.env.SOFTHSM2_CONF, PATH: process.env['PATH'] ?? '', HOME: '/root' };
  }

  /** Our own copy of Node, as the user. */
  #start(user: User): readonly string[] {
    return [...this.#identity(user), join(this.program, 'node'), '--no-warnings'];
  }

  /** The core may open the keyholder's door: it is in the group of that folder, and of nothing else. */
  #identity(user: User): readonly string[] {
    if (user === 'root') return ['setpriv', '--no-new-privs'];
    const id = USERS[user];
    const groups = user === 'core' ? `--groups=${USERS.keyholder}` : '--clear-groups';
    const start = ['setpriv', `--reuid=${id}`, `--regid=${id}`, groups, '--no-new-privs', '--'];
    return user === 'keyholder' ? [...start, 'env', `HOME=${join(this.folder, 'keyholder')}`] : start;
  }
}

/** Sources, run-time packages and Node where every user can read and only root can write. */
function copyProgram(to: string): void {
  mkdirSync(to, { mode: 0o755 });
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { dev?: boolean; optional?: boolean }>>;
  };
  const packages = Object.entries(lock.packages)
    .filter(([name, { dev, optional }]) => name !== '' && dev !== true && optional !== true)
    .map(([name]) => name);
  for (const name of ['dist', 'package.json', ...packages]) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(ROOT, name), join(to, name), { recursive: true });
  }
  cpSync(process.execPath, join(to, 'node'));
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', to]);
  execFileSync('chown', ['-R', '0:0', to]);
}
