// How a PIN that was tried is remembered: by keyed digests of it with its token and with its source, never by its value.

import { CustodyError } from './error.ts';
import { hmacSha256Into } from './hkdf.ts';
import type { PinSource } from './pin.ts';
import { WireReader, WireWriter } from './wire.ts';

export const PIN_TAG_BYTES = 32;
export const PIN_KEY_BYTES = 32;
/** Two for each refused PIN. Older ones are forgotten: by then somebody has corrected the PIN this often. */
export const MAX_PIN_RECORDS = 32;
/** A PIN to which the token gave no answer is tried once more. Most cards allow three attempts. */
export const MAX_UNANSWERED = 2;

/** By their number in the state. `taken`: of a source's PIN that one token refused and another one took. */
const VERDICTS = ['none', 'refused', 'taken'] as const;

/** What came of a PIN that was refused, or is not known to be right. A PIN that no token refused leaves no trace. */
export interface PinRecord {
  /** See `pinTags`, 32 bytes. */
  readonly tag: Uint8Array;
  readonly verdict: (typeof VERDICTS)[number];
  /** Attempts during which the token process died, so that nobody knows what the token counted. */
  readonly unanswered: number;
}

/** What a token process is given to judge a PIN by. */
export interface PinJudgement {
  /** 32 bytes. Whoever has it and a tag can try PINs; the tags are kept sealed to the host. */
  readonly key: Uint8Array;
  readonly records: readonly PinRecord[];
  /** What the source has now is this token's: it took it, or a person says so. Another token's refusal is none of its business. */
  readonly isOwn: boolean;
}

/** A PIN at one token, and from one source. */
export interface PinTags {
  readonly token: Uint8Array;
  readonly source: Uint8Array;
}

/** `token` is all that names it. */
export function pinTags(key: Uint8Array, token: string, source: PinSource, pin: string): PinTags {
  return { token: pinTag(key, token, pin), source: pinTag(key, `source ${JSON.stringify(source)}`, pin) };
}

/**
 * How often the PIN was tried at this token without an answer.
 * @throws CustodyError PIN_INCORRECT when the token refused it, or another one did and none took it
 */
export function checkPinTags(
  { records, isOwn }: Pick<PinJudgement, 'records' | 'isOwn'>,
  { token, source }: PinTags,
): number {
  const known = recordOf(records, token);
  const isWrong = recordOf(records, source)?.verdict === 'refused' && !isOwn;
  if (known?.verdict === 'refused' || isWrong) throw new CustodyError('PIN_INCORRECT');
  return known?.unanswered ?? 0;
}

export const recordOf = (records: readonly PinRecord[], tag: Uint8Array): PinRecord | undefined =>
  records.find(record => sameTag(record.tag, tag));

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

/** PIN_BEGINS of a token process. */
export const encodePinTags = ({ token, source }: PinTags): Uint8Array => Buffer.concat([token, source]);

/** Throws FRAME_BAD. */
export function parsePinTags(payload: Uint8Array): PinTags {
  const reader = new WireReader(payload);
  const tags = { token: reader.bytes(PIN_TAG_BYTES), source: reader.bytes(PIN_TAG_BYTES) };
  reader.end();
  return tags;
}

export function writePinRecords(out: WireWriter, records: readonly PinRecord[]): void {
  out.u8(records.length);
  for (const { tag, verdict, unanswered } of records)
    out.bytes(tag, PIN_TAG_BYTES).u8(VERDICTS.indexOf(verdict)).u8(unanswered);
}

export function readPinRecords(reader: WireReader): PinRecord[] {
  const count = reader.u8();
  if (count > MAX_PIN_RECORDS) throw reader.fault('too many PINs');
  return Array.from({ length: count }, () => {
    const tag = reader.bytes(PIN_TAG_BYTES);
    const verdict = VERDICTS[reader.u8()];
    if (verdict === undefined) throw reader.fault('an unknown verdict on a PIN');
    return { tag, verdict, unanswered: reader.u8() };
  });
}

export function encodePinJudgement({ key, records, isOwn }: PinJudgement): Uint8Array {
  const out = new WireWriter().bytes(key, PIN_KEY_BYTES).u8(isOwn ? 1 : 0);
  writePinRecords(out, records);
  return out.finish();
}

/** Throws FRAME_BAD. */
export function parsePinJudgement(payload: Uint8Array): PinJudgement {
  const reader = new WireReader(payload);
  const key = reader.bytes(PIN_KEY_BYTES);
  const own = reader.u8();
  if (own > 1) throw reader.fault('a flag is 0 or 1');
  const records = readPinRecords(reader);
  reader.end();
  return { key, records, isOwn: own === 1 };
}
