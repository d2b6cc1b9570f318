import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SoftHsm } from '../softhsm/create-softhsm.ts';

const PROGRAM = fileURLToPath(new URL('./programs/token-objects.ts', import.meta.url));

/** One object of a token. */
export interface TokenObject {
  /** CKO_PUBLIC_KEY is 2, CKO_PRIVATE_KEY 3. */
  readonly class: number;
  readonly label: string;
  /** Hexadecimal. */
  readonly id: string;
}

/** Every object of the first token, after a key pair of this name was put in the place of what had it: one that may leave
 * (`export`), or none (`gone`). */
export async function tokenObjects(
  hsm: SoftHsm,
  put?: { readonly label: string; readonly id?: string; readonly fate?: 'keep' | 'export' | 'gone' },
): Promise<TokenObject[]> {
  const more = put === undefined ? [] : [put.label, put.id ?? '00'.repeat(16), put.fate ?? 'keep'];
  const args = ['--no-warnings', PROGRAM, JSON.stringify(hsm.access()), ...more];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ...hsm.env },
  });
  return JSON.parse(stdout) as TokenObject[];
}
