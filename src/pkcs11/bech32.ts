import { CustodyError } from './error.ts';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;
const CHECKSUM_CHARACTERS = 6;

/**
 * Public key of an age recipient: `age1…` (Bech32, lower case, prefix `age`) → 32 bytes X25519.
 * Throws ENVELOPE_RECIPIENT for any other text, checksum, length or non-zero padding (c2sp.org/age).
 */
export function parseAgeRecipient(text: string): Uint8Array {
  const data = /^age1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58})$/u.exec(text)?.[1];
  if (data === undefined) throw new CustodyError('ENVELOPE_RECIPIENT');
  const values = Array.from(data, character => ALPHABET.indexOf(character));
  if (polymod([...expandPrefix('age'), ...values]) !== 1) throw new CustodyError('ENVELOPE_RECIPIENT');
  return packBits(values.slice(0, -CHECKSUM_CHARACTERS));
}

function expandPrefix(prefix: string): number[] {
  const codes = Array.from(prefix, character => character.charCodeAt(0));
  return [...codes.map(code => code >> 5), 0, ...codes.map(code => code & 31)];
}

function polymod(values: readonly number[]): number {
  let checksum = 1;
  for (const value of values) {
    const top = checksum >>> 25;
    checksum = ((checksum & 0x1ffffff) << 5) ^ value;
    for (const [bit, term] of GENERATOR.entries()) if (((top >>> bit) & 1) === 1) checksum ^= term;
  }
  return checksum >>> 0;
}

/** 5-bit groups → bytes; the bits left over must be zero, so that one key has one spelling. */
function packBits(groups: readonly number[]): Uint8Array {
  const bytes = new Uint8Array((groups.length * 5) >> 3);
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
  if ((buffer & ((1 << bits) - 1)) !== 0) throw new CustodyError('ENVELOPE_RECIPIENT');
  return bytes;
}
