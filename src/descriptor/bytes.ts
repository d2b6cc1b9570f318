import { DescriptorError } from './error.ts';

/** Raw bytes. Everything that is not text in this library has this type or a brand of it. */
export type Bytes = Uint8Array;

declare const brand: unique symbol;

/** `T` that only the function naming `N` may mint. Brands stack: a branded value keeps the brands below. */
export type Brand<T, N extends string> = T & { readonly [brand]: { readonly [K in N]: true } };

const encoder = new TextEncoder();

/** Joins byte strings into a new one. */
export function concat(...parts: readonly Bytes[]): Bytes {
  return fill(new Uint8Array(lengthOf(parts)), parts);
}

/** {@link concat} for secrets: V8 keeps small arrays among its objects and leaves copies when it moves them; not so this one. */
export function concatSecret(...parts: readonly Bytes[]): Bytes {
  return fill(new Uint8Array(new ArrayBuffer(lengthOf(parts))), parts);
}

function lengthOf(parts: readonly Bytes[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function fill(out: Bytes, parts: readonly Bytes[]): Bytes {
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/**
 * Whether two byte strings are equal, in a time that depends on their lengths only. Ours, in place of node:crypto's:
 * the second implementation compares with it too. Does not throw.
 */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return difference === 0;
}

/** Copies `bytes` when it has exactly `length` bytes. Throws BAD_LENGTH; `what` names the field. */
export function fixedBytes(bytes: Bytes, length: number, what: string): Bytes {
  if (bytes.length !== length) {
    throw new DescriptorError('BAD_LENGTH', `${what} must have ${length} bytes, not ${bytes.length}`);
  }
  return new Uint8Array(bytes);
}

/** The bytes of a 7-bit string. Throws BAD_SYNTAX for any other character. */
export function asciiBytes(text: string): Bytes {
  const bytes = encoder.encode(text);
  // Every other character takes more than one byte.
  if (bytes.length === text.length) return bytes;
  const offset = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).findIndex(
    unit => unit > 0x7f,
  );
  throw new DescriptorError('BAD_SYNTAX', 'text must be ASCII', { offset });
}

/** Decodes UTF-8 strictly: no replacement characters, a byte order mark is kept. Throws BAD_UTF8. */
export function decodeUtf8(bytes: Bytes): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DescriptorError('BAD_UTF8', 'text must be valid UTF-8', { cause });
  }
}

/** An unsigned integer as one byte. Throws BAD_INTEGER outside 0…255. */
export function u8(value: number): Bytes {
  return Uint8Array.of(checkRange(value, 0xff));
}

/** An unsigned integer as 2 bytes, big-endian. Throws BAD_INTEGER outside 0…2^16−1. */
export function u16be(value: number): Bytes {
  const out = new Uint8Array(2);
  viewOf(out).setUint16(0, checkRange(value, 0xffff));
  return out;
}

/** An unsigned integer as 4 bytes, big-endian. Throws BAD_INTEGER outside 0…2^32−1. */
export function u32be(value: number): Bytes {
  const out = new Uint8Array(4);
  viewOf(out).setUint32(0, checkRange(value, 0xffff_ffff));
  return out;
}

/** An unsigned integer as 8 bytes, big-endian (INT_8 of the specification). Throws BAD_INTEGER outside 0…2^64−1. */
export function u64be(value: bigint | number): Bytes {
  const exact = typeof value === 'bigint' ? value : BigInt(checkRange(value, Number.MAX_SAFE_INTEGER));
  if (exact < 0n || exact > 0xffff_ffff_ffff_ffffn) {
    throw new DescriptorError('BAD_INTEGER', 'integer must fit 64 unsigned bits');
  }
  const out = new Uint8Array(8);
  viewOf(out).setBigUint64(0, exact);
  return out;
}

/** Reads one byte at `offset`. Throws BAD_LENGTH past the end. */
export function readU8(bytes: Bytes, offset = 0): number {
  const byte = bytes[offset];
  if (byte === undefined) throw new DescriptorError('BAD_LENGTH', 'a byte is needed here', { offset });
  return byte;
}

/** Reads 2 big-endian bytes at `offset`. Throws BAD_LENGTH past the end. */
export function readU16be(bytes: Bytes, offset = 0): number {
  return viewAt(bytes, offset, 2).getUint16(0);
}

/** Reads 4 big-endian bytes at `offset`. Throws BAD_LENGTH past the end. */
export function readU32be(bytes: Bytes, offset = 0): number {
  return viewAt(bytes, offset, 4).getUint32(0);
}

/** Reads 8 big-endian bytes at `offset`. Throws BAD_LENGTH past the end. */
export function readU64be(bytes: Bytes, offset = 0): bigint {
  return viewAt(bytes, offset, 8).getBigUint64(0);
}

function checkRange(value: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new DescriptorError('BAD_INTEGER', `integer must be whole and between 0 and ${max}`);
  }
  return value;
}

function viewOf(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function viewAt(bytes: Bytes, offset: number, length: number): DataView {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > bytes.length) {
    throw new DescriptorError('BAD_LENGTH', `${length} bytes are needed here`, { offset });
  }
  return new DataView(bytes.buffer, bytes.byteOffset + offset, length);
}

export {
  type Base64Form,
  decodeBase32,
  decodeBase64,
  encodeBase32,
  encodeBase64,
  encodeBase64Unpadded,
  fromHex,
  toHex,
  toKey,
  wrapBase64,
} from './text-encodings.ts';
