/**
 * Writing DER (X.690): definite lengths in the fewest octets, integers without a superfluous octet. Only what a
 * certificate needs; nothing here reads.
 */

/** One value: tag, length, contents. */
function tlv(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents);
  return Buffer.concat([Uint8Array.of(tag), encodeLength(body.length), body]);
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const octets = base256(length);
  return Uint8Array.of(0x80 | octets.length, ...octets);
}

function base256(value: number): number[] {
  const octets: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return octets;
}

export const derSequence = (...contents: readonly Uint8Array[]): Uint8Array => tlv(0x30, ...contents);
export const derSet = (...contents: readonly Uint8Array[]): Uint8Array => tlv(0x31, ...contents);
export const derUtf8String = (text: string): Uint8Array => tlv(0x0c, Buffer.from(text, 'utf8'));
/** Whole octets: no unused bits. */
export const derBitString = (bytes: Uint8Array): Uint8Array => tlv(0x03, Uint8Array.of(0), bytes);
/** `[number]`, constructed, explicit. */
export const derExplicit = (number: number, content: Uint8Array): Uint8Array => tlv(0xa0 | number, content);

/** A non-negative integer from its big-endian octets. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex(octet => octet !== 0);
  const least = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  // A leading one bit would make it negative.
  return (least[0] ?? 0) < 0x80 ? tlv(0x02, least) : tlv(0x02, Uint8Array.of(0), least);
}

/** An object identifier, as `1.3.101.112`. */
export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tlv(0x06, Uint8Array.from([40 * first + second, ...rest].flatMap(base128)));
}

function base128(value: number): number[] {
  const octets = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    octets.unshift(0x80 | (rest % 128));
  }
  return octets;
}

/** `YYYYMMDDHHMMSSZ` up to 2049 as UTCTime and from 2050 as GeneralizedTime (RFC 5280 §4.1.2.5). */
export const derTime = (text: string): Uint8Array =>
  text < '2050' ? tlv(0x17, Buffer.from(text.slice(2), 'ascii')) : tlv(0x18, Buffer.from(text, 'ascii'));
