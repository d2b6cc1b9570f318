import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { publishablePeriods, type TimePeriod } from '../../src/descriptor/index.ts';
import { connectKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import type { SignAnswer, SignRequest } from '../../src/signer/contract/requests.ts';
import { backendDescriptor, nowSeconds, pointsOf, signRequest } from '../e2e/daemon/backends.ts';
import { PUBLISHER, SignerHome } from '../e2e/daemon/home.ts';
import { ManagedProcess } from '../e2e/managed-process.ts';
import type { SoftHsm } from '../softhsm/create-softhsm.ts';

const HOUR = 3600;
const START_LIMIT_MS = 60_000;
const RETRY_MS = 50;
const SERVICE = 'frontpage';
const KEYHOLDER = fileURLToPath(new URL('../../dist/pkcs11/keyholder.js', import.meta.url));

/** Debian's libfaketime, where set-up found or unpacked it. */
function faketimeLibrary(): string {
  const file = process.env['FAKETIME_LIBRARY'] ?? '';
  if (!existsSync(file)) throw new Error('the Debian package libfaketime is missing: run `npm run setup`');
  return file;
}

/**
 * A signer of its own with the voting interval of the public network, whose evidence can be hours old. Core and
 * keyholder are processes under one clock that can be moved while they run; the test plays the backends.
 */
export class Vault {
  readonly home: SignerHome;
  readonly #clock: string;
  readonly #door: string;
  #keyholder: ManagedProcess | undefined;

  private constructor(folder: string, hsm: SoftHsm) {
    this.home = new SignerHome(folder, hsm);
    this.#clock = join(folder, 'clock');
    this.#door = join(folder, 'keyholder.sock');
  }

  /** Makes identity and policy on a token that has a key, and starts both. */
  static async open(folder: string, hsm: SoftHsm): Promise<Vault> {
    const vault = new Vault(folder, hsm);
    const { home } = vault;
    await mkdir(folder, { recursive: true });
    await vault.moveClock(0);
    const settings = { intervalSeconds: HOUR, ahead: '1d', runway: '1s' };
    await home.configure({ ...settings, lines: [`keyholder: unix:${vault.#door}`] });
    await home.succeed('init');
    const lines = ['limits: { points: 2..6, min_backends: 2, requests: 3000/h }'];
    await home.addService(SERVICE, { publisher: PUBLISHER, backends: ['box-1', 'box-2'], lines });
    await home.succeed('policy', 'apply', '--yes');
    Object.assign(home.env, {
      LD_PRELOAD: faketimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: vault.#clock,
      FAKETIME_NO_CACHE: '1',
      // Deadlines and timers run on the monotonic clock, and files keep their times.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    });
    await cp(home.state, vault.#kept, { recursive: true, preserveTimestamps: true });
    await vault.#start();
    return vault;
  }

  /** Puts the clock of core and keyholder so many seconds ahead of the true one, at once. */
  async moveClock(seconds: number): Promise<void> {
    const sign = seconds < 0 ? '-' : '+';
    // Replaced whole: a reader meets one of the two.
    await writeFile(`${this.#clock}.new`, `${sign}${Math.abs(seconds)}\n`);
    await rename(`${this.#clock}.new`, this.#clock);
  }

  /** Ends both, puts journal and keyholder's state back to the day on which they were made, and starts both. */
  async putBack(): Promise<void> {
    const { state } = this.home;
    await this.home.stop();
    await this.#keyholder?.stop();
    await rm(state, { recursive: true });
    await cp(this.#kept, state, { recursive: true, preserveTimestamps: true });
    await this.#start();
  }

  /** A request whose second backend made its descriptor so many seconds ago, by the true clock. */
  request(age = 0): SignRequest {
    const period = this.#period();
    const fresh = backendDescriptor(this.home.profile, 'box-1', { period });
    const aged = backendDescriptor(this.home.profile, 'box-2', { period }, nowSeconds() - age);
    return signRequest(SERVICE, [fresh, aged], pointsOf([fresh, 0, 1], [aged, 0]));
  }

  async honest(): Promise<SignAnswer> {
    return await this.home.sign(this.request());
  }

  async close(): Promise<void> {
    await this.#keyholder?.stop('SIGKILL');
    await this.home.dispose();
  }

  get #kept(): string {
    return `${this.home.state}-of-before`;
  }

  async #start(): Promise<void> {
    const { state, env } = this.home;
    const paths = ['--state', join(state, 'keyholder'), '--list', join(state, 'keyholder.list')];
    const args = [...paths, '--host-key', `file:${join(state, 'host.key')}`, '--socket', this.#door];
    this.#keyholder = new ManagedProcess(`/${KEYHOLDER.slice(1)}`, args, env);
    await this.#keyholderListens(this.#keyholder);
    await this.home.start();
  }

  /** A core that finds no keyholder at its start ends. */
  async #keyholderListens(keyholder: ManagedProcess): Promise<void> {
    const deadline = Date.now() + START_LIMIT_MS;
    for (;;) {
      try {
        const client = await connectKeyholder(this.#door);
        await client.close();
        return;
      } catch (error) {
        if (!keyholder.running || Date.now() > deadline) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /** The older of the two periods: it has been published for a day or longer. */
  #period(): TimePeriod {
    const [period] = publishablePeriods(this.home.profile, nowSeconds());
    if (period === undefined) throw new Error('no period is published');
    return period;
  }
}
