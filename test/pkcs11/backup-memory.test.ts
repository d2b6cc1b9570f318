import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { fromHex } from '../../src/descriptor/index.ts';
import { encodeAgeFile } from '../../src/pkcs11/age-file.ts';
import { wrapForPassphrase } from '../../src/pkcs11/age-scrypt.ts';
import { scanProcess } from '../e2e/memory-scan.ts';
import keyFiles from '../vectors/arti-tor-service-keys.json' with { type: 'json' };
import { createAgeProgram } from './age-program.ts';

const age = createAgeProgram();
const folder = mkdtempSync(join(tmpdir(), 'backup-memory-'));
afterAll(() => {
  age.dispose();
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

test('paper key, passphrase and identity are in memory while in use, and wiped on every path', async () => {
  const torFile = Buffer.from(fromHex(keyFiles.secretKeyFile));
  const words = 'a passphrase that stands nowhere else';
  const text = /AGE-SECRET-KEY-\S+/u.exec(readFileSync(age.keyFile, 'utf8'))?.[0] ?? '';
  const fileKey = Buffer.alloc(16, 3);
  const stanza = wrapForPassphrase(fileKey, Buffer.from(words), 10);
  const needles = [
    { name: 'digits of the paper key', bytes: Buffer.from(text.slice(20, 60)) },
    { name: 'paper key', bytes: age.privateKey },
    { name: 'passphrase', bytes: Buffer.from(words) },
    { name: 'scalar', bytes: torFile.subarray(32, 64) },
    { name: 'prf half', bytes: torFile.subarray(64) },
  ];
  const program = fileURLToPath(new URL('./programs/hold-backup.ts', import.meta.url));
  const files = [
    file('envelope', age.encrypt(torFile)),
    age.keyFile,
    // As long and as secret, but for the last characters.
    file('damaged', `${text.slice(0, -2)}${text.endsWith('QQ') ? 'PP' : 'QQ'}\n`),
    file('copy', encodeAgeFile([stanza], fileKey, torFile)),
    file('words', `${words}\n`),
  ];
  const child = spawn(process.execPath, ['--no-warnings', program, ...files], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const found = new Map<string, string[]>();
    for await (const word of createInterface({ input: child.stdout })) {
      found.set(word, scanProcess(child.pid ?? 0, needles).found.toSorted());
      child.stdin.write('\n');
    }
    expect(Object.fromEntries(found)).toEqual({
      KEY: ['paper key'],
      IDENTITY: ['prf half', 'scalar'],
      COPY: ['passphrase', 'prf half', 'scalar'],
      DONE: [],
    });
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});
