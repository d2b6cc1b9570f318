import { CustodyError, type CustodyErrorCode } from './error.ts';
import { withScratch } from './locked-memory.ts';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;
const CHECKSUM_CHARACTERS = 6;
const RECIPIENT_PREFIX = 'age';
const SECRET_PREFIX = 'AGE-SECRET-KEY-';
/** Of a key of 32 bytes with its checksum, in characters behind the prefix and the 1. */
const DATA_CHARACTERS = 52 + CHECKSUM_CHARACTERS;
/** Length of an age secret key as text. */
export const SECRET_KEY_CHARACTERS = SECRET_PREFIX.length + 1 + DATA_CHARACTERS;

/**
 * Public key of an age recipient: `age1…` (Bech32, lower case, prefix `age`) → 32 bytes X25519.
 * Throws ENVELOPE_RECIPIENT for any other text, checksum, length or non-zero padding (c2sp.org/age).
 */
export function parseAgeRecipient(text: string): Uint8Array {
  const data = /^age1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58})$/u.exec(text)?.[1];
  if (data === undefined) throw new CustodyError('ENVELOPE_RECIPIENT');
  const key = new Uint8Array(32);
  const values = Uint8Array.from(data, character => ALPHABET.indexOf(character));
  decode(values, RECIPIENT_PREFIX, key, 'ENVELOPE_RECIPIENT');
  return key;
}

/** 32 bytes X25519 → `age1…`. */
export function formatAgeRecipient(publicKey: Uint8Array): string {
  const groups = unpackBits(publicKey);
  const sum = polymod([...expandPrefix(RECIPIENT_PREFIX), ...groups, 0, 0, 0, 0, 0, 0]) ^ 1;
  const checksum = [25, 20, 15, 10, 5, 0].map(shift => (sum >>> shift) & 31);
  return `${RECIPIENT_PREFIX}1${[...groups, ...checksum].map(group => ALPHABET[group]).join('')}`;
}

/**
 * An age secret key (`AGE-SECRET-KEY-1…`, upper case) → its 32 bytes in `out`; text, groups and key in locked memory.
 * Throws PAPER_KEY.
 */
export function parseAgeSecretKey(text: Uint8Array, out: Uint8Array): void {
  const prefix = Buffer.from(`${SECRET_PREFIX}1`);
  const isFit = text.length === SECRET_KEY_CHARACTERS && prefix.equals(text.subarray(0, prefix.length));
  if (!isFit) throw new CustodyError('PAPER_KEY');
  withScratch(DATA_CHARACTERS, groups => {
    for (const [at, code] of text.subarray(prefix.length).entries()) groups[at] = groupOf(code);
    decode(groups, SECRET_PREFIX.toLowerCase(), out, 'PAPER_KEY');
  });
}

/** The 5 bits of one character, upper case only. */
function groupOf(code: number): number {
  let group = -1;
  for (let each = 0; each < ALPHABET.length; each += 1)
    if (ALPHABET.charCodeAt(each) === (code | 0x20)) group = each;
  if (group < 0 || (code >= 0x61 && code <= 0x7a)) throw new CustodyError('PAPER_KEY');
  return group;
}

function decode(values: Uint8Array, prefix: string, out: Uint8Array, code: CustodyErrorCode): void {
  if (polymod(expandPrefix(prefix), values) !== 1) throw new CustodyError(code);
  packBits(values.subarray(0, -CHECKSUM_CHARACTERS), out, code);
}

function expandPrefix(prefix: string): number[] {
  const codes = Array.from(prefix, character => character.charCodeAt(0));
  return [...codes.map(code => code >> 5), 0, ...codes.map(code => code & 31)];
}

function polymod(...parts: readonly Iterable<number>[]): number {
  let checksum = 1;
  for (const values of parts) for (const value of values) checksum = step(checksum, value);
  return checksum >>> 0;
}

function step(before: number, value: number): number {
  const top = before >>> 25;
  let checksum = ((before & 0x1ffffff) << 5) ^ value;
  for (const [bit, term] of GENERATOR.entries()) if (((top >>> bit) & 1) === 1) checksum ^= term;
  return checksum;
}

/** 5-bit groups → bytes; the bits left over must be zero, so that one key has one spelling. */
function packBits(groups: Uint8Array, bytes: Uint8Array, code: CustodyErrorCode): void {
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (const group of groups) {
    buffer = ((buffer << 5) | group) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at] = (buffer >> bits) & 0xff;
    at += 1;
  }
  if ((buffer & ((1 << bits) - 1)) !== 0) throw new CustodyError(code);
}

/** Bytes → 5-bit groups, the last one filled with zeros. */
function unpackBits(bytes: Uint8Array): number[] {
  const text = Array.from(bytes, byte => byte.toString(2).padStart(8, '0')).join('');
  return (text.match(/.{1,5}/gu) ?? []).map(group => Number.parseInt(group.padEnd(5, '0'), 2));
}
