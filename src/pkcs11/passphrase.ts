// Passphrases of backup copies: from a file or the terminal into locked memory.

import { CustodyError } from './error.ts';
import { readSecretFile } from './identity-file.ts';
import { equalSecrets, Secret, withScratch } from './locked-memory.ts';
import type { PinSource } from './pin.ts';
import { askTerminal } from './terminal.ts';

/** Of a new one, in bytes: eight words of a list, or twenty random characters, are more. */
const MIN_BYTES = 16;
const MAX_BYTES = 255;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * One line of 16 (a known one: 1) to 255 bytes without control characters. A new one is asked for twice; what was
 * typed passes through ordinary memory of this process, which ends soon. The caller wipes it. Throws PASSPHRASE.
 */
export async function readPassphrase(source: PinSource, isNew: boolean): Promise<Secret> {
  try {
    // A backup copy is a person's work, or a script's with a file; no unit has credentials for it.
    if (source.kind === 'credential') throw new CustodyError('PASSPHRASE');
    return source.kind === 'tty' ? await typedPassphrase(isNew) : filePassphrase(source.path, isNew);
  } catch (cause) {
    throw new CustodyError('PASSPHRASE', undefined, { cause });
  }
}

function filePassphrase(path: string, isNew: boolean): Secret {
  return withScratch(MAX_BYTES + 3, scratch => {
    let length = readSecretFile(scratch, path);
    if (scratch[length - 1] === LINE_FEED) length -= 1;
    if (scratch[length - 1] === CARRIAGE_RETURN) length -= 1;
    return passphraseOf(scratch.subarray(0, length), isNew);
  });
}

async function typedPassphrase(isNew: boolean): Promise<Secret> {
  const first = await askTerminal('Passphrase of the copy: ', MAX_BYTES);
  try {
    if (isNew) await typeAgain(first);
    return passphraseOf(first, isNew);
  } finally {
    first.fill(0);
  }
}

async function typeAgain(first: Uint8Array): Promise<void> {
  const second = await askTerminal('The same once more: ', MAX_BYTES);
  try {
    if (!equalSecrets(first, second)) throw new CustodyError('PASSPHRASE');
  } finally {
    second.fill(0);
  }
}

function passphraseOf(line: Uint8Array, isNew: boolean): Secret {
  const minimum = isNew ? MIN_BYTES : 1;
  const isFit =
    line.length >= minimum && line.length <= MAX_BYTES && line.every(byte => byte >= 0x20 && byte !== 0x7f);
  if (!isFit) throw new CustodyError('PASSPHRASE');
  return Secret.copyOf(line);
}
