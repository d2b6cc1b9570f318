// Passphrases of age: one stanza that stands alone in its file.

import { scryptSync } from 'node:crypto';
import { encodeBase64Unpadded } from '../descriptor/index.ts';
import { ageBase64, type AgeFile, type AgeStanza, FILE_KEY_BYTES, TAG_BYTES } from './age-file.ts';
import { CustodyError } from './error.ts';
import { chachaOpen, chachaSeal, fillRandom, withScratch, wipeBytes } from './locked-memory.ts';

const SALT_LABEL = Buffer.from('age-encryption.org/v1/scrypt');
const SALT_BYTES = 16;
const WRAP_KEY_BYTES = 32;
/** Binary logarithm of N: 256 MiB and about a second, as the stock program has it. */
const WORK_FACTOR = 18;
/** The stock program refuses more than 22: 4 GiB. A file must not take this machine's memory. */
const MAX_WORK_FACTOR = 20;
/** r = 8, p = 1: 1 KiB for each of N blocks, and some. */
const BLOCK_BYTES = 1024;

/** Stanza for a passphrase (any bytes). `workFactor` is lower in tests only. */
export function wrapForPassphrase(
  fileKey: Uint8Array,
  passphrase: Uint8Array,
  workFactor = WORK_FACTOR,
): AgeStanza {
  const salt = Buffer.alloc(SALT_BYTES);
  fillRandom(salt);
  const body = Buffer.alloc(FILE_KEY_BYTES + TAG_BYTES);
  withWrapKey(passphrase, salt, workFactor, wrapKey => {
    chachaSeal(body, fileKey, wrapKey, new Uint8Array(12));
  });
  return { type: 'scrypt', args: [encodeBase64Unpadded(salt), String(workFactor)], body };
}

/**
 * Puts the file key of a file with a passphrase into `fileKey` (16 bytes). Throws ENVELOPE_SYNTAX (also for a work
 * factor above 20), ENVELOPE_NO_RECIPIENT for a file without passphrase, PASSPHRASE_WRONG.
 */
export function unlockWithPassphrase(file: AgeFile, passphrase: Uint8Array, fileKey: Uint8Array): void {
  const [stanza, ...others] = file.stanzas;
  if (stanza?.type !== 'scrypt') throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  const [salt = '', work = '', ...more] = stanza.args;
  const saltBytes = ageBase64(salt);
  const isFit =
    others.length === 0 &&
    more.length === 0 &&
    saltBytes.length === SALT_BYTES &&
    /^[1-9][0-9]?$/u.test(work) &&
    Number(work) <= MAX_WORK_FACTOR &&
    stanza.body.length === FILE_KEY_BYTES + TAG_BYTES;
  if (!isFit) throw new CustodyError('ENVELOPE_SYNTAX');
  withWrapKey(passphrase, saltBytes, Number(work), wrapKey => {
    if (!chachaOpen(fileKey, stanza.body, wrapKey, new Uint8Array(12)))
      throw new CustodyError('PASSPHRASE_WRONG');
  });
}

/**
 * scrypt of OpenSSL: libsodium's takes no salt of age's length. Its 256 MiB are ordinary memory whoever computes it, and
 * OpenSSL wipes them; the result is an ordinary buffer, wiped at once.
 */
function withWrapKey(
  passphrase: Uint8Array,
  salt: Uint8Array,
  workFactor: number,
  use: (wrapKey: Uint8Array) => void,
): void {
  const N = 2 ** workFactor;
  const options = { N, r: 8, p: 1, maxmem: (N + 64) * BLOCK_BYTES * 2 };
  const derived = scryptSync(passphrase, Buffer.concat([SALT_LABEL, salt]), WRAP_KEY_BYTES, options);
  try {
    withScratch(WRAP_KEY_BYTES, wrapKey => {
      wrapKey.set(derived);
      wipeBytes(derived);
      use(wrapKey);
    });
  } finally {
    // Also when there was no locked memory for it.
    wipeBytes(derived);
  }
}
