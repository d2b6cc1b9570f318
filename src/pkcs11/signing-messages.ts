// Messages between the keyholder and the process that holds period keys in a token. Each names what is signed: a
// descriptor without its signature, or the fields of a certificate of an introduction point. None carries bytes to be signed.

import { CERT_TYPE, MAX_DESCRIPTOR_SIZE, parseKpHsDescSign } from '../descriptor/index.ts';
import type { PointCert } from './desc-signing-key.ts';
import { CustodyError } from './error.ts';
import { SIGNING_KEY_ID_BYTES, type TokenKeyRecord } from './signing-key-record.ts';
import type { TokenAccess } from './token-messages.ts';

import { WireReader, WireWriter } from './wire.ts';

/** Frame types; an answer is `answer` or `failure` of TOKEN_FRAME with the sequence of its request. */
export const SIGNING_FRAME = Object.freeze({
  enter: 0x10,
  make: 0x11,
  descriptor: 0x12,
  pointCerts: 0x13,
  destroy: 0x14,
  touch: 0x15,
} as const);

/** Either way; a descriptor is the longest. */
export const MAX_SIGNING_FRAME_BYTES = 1 << 18;
/** Keys of one signer on one token. */
export const MAX_TOKEN_KEYS = 4096;
/** Two for each of 20 points. */
export const MAX_POINT_CERTS = 64;
const SIGNATURE_BYTES = 64;

/** ENTER: which token, whose keys. The first request, once. */
export interface EnterRequest {
  readonly access: TokenAccess;
  /** Names this signer on the token. */
  readonly label: string;
  readonly known: readonly TokenKeyRecord[];
}

/** What ENTER found. */
export interface Entered {
  readonly tokenLabel: string;
  /** Whether each known key is there, in order. */
  readonly present: readonly boolean[];
}

export function encodeEnter({ access, label, known }: EnterRequest): Uint8Array {
  const out = new WireWriter().str16(access.modulePath).str16(access.uri).str16(access.pinSource);
  out.str8(label).u16(known.length);
  for (const record of known) writeRecord(out, record);
  return out.finish();
}

export function parseEnter(payload: Uint8Array): EnterRequest {
  const reader = new WireReader(payload);
  const access = { modulePath: reader.str16(), uri: reader.str16(), pinSource: reader.str16() };
  const label = reader.str8();
  const known = repeat(upTo(reader, reader.u16(), MAX_TOKEN_KEYS), () => readRecord(reader));
  reader.end();
  return { access, label, known };
}

export function encodeEntered({ tokenLabel, present }: Entered): Uint8Array {
  const out = new WireWriter().str8(tokenLabel).u16(present.length);
  for (const each of present) out.u8(each ? 1 : 0);
  return out.finish();
}

export function parseEntered(payload: Uint8Array): Entered {
  const reader = new WireReader(payload);
  const tokenLabel = reader.str8();
  const present = repeat(upTo(reader, reader.u16(), MAX_TOKEN_KEYS), () => {
    const flag = reader.u8();
    if (flag > 1) throw reader.fault('neither there nor missing');
    return flag === 1;
  });
  reader.end();
  return { tokenLabel, present };
}

export function encodeRecord(record: TokenKeyRecord): Uint8Array {
  const out = new WireWriter();
  writeRecord(out, record);
  return out.finish();
}

export function parseRecord(payload: Uint8Array): TokenKeyRecord {
  const reader = new WireReader(payload);
  const record = readRecord(reader);
  reader.end();
  return record;
}

/** DESTROY */
export function encodeId(id: Uint8Array): Uint8Array {
  return new WireWriter().bytes(id, SIGNING_KEY_ID_BYTES).finish();
}

export function parseId(payload: Uint8Array): Uint8Array {
  const reader = new WireReader(payload);
  const id = reader.bytes(SIGNING_KEY_ID_BYTES);
  reader.end();
  return id;
}

/** DESCRIPTOR: the text up to its signature line. */
export function encodeUnsigned(id: Uint8Array, unsigned: Uint8Array): Uint8Array {
  return new WireWriter().bytes(id, SIGNING_KEY_ID_BYTES).blob32(unsigned).finish();
}

export function parseUnsigned(payload: Uint8Array): { id: Uint8Array; unsigned: Uint8Array } {
  const reader = new WireReader(payload);
  const [id, unsigned] = [reader.bytes(SIGNING_KEY_ID_BYTES), reader.blob32(MAX_DESCRIPTOR_SIZE)];
  reader.end();
  return { id, unsigned };
}

/** POINT-CERTS: fields; the process that signs writes the bodies. */
export function encodePointCerts(id: Uint8Array, certs: readonly PointCert[]): Uint8Array {
  const out = new WireWriter().bytes(id, SIGNING_KEY_ID_BYTES).u8(certs.length);
  for (const { certType, expiryHours, certifiedKey } of certs)
    out.u8(certType).u32(expiryHours).bytes(certifiedKey, 32);
  return out.finish();
}

export function parsePointCerts(payload: Uint8Array): { id: Uint8Array; certs: PointCert[] } {
  const reader = new WireReader(payload);
  const id = reader.bytes(SIGNING_KEY_ID_BYTES);
  const certs = repeat(upTo(reader, reader.u8(), MAX_POINT_CERTS), () => {
    const certType = reader.u8();
    if (certType !== CERT_TYPE.authKey && certType !== CERT_TYPE.encKey)
      throw reader.fault('no certificate of a point');
    return { certType, expiryHours: reader.u32(), certifiedKey: reader.bytes(32) };
  });
  reader.end();
  return { id, certs };
}

/** As many signatures as were asked for. */
export function encodeSignatures(signatures: readonly Uint8Array[]): Uint8Array {
  const out = new WireWriter().u8(signatures.length);
  for (const signature of signatures) out.bytes(signature, SIGNATURE_BYTES);
  return out.finish();
}

/** @throws CustodyError FRAME_BAD, TOKEN_PROTOCOL when they are not `count` */
export function parseSignatures(payload: Uint8Array, count: number): Uint8Array[] {
  const reader = new WireReader(payload);
  const signatures = repeat(reader.u8(), () => reader.bytes(SIGNATURE_BYTES));
  reader.end();
  if (signatures.length !== count) throw new CustodyError('TOKEN_PROTOCOL');
  return signatures;
}

function writeRecord(out: WireWriter, { id, kpHsDescSign }: TokenKeyRecord): void {
  out.bytes(id, SIGNING_KEY_ID_BYTES).bytes(kpHsDescSign, 32);
}

function readRecord(reader: WireReader): TokenKeyRecord {
  return { id: reader.bytes(SIGNING_KEY_ID_BYTES), kpHsDescSign: reader.key(parseKpHsDescSign) };
}

function upTo(reader: WireReader, count: number, maximum: number): number {
  if (count > maximum) throw reader.fault('too many entries');
  return count;
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}
