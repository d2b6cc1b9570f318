// The expanded identity (hs_ed25519_secret_key, 96 bytes) in locked memory: made here, or read from an operator's file.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import {
  DescriptorError,
  PKCS8_KEY_LENGTH,
  SECRET_KEY_FILE_LENGTH,
  SEED_LENGTH,
  parsePemKey,
  prepareSecretKeyFile,
} from '../descriptor/index.ts';
import type { Origin } from './envelope-header.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { fillRandom, sha512Into, withScratch } from './locked-memory.ts';

/** More than any file that is taken; an encrypted key is shorter too, and is named as one. */
const MAX_FILE_BYTES = 1024;
/** How PEM begins; tor's file begins with another character. */
const HYPHEN = 0x2d;

/** Fills `identity` (96 bytes, locked) with a fresh key: SHA-512 of 32 random bytes, clamped. The seed is not kept. */
export function makeIdentity(identity: Buffer): void {
  withScratch(SEED_LENGTH, seed => {
    fillRandom(seed);
    expandSeed(identity, seed);
  });
}

/**
 * Reads an operator's key file into `identity` (96 bytes, locked): hs_ed25519_secret_key as it is, or the seed of a PEM
 * file as Onionbalance keeps it, expanded. The path is absolute; '' is standard input. Throws IDENTITY_SOURCE,
 * IDENTITY_FILE, IDENTITY_ENCRYPTED.
 */
export function readIdentityFile(identity: Buffer, path: string): void {
  withScratch(MAX_FILE_BYTES, scratch => {
    takeIdentity(identity, scratch.subarray(0, readSecretFile(scratch, path)));
  });
}

/** As `readIdentityFile`, from the content of a file (locked). Throws IDENTITY_FILE, IDENTITY_ENCRYPTED. */
export function takeIdentity(identity: Buffer, file: Buffer): void {
  if (file[0] === HYPHEN) readPem(identity, file);
  else if (file.length === SECRET_KEY_FILE_LENGTH) identity.set(file);
  else throw new CustodyError('IDENTITY_FILE');
}

/** The origin of what is imported now, by the day in UTC. */
export const importedToday = (): Origin => `imported-${new Date().toISOString().slice(0, 10)}`;

function readPem(identity: Buffer, file: Buffer): void {
  withScratch(PKCS8_KEY_LENGTH, der => {
    try {
      expandSeed(identity, parsePemKey(file, der));
    } catch (cause) {
      const isEncrypted = cause instanceof DescriptorError && cause.code === 'KEY_FILE_ENCRYPTED';
      throw toCustodyError(cause, isEncrypted ? 'IDENTITY_ENCRYPTED' : 'IDENTITY_FILE');
    }
  });
}

/** The expanded key of a seed (RFC 8032 §5.1.5), as tor's file has it. */
function expandSeed(identity: Buffer, seed: Uint8Array): void {
  const { scalar } = prepareSecretKeyFile(identity);
  sha512Into(identity.subarray(SECRET_KEY_FILE_LENGTH - 64), seed);
  scalar[0] = (scalar[0] ?? 0) & 0xf8;
  scalar[31] = ((scalar[31] ?? 0) & 0x3f) | 0x40;
}

/**
 * Reads a file of yours or root's, mode 0400 or 0600, straight into locked memory and returns its length; what fills `file`
 * is too long. The path is absolute; '' is standard input. Throws IDENTITY_SOURCE, IDENTITY_FILE.
 */
export function readSecretFile(file: Buffer, path: string): number {
  let fd: number | undefined;
  try {
    if (path !== '' && !isAbsolute(path)) throw new CustodyError('IDENTITY_SOURCE');
    fd = path === '' ? 0 : openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (path !== '') checkKeyFile(fd);
    let at = 0;
    for (let got = -1; got !== 0 && at < file.length; at += got)
      got = readSync(fd, file, at, file.length - at, null);
    if (at === file.length) throw new CustodyError('IDENTITY_FILE');
    return at;
  } catch (thrown) {
    throw toCustodyError(thrown, 'IDENTITY_SOURCE');
  } finally {
    if (path !== '' && fd !== undefined) closeSync(fd);
  }
}

function checkKeyFile(fd: number): void {
  const stat = fstatSync(fd);
  const ours = stat.uid === 0 || stat.uid === process.geteuid?.();
  if (!stat.isFile() || !ours || (stat.mode & 0o077) !== 0) throw new CustodyError('IDENTITY_SOURCE');
}
