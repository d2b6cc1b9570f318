import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addAuditCommands } from '../../../src/signer/commands/audit.ts';
import { formatCheckpoint, formatSignedNote } from '../../../src/signer/contract/signed-note.ts';
import { rejection } from '../failure.ts';

const origin = 'signer.example/test';
const NOTE = formatSignedNote({
  text: formatCheckpoint({ origin, size: 3, rootHash: new Uint8Array(32) }),
  signatures: [{ name: origin, keyHash: new Uint8Array(4), signature: new Uint8Array(64) }],
});

let folder: string;
let printed: string[];
beforeEach(() => {
  [folder, printed] = [mkdtempSync(join(tmpdir(), 'audit-command-')), []];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** `audit verify` of a folder that is not there, with this as a checkpoint from outside. */
async function verifyWith(path: string): Promise<void> {
  const program = new Command();
  addAuditCommands(program, {
    config: () => {
      throw new Error('there is no signer');
    },
    configPath: () => '',
    command: rest => rest,
    print: text => printed.push(text),
  });
  const args = ['audit', 'verify', '--bundle', join(folder, 'bundle'), '--checkpoint', path];
  await program.parseAsync(args, { from: 'user' });
}

test.each([
  ['junk', 'no note\n'],
  ['a note that is no checkpoint', NOTE.replace('\n3\n', '\nthree\n')],
  // As `jq -r` would write it.
  ['one line feed more', `${NOTE}\n`],
  ['another encoding', Buffer.from(NOTE.replace('test', 'tést'), 'latin1')],
])('%s as a checkpoint is no verdict on the log', async (_, bytes) => {
  const path = join(folder, 'j.txt');
  writeFileSync(path, bytes);
  expect(await rejection(verifyWith(path))).toMatchObject({
    code: 'NOTE_FORMAT',
    file: path,
    message: `${path}: this is no checkpoint; give the text as it came`,
  });
  expect(printed).toEqual([]);
});

test('a checkpoint is taken, and the log is looked for', async () => {
  const path = join(folder, 'note.txt');
  writeFileSync(path, NOTE);
  const { code, file } = await rejection(verifyWith(path));
  expect([code, file]).toEqual(['FILE_UNREADABLE', join(folder, 'bundle', 'checkpoint')]);
});
