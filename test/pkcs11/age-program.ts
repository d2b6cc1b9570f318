import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key pair of the stock age program, and the program itself. */
export interface AgeProgram {
  /** `age1…` */
  readonly recipient: string;
  /** The X25519 private key, 32 bytes. */
  readonly privateKey: Buffer;
  /** The identity file, mode 0600. */
  readonly keyFile: string;
  /** `age -d -i key`: the payload, or undefined when the program refuses. */
  decrypt(file: Uint8Array): Buffer | undefined;
  /** `age -r recipient`. */
  encrypt(payload: Uint8Array): Buffer;
  dispose(): void;
}

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

export function createAgeProgram(): AgeProgram {
  const folder = mkdtempSync(join(tmpdir(), 'age-'));
  const keyFile = join(folder, 'key');
  const text = execFileSync('age-keygen', { encoding: 'utf8', stdio: 'pipe' });
  writeFileSync(keyFile, text, { mode: 0o600 });
  const recipient = /public key: (age1\S+)/u.exec(text)?.[1] ?? '';
  const data = /^AGE-SECRET-KEY-1([A-Z0-9]{52})[A-Z0-9]{6}$/mu.exec(text)?.[1]?.toLowerCase() ?? '';
  const bits = Array.from(data, c => ALPHABET.indexOf(c).toString(2).padStart(5, '0')).join('');
  const privateKey = Buffer.from(
    Array.from({ length: 32 }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2)),
  );
  return {
    recipient,
    privateKey,
    keyFile,
    decrypt: file => {
      const { status, stdout } = spawnSync('age', ['-d', '-i', keyFile], { input: file });
      return status === 0 ? stdout : undefined;
    },
    encrypt: payload => execFileSync('age', ['-r', recipient], { input: payload }),
    dispose: () => rmSync(folder, { recursive: true }),
  };
}
