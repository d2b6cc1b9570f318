// Base64 and base32 of secret bytes: from buffer to buffer, because a string cannot be wiped, and without a branch or a
// table by which a digit could be told from the time that it takes.

import type { Bytes } from './bytes.ts';

const BASE64_BITS = 6;
const BASE32_BITS = 5;

/**
 * Decodes standard base64 without padding (RFC 4648 §4) into `out`. False, with `out` undefined, unless all are digits,
 * fill `out` and leave no set bit over. Does not throw.
 */
export function decodeBase64Into(out: Bytes, digits: Bytes): boolean {
  return unpack(out, digits, BASE64_BITS, base64Value);
}

/**
 * Decodes base32 without padding (RFC 4648 §6) of either case into `out`; otherwise as {@link decodeBase64Into}. Does
 * not throw.
 */
export function decodeBase32Into(out: Bytes, digits: Bytes): boolean {
  return unpack(out, digits, BASE32_BITS, base32Value);
}

/** Writes standard base64 without padding (RFC 4648 §4) of `bytes` into `out`, which has a place for each digit. */
export function encodeBase64Into(out: Bytes, bytes: Bytes): void {
  pack(out, bytes, BASE64_BITS, base64Digit);
}

/** Writes lower-case base32 without padding (RFC 4648 §6) of `bytes` into `out`, which has a place for each digit. */
export function encodeBase32Into(out: Bytes, bytes: Bytes): void {
  pack(out, bytes, BASE32_BITS, base32Digit);
}

function unpack(out: Bytes, digits: Bytes, bits: number, valueOf: (digit: number) => number): boolean {
  let [held, count, at, seen] = [0, 0, 0, 0];
  for (const digit of digits) {
    const value = valueOf(digit);
    seen |= value;
    held = (held << bits) | (value & 0x3f);
    count += bits;
    if (count >= 8) {
      count -= 8;
      out[at++] = held >> count;
      held &= (1 << count) - 1;
    }
  }
  // What is no digit had the value -1.
  return seen >= 0 && held === 0 && count < bits && at === out.length;
}

function pack(out: Bytes, bytes: Bytes, bits: number, digitOf: (value: number) => number): void {
  let [held, count, at] = [0, 0, 0];
  for (const byte of bytes) {
    held = (held << 8) | byte;
    count += 8;
    for (; count >= bits; at++) {
      count -= bits;
      out[at] = digitOf(held >> count);
      held &= (1 << count) - 1;
    }
  }
  if (count > 0) out[at] = digitOf(held << (bits - count));
}

/** -1 when `from` ≤ `digit` ≤ `to`, otherwise 0. */
function within(digit: number, from: number, to: number): number {
  return ((from - 1 - digit) & (digit - to - 1)) >> 31;
}

/** -1 when `value` > `limit`, otherwise 0. */
function above(value: number, limit: number): number {
  return (limit - value) >> 31;
}

function base64Value(digit: number): number {
  const [upper, lower] = [within(digit, 0x41, 0x5a), within(digit, 0x61, 0x7a)];
  const [numeral, plus, slash] = [
    within(digit, 0x30, 0x39),
    within(digit, 0x2b, 0x2b),
    within(digit, 0x2f, 0x2f),
  ];
  const value =
    (upper & (digit - 0x41)) |
    (lower & (digit - 0x61 + 26)) |
    (numeral & (digit - 0x30 + 52)) |
    (plus & 62) |
    (slash & 63);
  return value | ~(upper | lower | numeral | plus | slash);
}

function base32Value(digit: number): number {
  const [upper, lower, numeral] = [
    within(digit, 0x41, 0x5a),
    within(digit, 0x61, 0x7a),
    within(digit, 0x32, 0x37),
  ];
  const value = (upper & (digit - 0x41)) | (lower & (digit - 0x61)) | (numeral & (digit - 0x32 + 26));
  return value | ~(upper | lower | numeral);
}

/** A…Z a…z 0…9 + / lie in five runs; each later one is another distance away. */
function base64Digit(value: number): number {
  const moved = (above(value, 25) & 6) - (above(value, 51) & 75) - (above(value, 61) & 15);
  return 0x41 + value + moved + (above(value, 62) & 3);
}

/** a…z 2…7. */
function base32Digit(value: number): number {
  return 0x61 + value - (above(value, 25) & 73);
}
