import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import {
  AUTH_PRIVATE_LENGTH,
  DescriptorError,
  decodeBase32Into,
  decodeBase64Into,
  equalBytes,
  parseClientAuthPrivate,
  parseOnionAddress,
} from '../descriptor/index.ts';
import { PublisherError } from './error.ts';
import { shown } from './inspect-report.ts';

const MAX_FILE = 256;
const KEY_LENGTH = 32;
const BASE32_DIGITS = 52;
const BASE64_DIGITS = 43;
/** Group and others. */
const FORBIDDEN_MODE = 0o077;
const EQUALS = 0x3d;

/**
 * The X25519 private key of a client (32 bytes, secret; the caller wipes it) from a file of mode 0600 or 0400 that is
 * ours or root's and no link: tor's `.auth_private`, or the key alone in base32 or base64. No text is ever made of it.
 * `address` (with or without `.onion`) must be the one that an `.auth_private` names. Throws PublisherError
 * CLIENT_KEY_FILE, CLIENT_KEY_FORMAT, CLIENT_KEY_ADDRESS.
 */
export function readClientKey(path: string, address: string): Uint8Array {
  const name = shown(path);
  const file = new Uint8Array(MAX_FILE);
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = fstatSync(fd);
    const isOurs = status.uid === 0 || status.uid === process.geteuid?.();
    const isFit = status.isFile() && isOurs && (status.mode & FORBIDDEN_MODE) === 0;
    if (!isFit) throw new PublisherError('CLIENT_KEY_FILE', name);
    if (status.size > MAX_FILE) throw new PublisherError('CLIENT_KEY_FORMAT', name);
    const length = readSync(fd, file, 0, MAX_FILE, 0);
    return parseClientKey(file.subarray(0, length), address, name);
  } catch (cause) {
    if (cause instanceof PublisherError) throw cause;
    throw new PublisherError('CLIENT_KEY_FILE', name, { cause });
  } finally {
    file.fill(0);
    if (fd !== undefined) closeSync(fd);
  }
}

/** By their lengths the three forms are told apart. */
function parseClientKey(file: Uint8Array, address: string, name: string): Uint8Array {
  const digits = trimmed(file);
  const key = new Uint8Array(KEY_LENGTH);
  if (digits.length === AUTH_PRIVATE_LENGTH - 1) return parseTorsFile(digits, key, address, name);
  const isPadded = digits.length === BASE64_DIGITS + 1 && digits[BASE64_DIGITS] === EQUALS;
  const isBase64 = digits.length === BASE64_DIGITS || isPadded;
  const isGood = isBase64
    ? decodeBase64Into(key, digits.subarray(0, BASE64_DIGITS))
    : digits.length === BASE32_DIGITS && decodeBase32Into(key, digits);
  if (isGood) return key;
  key.fill(0);
  throw new PublisherError('CLIENT_KEY_FORMAT', name);
}

function parseTorsFile(file: Uint8Array, key: Uint8Array, address: string, name: string): Uint8Array {
  try {
    if (equalBytes(parseClientAuthPrivate(file, key), parseOnionAddress(address))) return key;
  } catch (cause) {
    key.fill(0);
    if (!(cause instanceof DescriptorError)) throw cause;
    throw new PublisherError('CLIENT_KEY_FORMAT', name, { cause });
  }
  key.fill(0);
  throw new PublisherError('CLIENT_KEY_ADDRESS', name);
}

/** Without white space at the end. */
function trimmed(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && [0x20, 0x0a, 0x0d].includes(bytes[end - 1] ?? 0)) end--;
  return bytes.subarray(0, end);
}
