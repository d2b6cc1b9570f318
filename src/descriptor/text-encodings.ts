import { DescriptorError } from './error.ts';

/** Whether base64 text must carry its `=` padding, must not, or may do either. */
export type Base64Form = 'padded' | 'unpadded' | 'either';

const BASE64_COLUMNS = 64;
const BASE32_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Lower-case hexadecimal (RFC 4648 §8), two digits for each byte. Does not throw. */
export function toHex(bytes: Uint8Array): string {
  return bufferOver(bytes).toString('hex');
}

/** Reads lower-case hexadecimal (RFC 4648 §8); the empty string is the empty byte string. Throws BAD_HEX. */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'hex'));
  if (toHex(bytes) !== text) {
    throw new DescriptorError('BAD_HEX', 'text must be lower-case hexadecimal with two digits for each byte');
  }
  return bytes;
}

/** Standard base64 (RFC 4648 §4) with padding. Does not throw. */
export function encodeBase64(bytes: Uint8Array): string {
  return bufferOver(bytes).toString('base64');
}

/** Standard base64 (RFC 4648 §4) without padding. Does not throw. */
export function encodeBase64Unpadded(bytes: Uint8Array): string {
  return encodeBase64(bytes).replace(/=+$/, '');
}

/** Padded base64 in lines of 64 columns, each line ended by LF: the body of an object (dir-spec §1.2). */
export function wrapBase64(bytes: Uint8Array): string {
  const text = encodeBase64(bytes);
  let out = '';
  for (let at = 0; at < text.length; at += BASE64_COLUMNS) {
    out += `${text.slice(at, at + BASE64_COLUMNS)}\n`;
  }
  return out;
}

/**
 * Reads standard base64 (RFC 4648 §4) on one line. Only the canonical text of a byte string is taken: no white
 * space, no other alphabet, no set bits beyond the last byte, padding as `form` says. Throws BAD_BASE64.
 */
export function decodeBase64(text: string, form: Base64Form = 'padded'): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  // The decoder of the platform is lax; comparing with what it should have read makes it strict.
  const padded = encodeBase64(bytes);
  const canonical =
    (form !== 'unpadded' && text === padded) || (form !== 'padded' && text === padded.replace(/=+$/, ''));
  if (!canonical) throw new DescriptorError('BAD_BASE64', `text must be canonical base64 (${form})`);
  return bytes;
}

/** Lower-case base32 (RFC 4648 §6) without padding. Does not throw. */
export function encodeBase32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += BASE32_ALPHABET.charAt((held >> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? out : out + BASE32_ALPHABET.charAt((held << (5 - bits)) & 31);
}

/** Reads canonical lower-case base32 (RFC 4648 §6) without padding. Throws BAD_BASE32. */
export function decodeBase32(text: string): Uint8Array {
  const out = new Uint8Array(Math.floor((text.length * 5) / 8));
  let length = 0;
  let bits = 0;
  let held = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = BASE32_ALPHABET.indexOf(text.charAt(i));
    if (digit < 0) throw new DescriptorError('BAD_BASE32', 'text must be lower-case base32', { offset: i });
    held = (held << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[length++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  // Five or more left-over bits are a digit too many; set ones would make two texts of one byte string.
  if (bits >= 5 || held !== 0) throw new DescriptorError('BAD_BASE32', 'base32 text is not canonical');
  return out;
}

/** Bytes as a string of as many characters (Latin-1): what a map can be keyed by. */
export function toKey(bytes: Uint8Array): string {
  return bufferOver(bytes).toString('latin1');
}

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
