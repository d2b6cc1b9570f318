import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sha256, toHex } from '../../src/descriptor/index.ts';
import { connectKeyholder, type KeyholderClient } from '../../src/pkcs11/keyholder-client.ts';
import type { SignAnswer } from '../../src/signer/contract/requests.ts';
import { openJournal } from '../../src/signer/journal/journal.ts';
import { ManagedProcess, type Program, runCommand } from '../e2e/managed-process.ts';
import { nowSeconds } from '../e2e/daemon/backends.ts';
import { OTHER_PUBLISHER, PUBLISHER, SignerHome } from '../e2e/daemon/home.ts';
import { expectSuccess } from '../e2e/stage.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { History } from './history.ts';
import { RecordingProxy } from './recording-proxy.ts';

const KEYHOLDER = fileURLToPath(new URL('../../dist/pkcs11/keyholder.js', import.meta.url));

/** A service of the rig, who may ask for it and whose points it has. */
export interface CrashService {
  readonly service: string;
  readonly publisher: string;
  readonly backends: readonly [string, string];
}

const serviceOf = (i: number, publisher: string): CrashService => ({
  service: `site-${i}`,
  publisher,
  backends: [`box-${i}-a`, `box-${i}-b`],
});

export const SERVICES = Object.freeze([
  serviceOf(0, PUBLISHER),
  serviceOf(1, PUBLISHER),
  serviceOf(2, OTHER_PUBLISHER),
] as const);

export type Victim = 'core' | 'keyholder' | 'both';

/** A signer in the shape of production, core and keyholder each a process of its own, that may be killed at any time. */
export class CrashRig {
  readonly folder: string;
  readonly home: SignerHome;
  readonly history = new History();
  readonly #hsm: SoftHsm;
  #proxy: RecordingProxy | undefined;
  #keyholder: ManagedProcess | undefined;

  private constructor(folder: string, hsm: SoftHsm) {
    this.folder = folder;
    this.#hsm = hsm;
    this.home = new SignerHome(join(folder, 'signer'), hsm);
  }

  /** Makes identities and policy below an empty folder; starts nothing but the recording of what is signed. */
  static async create(folder: string): Promise<CrashRig> {
    const rig = new CrashRig(folder, await createSoftHsm());
    try {
      await rig.#prepare();
      return rig;
    } catch (error) {
      await rig.dispose();
      throw error;
    }
  }

  /** Starts both, or what does not run of them, and waits until the signer is ready. */
  async start(core: Program = 'onion-signer'): Promise<void> {
    this.startKeyholder();
    await this.home.start('ready', core);
  }

  startKeyholder(program: Program = `/${KEYHOLDER.slice(1)}`, env: NodeJS.ProcessEnv = {}): ManagedProcess {
    if (this.#keyholder?.running === true) return this.#keyholder;
    const list = join(this.home.state, 'keyholder.list');
    const args = [...this.#keyholderState, '--list', list, '--socket', this.#door];
    this.#keyholder = new ManagedProcess(program, args, { ...this.home.env, ...env });
    return this.#keyholder;
  }

  /** Waits until the keyholder takes connections, which is after it read its list. */
  async keyholderListens(): Promise<void> {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(20)) {
      try {
        await this.asCore(async () => undefined);
        return;
      } catch {
        if (this.#keyholder?.running !== true) break;
      }
    }
    throw new Error(`the keyholder does not listen\n${this.#keyholder?.tail()}`);
  }

  /** What its operator does when the keyholder's state is lost: puts it aside and makes a new one. */
  async renewKeyholder(): Promise<void> {
    const args = ['init', '--recover', ...this.#keyholderState];
    expectSuccess('keyholder', await runCommand(`/${KEYHOLDER.slice(1)}`, args, { env: this.home.env }));
  }

  /** Speaks to the keyholder as any core can; it serves one at a time. */
  async asCore<T>(speak: (client: KeyholderClient) => Promise<T>): Promise<T> {
    const client = await connectKeyholder(this.#door);
    try {
      return await speak(client);
    } finally {
      await client.close();
    }
  }

  /** SIGKILL, and the end of whom it hit. */
  async kill(victim: Victim): Promise<void> {
    await Promise.all([
      victim === 'keyholder' ? undefined : this.home.stop('SIGKILL'),
      victim === 'core' ? undefined : this.#keyholder?.stop('SIGKILL'),
    ]);
  }

  /** With the core dead: opens its journal, which verifies that marks are the fold of entries, and compares. */
  compareJournal(): void {
    const journal = openJournal({ path: join(this.home.state, 'journal.sqlite'), now: nowSeconds });
    try {
      const { archive } = journal;
      this.history.compare({
        size: journal.head().size,
        rootAt: size => (size <= journal.head().size ? toHex(archive.rootAt(size)) : undefined),
        holds: digest => archive.text(digest) !== undefined,
      });
    } finally {
      journal.close();
    }
  }

  /** Notes an answer that a publisher got. */
  noteAnswer(answer: SignAnswer): void {
    const digests = answer.descriptors.map(({ text }) => toHex(sha256(Buffer.from(text))));
    const [, size, root = ''] = answer.checkpoint.split('\n');
    this.history.answered(answer, digests, {
      size: Number(size),
      root: Buffer.from(root, 'base64').toString('hex'),
    });
  }

  async dispose(): Promise<void> {
    await this.#keyholder?.stop('SIGKILL');
    await this.home.dispose();
    await this.#proxy?.close();
    await this.#hsm.dispose();
  }

  /** Of core and keyholder, while both run. */
  get pids(): readonly number[] {
    return [this.home.daemon.pid, ...(this.#keyholder === undefined ? [] : [this.#keyholder.pid])];
  }

  get #keyholderState(): readonly string[] {
    const { state } = this.home;
    return ['--state', join(state, 'keyholder'), '--host-key', `file:${join(state, 'host.key')}`];
  }

  get #door(): string {
    return join(this.folder, 'keyholder.sock');
  }

  async #prepare(): Promise<void> {
    const { home } = this;
    await mkdir(this.folder, { recursive: true });
    const lines = [`keyholder: unix:${join(this.folder, 'recorded.sock')}`, 'disk_floor: 1MiB'];
    await home.configure({ runway: '1s', lines });
    await home.succeed('token', 'prepare', this.#hsm.uri, '--pin', this.#hsm.pinSource, '--bits', '2048');
    await home.succeed('init');
    const limits = ['limits: { points: 2..6, min_backends: 2, requests: 3600/h }'];
    for (const { service, publisher, backends } of SERVICES) {
      await home.addService(service, { publisher, backends, lines: limits });
    }
    await home.succeed('policy', 'apply', '--yes');
    this.#proxy = await RecordingProxy.listen(
      join(this.folder, 'recorded.sock'),
      this.#door,
      (id, signed) => {
        for (const { periodNum, variant, revisionCounter, text } of signed) {
          this.history.made({
            service: id,
            periodNum,
            variant,
            revisionCounter,
            digest: toHex(sha256(text)),
          });
        }
      },
    );
  }
}
