// Messages between an operator's command and the process that probes a token.

import { CustodyError } from './error.ts';
import { OUTCOMES, PROBE_LINE_IDS, type ProbeLineId, type Tried } from './probe-lines.ts';
import type { ListedMechanism, ModuleFacts, TokenFacts } from './token-facts.ts';
import { readAccess, type TokenAccess, writeAccess } from './token-messages.ts';
import { WireReader, WireWriter } from './wire.ts';

/** LOOK finds the token, LOGIN logs in, TRY tries one line. An answer is `answer` or `failure` of TOKEN_FRAME. */
export const PROBE_FRAME = Object.freeze({ look: 0x10, login: 0x11, attempt: 0x12 } as const);

const MAX_MECHANISMS = 64;
/** Speeds travel in thousandths. */
const MILLI = 1000;

/** What LOOK found. */
export interface Sighting {
  readonly module: ModuleFacts;
  readonly token: TokenFacts;
  /** Those that a line is about. */
  readonly mechanisms: readonly ListedMechanism[];
}

export function encodeLook(access: TokenAccess): Uint8Array {
  const writer = new WireWriter();
  writeAccess(writer, access);
  return writer.finish();
}

/** Throws FRAME_BAD, as all here. */
export function parseLook(payload: Uint8Array): TokenAccess {
  const reader = new WireReader(payload);
  const access = readAccess(reader);
  reader.end();
  return access;
}

export function encodeSighting({ module, token, mechanisms }: Sighting): Uint8Array {
  const out = new WireWriter();
  out.str8(module.description).str8(module.manufacturer).str8(module.version).str8(module.cryptoki);
  out.str8(token.label).str8(token.manufacturer).str8(token.model).str8(token.serial);
  out.str8(token.hardware).str8(token.firmware).u32(token.flags).u32(token.maxSessions);
  out.u16(mechanisms.length);
  for (const { type, minKeySize, maxKeySize } of mechanisms) out.u32(type).u32(minKeySize).u32(maxKeySize);
  return out.finish();
}

export function parseSighting(payload: Uint8Array): Sighting {
  const reader = new WireReader(payload);
  const [description, manufacturer] = [reader.str8(), reader.str8()];
  const module = { description, manufacturer, version: reader.str8(), cryptoki: reader.str8() };
  const names = { label: reader.str8(), manufacturer: reader.str8(), model: reader.str8() };
  const versions = { serial: reader.str8(), hardware: reader.str8(), firmware: reader.str8() };
  const token = { ...names, ...versions, flags: reader.u32(), maxSessions: reader.u32() };
  const count = reader.u16();
  if (count > MAX_MECHANISMS) throw reader.fault('too many mechanisms');
  const mechanisms = Array.from({ length: count }, () => ({
    type: reader.u32(),
    minKeySize: reader.u32(),
    maxKeySize: reader.u32(),
  }));
  reader.end();
  return { module, token, mechanisms };
}

export function encodeAttempt(line: ProbeLineId): Uint8Array {
  return new WireWriter().u8(PROBE_LINE_IDS.indexOf(line)).finish();
}

export function parseAttempt(payload: Uint8Array): ProbeLineId {
  const reader = new WireReader(payload);
  const line = PROBE_LINE_IDS[reader.u8()];
  reader.end();
  if (line === undefined) throw new CustodyError('FRAME_BAD');
  return line;
}

export function encodeTried({ outcome, detail, ckr, perSecond }: Tried): Uint8Array {
  return new WireWriter()
    .u8(OUTCOMES.indexOf(outcome))
    .str8(detail)
    .u32(ckr)
    .u32(Math.round(perSecond * MILLI))
    .finish();
}

export function parseTried(payload: Uint8Array): Tried {
  const reader = new WireReader(payload);
  const outcome = OUTCOMES[reader.u8()];
  const rest = { detail: reader.str8(), ckr: reader.u32(), perSecond: reader.u32() / MILLI };
  reader.end();
  if (outcome === undefined) throw new CustodyError('FRAME_BAD');
  return { outcome, ...rest };
}
