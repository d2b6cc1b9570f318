import { decodeBase64, encodeBase64Unpadded } from '../descriptor/index.ts';
import { CustodyError } from './error.ts';
import { hkdfSha256Into, hmacSha256Into } from './hkdf.ts';
import { chachaOpen, chachaSeal, equalSecrets, fillRandom, withScratch } from './locked-memory.ts';

/**
 * age v1 (c2sp.org/age) for payloads of one chunk. File key, wrap keys and payload stay in locked memory;
 * the header is public.
 */

/** Length of a file key in bytes. */
export const FILE_KEY_BYTES = 16;
const MAX_FILE_BYTES = 0x8000;
const MAX_STANZAS = 32;
const MAX_PAYLOAD_BYTES = 0x4000;
export const TAG_BYTES = 16;
const NONCE_BYTES = 16;
const COLUMNS = 64;
const VERSION_LINE = 'age-encryption.org/v1';
/** The counter of the first chunk, 11 bytes, and the mark of the last one. */
const ONLY_CHUNK_NONCE = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** One recipient of the file: who it is for, in printable words, and the file key wrapped for it. */
export interface AgeStanza {
  readonly type: string;
  readonly args: readonly string[];
  readonly body: Uint8Array;
}

/** A file as read: well-formed, nothing verified. */
export interface AgeFile {
  readonly stanzas: readonly AgeStanza[];
  /** What the MAC covers: from the version to `---`. */
  readonly header: Uint8Array;
  readonly mac: Uint8Array;
  readonly nonce: Uint8Array;
  /** The only chunk: ciphertext and tag. */
  readonly chunk: Uint8Array;
}

/**
 * Reads a file strictly: canonical unpadded base64 in lines of 64, single spaces, LF, at most 32 stanzas, one chunk,
 * at most 32 KiB. Throws ENVELOPE_SYNTAX, ENVELOPE_PAYLOAD when the payload is cut off or longer than a chunk may be.
 */
export function parseAgeFile(bytes: Uint8Array): AgeFile {
  if (bytes.length > MAX_FILE_BYTES) throw new CustodyError('ENVELOPE_SYNTAX');
  const lines = new LineReader(bytes);
  if (lines.next() !== VERSION_LINE) throw new CustodyError('ENVELOPE_SYNTAX');
  const stanzas: AgeStanza[] = [];
  for (;;) {
    const from = lines.at;
    const line = lines.next();
    if (line.startsWith('--- ')) {
      const mac = ageBase64(line.slice(4));
      if (mac.length !== 32 || stanzas.length === 0) throw new CustodyError('ENVELOPE_SYNTAX');
      return { stanzas, header: bytes.slice(0, from + 3), mac, ...splitPayload(bytes.slice(lines.at)) };
    }
    stanzas.push(readStanza(line, lines));
    if (stanzas.length > MAX_STANZAS) throw new CustodyError('ENVELOPE_SYNTAX');
  }
}

class LineReader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new CustodyError('ENVELOPE_SYNTAX');
    const line = Buffer.from(this.#bytes.subarray(this.at, end)).toString('latin1');
    if (!/^[\x20-\x7e]*$/u.test(line)) throw new CustodyError('ENVELOPE_SYNTAX');
    this.at = end + 1;
    return line;
  }
}

function readStanza(line: string, lines: LineReader): AgeStanza {
  const [arrow, type = '', ...args] = line.split(' ');
  if (arrow !== '->' || [type, ...args].includes('')) throw new CustodyError('ENVELOPE_SYNTAX');
  let text = '';
  for (;;) {
    const part = lines.next();
    if (part.length > COLUMNS) throw new CustodyError('ENVELOPE_SYNTAX');
    text += part;
    if (part.length < COLUMNS) return { type, args, body: ageBase64(text) };
  }
}

/** Canonical and unpadded. Throws ENVELOPE_SYNTAX. */
export function ageBase64(text: string): Uint8Array {
  try {
    return decodeBase64(text, 'unpadded');
  } catch (cause) {
    throw new CustodyError('ENVELOPE_SYNTAX', undefined, { cause });
  }
}

function splitPayload(rest: Uint8Array): Pick<AgeFile, 'nonce' | 'chunk'> {
  const chunk = rest.subarray(NONCE_BYTES);
  if (chunk.length <= TAG_BYTES || chunk.length > MAX_PAYLOAD_BYTES + TAG_BYTES)
    throw new CustodyError('ENVELOPE_PAYLOAD');
  return { nonce: rest.subarray(0, NONCE_BYTES), chunk };
}

/**
 * Verifies the header's MAC and decrypts the payload into `out`, whose length it must have exactly.
 * Throws ENVELOPE_MAC, ENVELOPE_PAYLOAD; `out` is then wiped or untouched.
 */
export function openAgePayload(file: AgeFile, fileKey: Uint8Array, out: Uint8Array): void {
  withScratch(64, scratch => {
    const mac = scratch.subarray(0, 32);
    const payloadKey = scratch.subarray(32, 64);
    headerMacInto(mac, fileKey, file.header);
    if (!equalSecrets(mac, file.mac)) throw new CustodyError('ENVELOPE_MAC');
    hkdfSha256Into(payloadKey, fileKey, file.nonce, Buffer.from('payload'));
    if (!chachaOpen(out, file.chunk, payloadKey, ONLY_CHUNK_NONCE))
      throw new CustodyError('ENVELOPE_PAYLOAD');
  });
}

/** A finished file: `stanzas` must wrap `fileKey` (16 random bytes, used for this file only). Payload 1 byte to 16 KiB. */
export function encodeAgeFile(
  stanzas: readonly AgeStanza[],
  fileKey: Uint8Array,
  payload: Uint8Array,
): Uint8Array {
  if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES) throw new CustodyError('ENVELOPE_PAYLOAD');
  const header = Buffer.from(`${VERSION_LINE}\n${stanzas.map(formatStanza).join('')}---`, 'latin1');
  const nonce = Buffer.alloc(NONCE_BYTES);
  fillRandom(nonce);
  const chunk = Buffer.alloc(payload.length + TAG_BYTES);
  const mac = Buffer.alloc(32);
  withScratch(32, payloadKey => {
    headerMacInto(mac, fileKey, header);
    hkdfSha256Into(payloadKey, fileKey, nonce, Buffer.from('payload'));
    chachaSeal(chunk, payload, payloadKey, ONLY_CHUNK_NONCE);
  });
  return Uint8Array.from(
    Buffer.concat([header, Buffer.from(` ${encodeBase64Unpadded(mac)}\n`), nonce, chunk]),
  );
}

function formatStanza({ type, args, body }: AgeStanza): string {
  const text = encodeBase64Unpadded(body);
  const lines: string[] = text.match(/.{1,64}/gu) ?? [];
  // The last line is shorter than the others, if need be empty.
  if (text.length % COLUMNS === 0) lines.push('');
  return `-> ${[type, ...args].join(' ')}\n${lines.join('\n')}\n`;
}

function headerMacInto(out: Uint8Array, fileKey: Uint8Array, header: Uint8Array): void {
  withScratch(32, key => {
    hkdfSha256Into(key, fileKey, new Uint8Array(0), Buffer.from('header'));
    hmacSha256Into(out, key, header);
  });
}
