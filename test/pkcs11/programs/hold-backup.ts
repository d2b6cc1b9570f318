// Opens a backup in this process and holds still with each secret in hand. Prints a word and waits for a line on standard
// input. Arguments: age file, identity file, and an identity file that is damaged; then a copy and the file of its passphrase.
import { readFileSync, readSync, writeSync } from 'node:fs';
import { fillFromBackup, withReadyKey } from '../../../src/pkcs11/backup.ts';
import { CustodyError } from '../../../src/pkcs11/error.ts';
import { withScratch } from '../../../src/pkcs11/locked-memory.ts';
import { withPaperKey } from '../../../src/pkcs11/paper-key.ts';

const [envelope = '', paper = '', damaged = '', copy = '', words = ''] = process.argv.slice(2);

/** Blocks: nothing is awaited while a secret is in use. */
function hold(word: string): void {
  writeSync(1, `${word}\n`);
  const byte = Buffer.alloc(1);
  while (readSync(0, byte, 0, 1, null) === 1 && byte[0] !== 0x0a);
}

withPaperKey(paper, () => hold('KEY'));
withScratch(128, payload => {
  fillFromBackup(payload, readFileSync(envelope), { kind: 'paper', path: paper });
  hold('IDENTITY');
});
await withReadyKey({ kind: 'passphrase', source: `file:${words}` }, key => {
  withScratch(128, payload => {
    fillFromBackup(payload, readFileSync(copy), key);
    hold('COPY');
  });
});
for (const path of [damaged, copy]) {
  try {
    withPaperKey(path, () => hold('NEVER'));
  } catch (error) {
    if (!(error instanceof CustodyError)) throw error;
  }
}
hold('DONE');
