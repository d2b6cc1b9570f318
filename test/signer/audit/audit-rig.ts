import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatOnionAddress } from '../../../src/descriptor/index.ts';
import type { Keyholder } from '../../../src/pkcs11/keyholder-service.ts';
import { exportBundle } from '../../../src/signer/audit/bundle.ts';
import { journalSource } from '../../../src/signer/audit/journal-source.ts';
import { parseCheckpoint, parseSignedNote } from '../../../src/signer/contract/signed-note.ts';
import { encodePolicy } from '../../../src/signer/policy/types.ts';
import { signDescriptor } from '../../../src/signer/sign-descriptor.ts';
import { createRig, type Rig } from '../../pkcs11/keyholder-rig.ts';
import { CoreRig, PUBLISHER } from '../core-rig.ts';

/** A signer that has served: a policy, a vouching, releases and a refusal, with a head kept after the first release. */
export class AuditRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'audit-'));
  readonly core: CoreRig;
  readonly address: string;
  /** What a publisher was given with its first answer. */
  outside = '';
  readonly #rig: Rig;
  readonly #keyholder: Keyholder;

  private constructor(rig: Rig, keyholder: Keyholder) {
    [this.#rig, this.#keyholder] = [rig, keyholder];
    this.core = new CoreRig(rig, keyholder, '{ points: 2..20, requests: 100/h }');
    this.address = formatOnionAddress(rig.alpha);
  }

  static async create(): Promise<AuditRig> {
    const rig = await createRig();
    rig.writeList();
    const keyholder = rig.keyholder();
    await keyholder.prepare();
    const made = new AuditRig(rig, keyholder);
    await made.#serve();
    return made;
  }

  /** The journal as it is, to be audited in place. */
  source() {
    return { ...journalSource(this.core.core.journal), close: () => undefined };
  }

  /** A new export, or a copy of an earlier one. */
  async export(name: string, from?: string): Promise<string> {
    const folder = join(this.folder, name);
    if (from === undefined) await exportBundle(this.source(), folder);
    else cpSync(from, folder, { recursive: true });
    return folder;
  }

  /** Puts a text beside the bundles and gives its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Signs once more and gives the head that covers it. */
  async sign(): Promise<string> {
    for (;;) {
      const outcome = await signDescriptor(this.core.core, PUBLISHER, this.core.request()).catch(retried);
      if (outcome?.kind === 'signed') break;
      await new Promise(resolve => setTimeout(resolve, 200));
    }
    const note = await this.core.context.checkpoints.newest();
    await this.core.context.checkpoints.keep();
    return note;
  }

  async dispose(): Promise<void> {
    this.core.dispose();
    this.#keyholder.close();
    rmSync(this.folder, { recursive: true, force: true });
    await this.#rig.dispose();
  }

  async #serve(): Promise<void> {
    const { core, context } = this.core;
    await core.journal.started({ version: '0.1.0', network: 'tor', votingInterval: 3600 });
    await core.journal.policies.apply(1, encodePolicy(core.policy()));
    await context.checkpoints.noteVouchings((await core.keyholder.status()).services);
    this.outside = await this.sign();
    await core.journal.refuse({
      publisher: PUBLISHER,
      service: 'alpha',
      rule: 'POINT-COUNT',
      observed: '9',
      limit: '2',
    });
    // The two releases are of two seconds.
    await new Promise(resolve => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    await this.sign();
  }
}

/** This second is spent, or the keyholder started in it: the next one will do. */
function retried(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'SECOND_SPENT')) throw error;
}

/** Changes one file of a bundle. */
export function tamper(folder: string, path: string, change: (bytes: Buffer) => Buffer): void {
  const file = join(folder, path);
  writeFileSync(file, change(readFileSync(file)));
}

export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The one file of entries of a small bundle. */
export function entryFile(folder: string): string {
  const [partial] = readdirSync(join(folder, 'tile/entries/000.p'));
  return `tile/entries/000.p/${partial}`;
}

/** Changes the last byte of the first `needle`. */
export const flip = (needle: string) => (bytes: Buffer) => {
  const changed = Buffer.from(bytes);
  const at = changed.indexOf(needle);
  if (at < 0) throw new Error(`there is no ${needle}`);
  changed[at + needle.length - 1] = (changed[at + needle.length - 1] ?? 0) ^ 1;
  return changed;
};

/** Entries that a checkpoint covers. */
export const sizeOf = (note: string): number => parseCheckpoint(parseSignedNote(note).text).size;
