// How a PIN that was tried is remembered: by a keyed digest, on one token, never by its value or source.

import { hmacSha256Into } from './hkdf.ts';
import { WireReader, WireWriter } from './wire.ts';

export const PIN_TAG_BYTES = 32;
export const PIN_KEY_BYTES = 32;
/** Older ones are forgotten: by then somebody has corrected the PIN this often. */
export const MAX_PIN_RECORDS = 16;
/** A PIN to which the token gave no answer is tried once more. Most cards allow three attempts. */
export const MAX_UNANSWERED = 2;

/** What came of a PIN that is not known to be right. */
export interface PinRecord {
  /** See `pinTag`, 32 bytes. */
  readonly tag: Uint8Array;
  /** The token said that it is wrong. */
  readonly refused: boolean;
  /** Attempts during which the token process died, so that nobody knows what the token counted. */
  readonly unanswered: number;
}

/** What a token process is given to judge a PIN by. */
export interface PinJudgement {
  /** 32 bytes. Whoever has it and a tag can try PINs; the tags are kept sealed to the host. */
  readonly key: Uint8Array;
  readonly records: readonly PinRecord[];
}

/** HMAC-SHA-256 of what names the token, NUL and the PIN, neither of which has a NUL: 32 bytes. */
export function pinTag(key: Uint8Array, token: string, pin: string): Uint8Array {
  const tag = new Uint8Array(PIN_TAG_BYTES);
  const text = Buffer.from(`${token}\0${pin}`);
  hmacSha256Into(tag, key, text);
  text.fill(0);
  return tag;
}

export function sameTag(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a).equals(b);
}

export function writePinRecords(out: WireWriter, records: readonly PinRecord[]): void {
  out.u8(records.length);
  for (const { tag, refused, unanswered } of records)
    out
      .bytes(tag, PIN_TAG_BYTES)
      .u8(refused ? 1 : 0)
      .u8(unanswered);
}

export function readPinRecords(reader: WireReader): PinRecord[] {
  const count = reader.u8();
  if (count > MAX_PIN_RECORDS) throw reader.fault('too many PINs');
  return Array.from({ length: count }, () => {
    const tag = reader.bytes(PIN_TAG_BYTES);
    const refused = reader.u8();
    if (refused > 1) throw reader.fault('an unknown verdict on a PIN');
    return { tag, refused: refused === 1, unanswered: reader.u8() };
  });
}

export function encodePinJudgement({ key, records }: PinJudgement): Uint8Array {
  const out = new WireWriter().bytes(key, PIN_KEY_BYTES);
  writePinRecords(out, records);
  return out.finish();
}

/** Throws FRAME_BAD. */
export function parsePinJudgement(payload: Uint8Array): PinJudgement {
  const reader = new WireReader(payload);
  const key = reader.bytes(PIN_KEY_BYTES);
  const records = readPinRecords(reader);
  reader.end();
  return { key, records };
}
