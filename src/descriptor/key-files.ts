import { type Bytes, asciiBytes, concat, equalBytes } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { type KpHsId, parseKpHsId } from './keys.ts';
import { formatOnionAddress, parseOnionAddress } from './onion-address.ts';

const TAG_LENGTH = 32;
const SECRET_TAG = asciiBytes('== ed25519v1-secret: type0 ==\0\0\0');
const PUBLIC_TAG = asciiBytes('== ed25519v1-public: type0 ==\0\0\0');

/** Length of `hs_ed25519_secret_key` in bytes. */
export const SECRET_KEY_FILE_LENGTH = 96;
/** Length of `hs_ed25519_public_key` in bytes. */
export const PUBLIC_KEY_FILE_LENGTH = 64;

/** The expanded identity inside a secret key file: views into the caller's buffer, nothing copied. */
export interface SecretKeyParts {
  /** a, little-endian, 32 bytes. */
  readonly scalar: Bytes;
  /** RH, the half that makes nonces, 32 bytes. */
  readonly prfHalf: Bytes;
}

/**
 * Finds the expanded key in a `hs_ed25519_secret_key` of 96 bytes, tor's own format that is in no specification. The
 * parts are views: they are wiped with `file`. Throws BAD_KEY_FILE for another length or tag, for a scalar without
 * the fixed bits, and for an empty RH, which would make every nonce public.
 */
export function parseSecretKeyFile(file: Bytes): SecretKeyParts {
  checkTag(file, SECRET_KEY_FILE_LENGTH, SECRET_TAG, 'hs_ed25519_secret_key');
  const parts = secretParts(file);
  const low = parts.scalar[0] ?? 0;
  const high = parts.scalar[31] ?? 0;
  if ((low & 0x07) !== 0 || (high & 0xc0) !== 0x40) {
    throw badFile('the key must be a clamped Ed25519 scalar');
  }
  let seen = 0;
  for (const byte of parts.prfHalf) seen |= byte;
  if (seen === 0) throw badFile('the second half of the key must not be empty');
  return parts;
}

/**
 * Writes the tag of a `hs_ed25519_secret_key` (tor's own format, in no specification) into the caller's buffer of
 * 96 bytes and returns where the expanded key goes. Throws BAD_KEY_FILE for another length.
 */
export function prepareSecretKeyFile(file: Bytes): SecretKeyParts {
  if (file.length !== SECRET_KEY_FILE_LENGTH) throw badFile('hs_ed25519_secret_key must have 96 bytes');
  file.set(SECRET_TAG);
  return secretParts(file);
}

/**
 * Reads `hs_ed25519_public_key` (64 bytes, tor's own format, in no specification). Throws BAD_KEY_FILE; BAD_KEY for
 * a key that is no identity.
 */
export function parsePublicKeyFile(file: Bytes): KpHsId {
  checkTag(file, PUBLIC_KEY_FILE_LENGTH, PUBLIC_TAG, 'hs_ed25519_public_key');
  return parseKpHsId(file.subarray(TAG_LENGTH));
}

/** `hs_ed25519_public_key`, 64 bytes: tor's own format, in no specification. Does not throw. */
export function encodePublicKeyFile(kpHsId: KpHsId): Bytes {
  return concat(PUBLIC_TAG, kpHsId);
}

/**
 * Reads tor's file `hostname` (in no specification): one address with `.onion`, ended by LF or by the file. Throws
 * BAD_KEY_FILE, BAD_ADDRESS.
 */
export function parseHostnameFile(text: string): KpHsId {
  const line = text.endsWith('\n') ? text.slice(0, -1) : text;
  if (!line.endsWith('.onion')) throw badFile('hostname must hold one address ending in .onion');
  return parseOnionAddress(line);
}

/** tor's file `hostname` (in no specification), 63 characters: the address and LF. Does not throw. */
export function encodeHostnameFile(kpHsId: KpHsId): string {
  return `${formatOnionAddress(kpHsId)}\n`;
}

function secretParts(file: Bytes): SecretKeyParts {
  return { scalar: file.subarray(32, 64), prfHalf: file.subarray(64, 96) };
}

function checkTag(file: Bytes, length: number, tag: Bytes, name: string): void {
  if (file.length !== length) throw badFile(`${name} must have ${length} bytes`);
  if (!equalBytes(file.subarray(0, TAG_LENGTH), tag))
    throw badFile(`${name} must begin with tor's tag for it, type0`);
}

function badFile(rule: string): DescriptorError {
  return new DescriptorError('BAD_KEY_FILE', rule);
}
