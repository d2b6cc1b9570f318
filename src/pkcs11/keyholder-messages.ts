// Messages between core and keyholder: fixed binary fields, both directions, one file.

import {
  DESCRIPTOR_COOKIE_LENGTH,
  type KpHsId,
  type PointReference,
  fromHex,
  parseKpHsId,
  toHex,
} from '../descriptor/index.ts';
import type { CustodyDenial } from './error.ts';
import { MAX_PROOF_HASHES } from './log-consistency.ts';
import { WireReader, WireWriter } from './wire.ts';

/** Frame types. An answer has the type of its request with the top bit set, or is `refused` or `failed`. */
export const KEYHOLDER_FRAME = Object.freeze({
  prove: 0x01,
  sign: 0x02,
  prepare: 0x03,
  checkpoint: 0x04,
  status: 0x05,
  reload: 0x06,
  freeze: 0x07,
  fence: 0x08,
  floor: 0x09,
  refused: 0xf0,
  failed: 0xf1,
} as const);

/** After this nobody waits for a SIGN any more: the core's deadline for it, milliseconds. */
export const SIGN_DEADLINE_MS = 30_000;
/** SIGN and PREPARE of one connection that are not answered yet: more than a core has in progress. */
export const MAX_SLOW_REQUESTS = 256;
/** Set in the type of an answer. */
export const ANSWER_BIT = 0x80;
/** Longest descriptor text. */
export const MAX_TEXT_BYTES = 50_000;
/** Most points that one request can name; the invariant is stricter. */
export const MAX_REFERENCES = 64;
/** Most descriptors in one request: all of them fit into one frame. */
export const MAX_TARGETS = 16;
const MAX_NOTE_BYTES = 4096;

/** A period, a variant of it and the second whose revision counter is spent. */
export interface SignTarget {
  readonly periodNum: number;
  /** 0; reserved for distinct descriptors per HSDir. */
  readonly variant: number;
  /** Unix seconds */
  readonly second: number;
}

/** SIGN: fields and references, never text. */
export interface SignOrder {
  readonly kpHsId: KpHsId;
  /** Serial of the list that the order was approved under; another one in force refuses it, before anything is spent. */
  readonly listSerial: number;
  /** In the order in which the points will stand. */
  readonly points: readonly PointReference[];
  readonly targets: readonly SignTarget[];
}

/** One finished descriptor. */
export interface SignedDescriptor extends SignTarget {
  /** Seconds by which the second that was spent lies after that of its use; 0 but after a fence. */
  readonly lead: number;
  readonly revisionCounter: bigint;
  readonly text: Uint8Array;
  /** Opens the inner layer of a restricted text (16 bytes): to verify it and then to be wiped. */
  readonly descriptorCookie: Uint8Array | undefined;
  /** Serial of the list under which what the text carries changed last; see `ListAccess`. */
  readonly settingsSerial: number;
}

/** PROVEN */
export interface ProvenEvidence {
  /** SHA-256 of the text, 64 hexadecimal digits. */
  readonly digest: string;
  readonly backend: KpHsId;
  /** How many introduction points it has; references count from 0. */
  readonly points: number;
}

/** What PREPARE left for one service. */
export interface PreparedService {
  readonly kpHsId: KpHsId;
  /** Periods with a key and a full ladder. */
  readonly certifiedPeriods: number;
  /** Periods within `ahead` that lack them. */
  readonly missingPeriods: number;
  /** Unix seconds until which every published period has a key and ladder; 0 when not even now. */
  readonly certifiedUntil: number;
  /** `born`, `imported-YYYY-MM-DD`, or '' before the first opening. */
  readonly origin: string;
  /** Code of the last failure, '' when there was none since. */
  readonly errorCode: string;
}

/** A transparency log's tree: CHECKPOINT signs it when it continues the tree that was signed last. */
export interface ProvenHead {
  readonly size: bigint;
  /** 32 bytes */
  readonly rootHash: Uint8Array;
  /** RFC 6962 consistency proof from the head that was signed last, at most 54 hashes of 32 bytes; none for the first. */
  readonly proof: readonly Uint8Array[];
}

export function encodeProve(kpHsId: KpHsId, text: Uint8Array): Uint8Array {
  return new WireWriter().bytes(kpHsId, 32).blob32(text).finish();
}

export function parseProve(payload: Uint8Array): { kpHsId: KpHsId; text: Uint8Array } {
  const reader = new WireReader(payload);
  const kpHsId = readService(reader);
  const text = reader.blob32(MAX_TEXT_BYTES);
  reader.end();
  return { kpHsId, text };
}

export function encodeProven(proven: ProvenEvidence): Uint8Array {
  return new WireWriter()
    .bytes(fromHex(proven.digest), 32)
    .bytes(proven.backend, 32)
    .u8(proven.points)
    .finish();
}

export function parseProven(payload: Uint8Array): ProvenEvidence {
  const reader = new WireReader(payload);
  const proven = { digest: toHex(reader.bytes(32)), backend: readService(reader), points: reader.u8() };
  reader.end();
  return proven;
}

export function encodeSign(order: SignOrder): Uint8Array {
  const out = new WireWriter().bytes(order.kpHsId, 32).u64(order.listSerial).u8(order.points.length);
  for (const { evidence, index } of order.points) out.bytes(fromHex(evidence), 32).u8(index);
  out.u8(order.targets.length);
  for (const target of order.targets) writeTarget(out, target);
  return out.finish();
}

export function parseSign(payload: Uint8Array): SignOrder {
  const reader = new WireReader(payload);
  const kpHsId = readService(reader);
  const listSerial = reader.u64Number();
  const points = repeat(upTo(reader, MAX_REFERENCES), () => ({
    evidence: toHex(reader.bytes(32)),
    index: reader.u8(),
  }));
  const targets = repeat(upTo(reader, MAX_TARGETS), () => readTarget(reader));
  reader.end();
  return { kpHsId, listSerial, points, targets };
}

export function encodeSigned(signed: readonly SignedDescriptor[]): Uint8Array {
  const out = new WireWriter().u8(signed.length);
  for (const each of signed) {
    writeTarget(out, each).u32(each.lead).u64(each.revisionCounter).blob32(each.text);
    out.blob32(each.descriptorCookie ?? new Uint8Array(0)).u64(each.settingsSerial);
  }
  return out.finish();
}

export function parseSigned(payload: Uint8Array): SignedDescriptor[] {
  const reader = new WireReader(payload);
  const signed = repeat(upTo(reader, MAX_TARGETS), () => ({
    ...readTarget(reader),
    lead: reader.u32(),
    revisionCounter: reader.u64(),
    text: reader.blob32(MAX_TEXT_BYTES),
    descriptorCookie: readCookie(reader),
    settingsSerial: reader.u64Number(),
  }));
  reader.end();
  return signed;
}

/** All of it, or nothing: a service that is not restricted. */
function readCookie(reader: WireReader): Uint8Array | undefined {
  const cookie = reader.blob32(DESCRIPTOR_COOKIE_LENGTH);
  if (cookie.length === 0) return undefined;
  if (cookie.length !== DESCRIPTOR_COOKIE_LENGTH) throw reader.fault('a cookie is too short');
  // V8 keeps small arrays among its objects and leaves copies behind when it moves them; not so with a buffer apart.
  const apart = new Uint8Array(new ArrayBuffer(DESCRIPTOR_COOKIE_LENGTH));
  apart.set(cookie);
  cookie.fill(0);
  return apart;
}

export function encodePrepared(services: readonly PreparedService[]): Uint8Array {
  const out = new WireWriter().u16(services.length);
  for (const each of services) {
    out.bytes(each.kpHsId, 32).u16(each.certifiedPeriods).u16(each.missingPeriods);
    out.u64(each.certifiedUntil).str8(each.origin).str8(each.errorCode);
  }
  return out.finish();
}

export function parsePrepared(payload: Uint8Array): PreparedService[] {
  const reader = new WireReader(payload);
  const services = repeat(reader.u16(), () => ({
    kpHsId: readService(reader),
    certifiedPeriods: reader.u16(),
    missingPeriods: reader.u16(),
    certifiedUntil: reader.u64Number(),
    origin: reader.str8(),
    errorCode: reader.str8(),
  }));
  reader.end();
  return services;
}

export function encodeHead({ size, rootHash, proof }: ProvenHead): Uint8Array {
  const out = new WireWriter().u64(size).bytes(rootHash, 32).u8(proof.length);
  for (const each of proof) out.bytes(each, 32);
  return out.finish();
}

export function parseHead(payload: Uint8Array): ProvenHead {
  const reader = new WireReader(payload);
  const [size, rootHash] = [reader.u64(), reader.bytes(32)];
  const proof = repeat(upTo(reader, MAX_PROOF_HASHES), () => reader.bytes(32));
  reader.end();
  return { size, rootHash, proof };
}

export function encodeNote(note: string): Uint8Array {
  return new WireWriter().str16(note).finish();
}

export function parseNote(payload: Uint8Array): string {
  const reader = new WireReader(payload);
  const note = reader.str16();
  reader.end();
  if (note.length > MAX_NOTE_BYTES) throw reader.fault('a note is too long');
  return note;
}

/** REFUSED; texts are cut to 255 and 1000 characters. */
export function encodeRefused({ rule, observed, limit }: CustodyDenial): Uint8Array {
  return new WireWriter().str8(rule).str16(observed.slice(0, 1000)).str16(limit.slice(0, 1000)).finish();
}

export function parseRefused(payload: Uint8Array): CustodyDenial {
  const reader = new WireReader(payload);
  const denial = { rule: reader.str8(), observed: reader.str16(), limit: reader.str16() };
  reader.end();
  return denial;
}

/** FAILED: the code and nothing else; details stay where they arose. */
export function encodeFailed(code: string): Uint8Array {
  return new WireWriter().str8(code).finish();
}

export function parseFailed(payload: Uint8Array): string {
  const reader = new WireReader(payload);
  const code = reader.str8();
  reader.end();
  return code;
}

/** PREPARE, STATUS and RELOAD have no fields. */
export function parseEmpty(payload: Uint8Array): void {
  new WireReader(payload).end();
}

/** An identity. @throws CustodyError FRAME_BAD */
export function readService(reader: WireReader): KpHsId {
  return reader.key(parseKpHsId);
}

function writeTarget(out: WireWriter, target: SignTarget): WireWriter {
  return out.u64(target.periodNum).u16(target.variant).u64(target.second);
}

function readTarget(reader: WireReader): SignTarget {
  return { periodNum: reader.u64Number(), variant: reader.u16(), second: reader.u64Number() };
}

function upTo(reader: WireReader, maximum: number): number {
  const count = reader.u8();
  if (count > maximum) throw reader.fault('too many entries');
  return count;
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}
