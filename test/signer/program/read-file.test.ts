import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTrustedFile } from '../../../src/signer/program/read-file.ts';
import { failure } from '../failure.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'trusted-')), 'policies');
  mkdirSync(folder, { mode: 0o755 });
  file = join(folder, 'frontpage.yaml');
  writeFileSync(file, 'text', { mode: 0o644 });
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

const refused = (): string => {
  const { code, message } = failure(() => readTrustedFile(file));
  return `${code} ${message.replaceAll(folder, '')}`;
};

test('a file that decides who may sign is read when only its owner can change it', () => {
  for (const mode of [0o600, 0o640, 0o664]) {
    chmodSync(file, mode);
    expect(readTrustedFile(file)).toBe('text');
  }
});

test('everybody’s file or folder is refused', () => {
  chmodSync(file, 0o646);
  expect(refused()).toBe('FILE_MODE /frontpage.yaml: everybody can write it; run chmod o-w');
  chmodSync(file, 0o644);
  chmodSync(folder, 0o777);
  expect(refused()).toBe('FILE_MODE : everybody can write it; run chmod o-w');
  // Where nobody can replace what is another's, as in /tmp.
  chmodSync(folder, 0o1777);
  expect(readTrustedFile(file)).toBe('text');
});

test('a file or folder of somebody else is refused', () => {
  // Only root can give a file away; as anybody else a file of root's is the other side.
  if (process.geteuid?.() !== 0) {
    expect(readTrustedFile('/etc/hostname')).not.toBe('');
    return;
  }
  chownSync(file, 12_345, 0);
  expect(refused()).toMatch(/^FILE_MODE \/frontpage\.yaml: make it root's or yours/u);
  chownSync(file, 0, 0);
  chownSync(folder, 12_345, 0);
  expect(refused()).toMatch(/^FILE_MODE : make it root's or yours/u);
  chownSync(folder, 0, 0);
  expect(readTrustedFile(file)).toBe('text');
});
