import { type Bytes, asciiBytes, equalBytes } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { decodeBase64Into, encodeBase64Into } from './secret-text.ts';

/** Length of the seed of an Ed25519 key in bytes (RFC 8032 §5.1.5). */
export const SEED_LENGTH = 32;
/** Length of such a key as PKCS #8 in DER, in bytes: 16 that never change, then the seed (RFC 8410 §7). */
export const PKCS8_KEY_LENGTH = 48;
/** Length of such a key in PEM with LF line ends, in bytes (RFC 7468 §10): what Onionbalance keeps. */
export const PEM_KEY_LENGTH = 119;

const BEGIN = asciiBytes('-----BEGIN PRIVATE KEY-----');
const END = asciiBytes('-----END PRIVATE KEY-----');
const BEGIN_ENCRYPTED = asciiBytes('-----BEGIN ENCRYPTED PRIVATE KEY-----');
/** SEQUENCE, version 0, the algorithm id-Ed25519, OCTET STRING in OCTET STRING: DER has no other spelling of it. */
const DER_HEAD = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32);
const DIGITS = 64;
const [CR, LF] = [0x0d, 0x0a];

/**
 * Finds the seed (32 bytes) of an Ed25519 private key in PEM (RFC 7468 §10, RFC 8410 §7), as Onionbalance and
 * `openssl genpkey` write it; lines end in LF or CR LF, nothing stands before or after. The key is decoded into the
 * caller's `der` of 48 bytes, and the seed is a view into that: it is wiped with `der`, and `der` is wiped before an
 * error. Throws KEY_FILE_ENCRYPTED, BAD_KEY_FILE for everything else that is no such file, BAD_LENGTH for another `der`.
 */
export function parsePemKey(file: Bytes, der: Bytes): Bytes {
  checkDerLength(der);
  if (startsWith(file, BEGIN_ENCRYPTED, 0)) {
    throw new DescriptorError(
      'KEY_FILE_ENCRYPTED',
      'the key is encrypted: decrypt it first, with openssl pkey, where nothing can leak',
    );
  }
  const isKey =
    decodeBase64Into(der, digitsOf(file)) && equalBytes(der.subarray(0, DER_HEAD.length), DER_HEAD);
  if (isKey) return der.subarray(DER_HEAD.length);
  der.fill(0);
  throw badPem();
}

/**
 * Writes a seed (32 bytes) as PEM (RFC 7468 §10) with LF line ends into the caller's `file` of 119 bytes, by way of
 * the caller's `der` of 48, which is wiped. Throws BAD_LENGTH.
 */
export function writePemKey(file: Bytes, seed: Bytes, der: Bytes): void {
  checkDerLength(der);
  if (seed.length !== SEED_LENGTH || file.length !== PEM_KEY_LENGTH) {
    throw new DescriptorError('BAD_LENGTH', `a seed has ${SEED_LENGTH} bytes and its file ${PEM_KEY_LENGTH}`);
  }
  der.set(DER_HEAD);
  der.set(seed, DER_HEAD.length);
  file.fill(LF);
  file.set(BEGIN);
  encodeBase64Into(file.subarray(BEGIN.length + 1, BEGIN.length + 1 + DIGITS), der);
  file.set(END, BEGIN.length + 1 + DIGITS + 1);
  der.fill(0);
}

/** The one line of digits, or nothing that could be decoded. */
function digitsOf(file: Bytes): Bytes {
  const none = file.subarray(0, 0);
  if (!startsWith(file, BEGIN, 0)) return none;
  const start = afterLineEnd(file, BEGIN.length);
  const end = start + DIGITS;
  const footer = afterLineEnd(file, end);
  const hasLines = start > BEGIN.length && footer > end && startsWith(file, END, footer);
  return hasLines && afterLineEnd(file, footer + END.length) === file.length
    ? file.subarray(start, end)
    : none;
}

/** The place after one LF or CR LF at `at`, or `at` itself. */
function afterLineEnd(file: Bytes, at: number): number {
  if (file[at] === LF) return at + 1;
  return file[at] === CR && file[at + 1] === LF ? at + 2 : at;
}

function startsWith(file: Bytes, text: Bytes, at: number): boolean {
  return equalBytes(file.subarray(at, at + text.length), text);
}

function checkDerLength(der: Bytes): void {
  if (der.length !== PKCS8_KEY_LENGTH) {
    throw new DescriptorError('BAD_LENGTH', `the buffer for the key must have ${PKCS8_KEY_LENGTH} bytes`);
  }
}

function badPem(): DescriptorError {
  return new DescriptorError(
    'BAD_KEY_FILE',
    'the file must hold one Ed25519 private key of PKCS #8, version 1, in PEM and nothing else',
  );
}
