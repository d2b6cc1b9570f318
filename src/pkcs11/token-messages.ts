import {
  checkNetworkProfile,
  type Ed25519Public,
  type KpHsDescSign,
  type KpHsId,
  type NetworkProfile,
  parseEd25519Public,
  parseKpHsDescSign,
  parseKpHsId,
  parseX25519Public,
  TOR_NETWORK,
  type X25519Public,
} from '../descriptor/index.ts';
import type { Rung } from './blinded-sign.ts';
import { CustodyError, type CustodyErrorCode, parseCustodyErrorCode } from './error.ts';
import type { Origin } from './envelope-header.ts';
import { VOUCHING_BYTES } from './note-key.ts';
import { WireReader, WireWriter } from './wire.ts';

/**
 * Messages of the token process and the administration process: one request and one answer on fd 3, sequence 0.
 * Fixed binary fields; bounds here and in WireReader.
 */

export const TOKEN_FRAME = Object.freeze({
  open: 1,
  seal: 2,
  list: 3,
  prepare: 4,
  reseal: 0x10,
  verify: 0x11,
  copy: 0x12,
  find: 0x20,
  /** Before each request: what is known of PINs, see pin-tags.ts. */
  pins: 0x40,
  /** To the caller: this PIN is tried as soon as `pinMayBegin` comes back. */
  pinBegins: 0x41,
  pinMayBegin: 0x42,
  pinTaken: 0x43,
  /** To the caller: one more part of the request is done. */
  progress: 0x44,
  answer: 0x80,
  failure: 0xff,
} as const);
export const MAX_TOKEN_FRAME_BYTES = 8 << 20;
export const MAX_ENVELOPE_BYTES = 0x8000;
/** 90 periods for some services; every period costs about 10 ms. */
const MAX_PERIODS = 1024;
const SEALED_SECRET_BYTES = 32 + 48;

/** How a token is reached. */
export interface TokenAccess {
  /** Used when the URI names no module; may be ''. */
  readonly modulePath: string;
  readonly uri: string;
  /** `file:…`, `credential:…` or `tty`; a pin-source in the URI goes before it. */
  readonly pinSource: string;
}

/** One service: its envelope and the descriptor signing keys to be certified. */
export interface OpeningRequest {
  readonly kpHsId: KpHsId;
  readonly envelope: Uint8Array;
  readonly periods: readonly { readonly periodNum: number; readonly kpHsDescSign: KpHsDescSign }[];
}

export interface OpenRequest {
  readonly access: TokenAccess;
  readonly profile: NetworkProfile;
  /** How far ahead periods may be certified, from now. */
  readonly horizonSeconds: number;
  /** X25519 public key of the keyholder, to which the service's secret is sealed. */
  readonly boxPublicKey: X25519Public;
  /** Signs the checkpoints of this signer: each identity vouches for it. */
  readonly checkpointKey: Ed25519Public;
  readonly openings: readonly OpeningRequest[];
}

export interface Ladder {
  readonly periodNum: number;
  /** Ascending by hour. */
  readonly rungs: readonly Rung[];
}

/** One service opened, or why not: one bad envelope does not keep the others from being opened. */
export type OpeningResult =
  | {
      readonly sealedServiceSecret: Uint8Array;
      readonly origin: Origin;
      readonly ladders: readonly Ladder[];
      /** The identity's signature over vouchingText, 64 bytes. */
      readonly vouching: Uint8Array;
    }
  | { readonly error: CustodyError };

export function writeAccess(writer: WireWriter, access: TokenAccess): void {
  writer.str16(access.modulePath).str16(access.uri).str16(access.pinSource);
}

export function readAccess(reader: WireReader): TokenAccess {
  return { modulePath: reader.str16(), uri: reader.str16(), pinSource: reader.str16() };
}

/** FIND: whether there is such a token. Its answer is empty. */
export function encodeFindRequest(access: TokenAccess): Uint8Array {
  const writer = new WireWriter();
  writeAccess(writer, access);
  return writer.finish();
}

/** Throws FRAME_BAD. */
export function parseFindRequest(payload: Uint8Array): TokenAccess {
  const reader = new WireReader(payload);
  const access = readAccess(reader);
  reader.end();
  return access;
}

export function encodeOpenRequest(request: OpenRequest): Uint8Array {
  const writer = new WireWriter();
  writeAccess(writer, request.access);
  writer.u32(request.profile.votingIntervalSeconds).u32(request.profile.periodLengthMinutes);
  writer.u32(request.horizonSeconds).bytes(request.boxPublicKey, 32).bytes(request.checkpointKey, 32);
  writer.u16(request.openings.length);
  for (const { kpHsId, envelope, periods } of request.openings) {
    writer.bytes(kpHsId, 32).blob32(envelope).u16(periods.length);
    for (const { periodNum, kpHsDescSign } of periods) writer.u64(periodNum).bytes(kpHsDescSign, 32);
  }
  return writer.finish();
}

/** Throws FRAME_BAD, PROFILE_REFUSED. */
export function parseOpenRequest(payload: Uint8Array): OpenRequest {
  const reader = new WireReader(payload);
  const access = readAccess(reader);
  const profile = readProfile(reader);
  const horizonSeconds = reader.u32();
  const boxPublicKey = reader.key(parseX25519Public);
  const checkpointKey = reader.key(parseEd25519Public);
  let budget = MAX_PERIODS;
  const openings = times(reader.u16(), () => {
    const kpHsId = reader.key(parseKpHsId);
    const envelope = reader.blob32(MAX_ENVELOPE_BYTES);
    const count = reader.u16();
    budget -= count + 1;
    if (budget < 0) throw reader.fault('too many periods');
    const periods = times(count, () => ({
      periodNum: reader.u64Number(),
      kpHsDescSign: reader.key(parseKpHsDescSign),
    }));
    return { kpHsId, envelope, periods };
  });
  reader.end();
  return { access, profile, horizonSeconds, boxPublicKey, checkpointKey, openings };
}

function readProfile(reader: WireReader): NetworkProfile {
  const votingIntervalSeconds = reader.u32();
  const periodLengthMinutes = reader.u32();
  try {
    return checkNetworkProfile({
      ...TOR_NETWORK,
      name: 'requested',
      votingIntervalSeconds,
      periodLengthMinutes,
    });
  } catch (cause) {
    throw new CustodyError('PROFILE_REFUSED', undefined, { cause });
  }
}

/** `count` values in a row. */
export function times<T>(count: number, read: () => T): T[] {
  const all: T[] = [];
  for (let i = 0; i < count; i += 1) all.push(read());
  return all;
}

export function encodeOpenAnswer(results: readonly OpeningResult[]): Uint8Array {
  const writer = new WireWriter().u16(results.length);
  for (const result of results) {
    if ('error' in result) {
      writeFailure(writer, result.error);
      continue;
    }
    writer
      .str8('')
      .u32(0)
      .bytes(result.sealedServiceSecret, SEALED_SECRET_BYTES)
      .str8(result.origin)
      .bytes(result.vouching, VOUCHING_BYTES)
      .u16(result.ladders.length);
    for (const { periodNum, rungs } of result.ladders) {
      writer.u64(periodNum).u16(rungs.length);
      for (const { expiryHours, signature } of rungs) writer.u32(expiryHours).bytes(signature, 64);
    }
  }
  return writer.finish();
}

export function parseOpenAnswer(payload: Uint8Array): OpeningResult[] {
  const reader = new WireReader(payload);
  const results = times(reader.u16(), (): OpeningResult => {
    const error = readFailure(reader);
    if (error !== undefined) return { error };
    const sealedServiceSecret = reader.bytes(SEALED_SECRET_BYTES);
    const origin = reader.str8() as Origin;
    const vouching = reader.bytes(VOUCHING_BYTES);
    const ladders = times(reader.u16(), () => ({
      periodNum: reader.u64Number(),
      rungs: times(reader.u16(), () => ({ expiryHours: reader.u32(), signature: reader.bytes(64) })),
    }));
    return { sealedServiceSecret, origin, ladders, vouching };
  });
  reader.end();
  return results;
}

/** A failure crosses as its code and the CKR number only: no message of a vendor's module, no path. */
export function encodeFailure(error: CustodyError): Uint8Array {
  const writer = new WireWriter();
  writeFailure(writer, error);
  return writer.finish();
}

export function parseFailure(payload: Uint8Array): CustodyError {
  const reader = new WireReader(payload);
  const error = readFailure(reader);
  reader.end();
  return error ?? new CustodyError('TOKEN_PROTOCOL');
}

function writeFailure(writer: WireWriter, error: CustodyError): void {
  writer.str8(error.code).u32(error.ckr !== undefined && error.ckr >= 0 ? error.ckr % 2 ** 32 : 0);
}

function readFailure(reader: WireReader): CustodyError | undefined {
  const text = reader.str8();
  const ckr = reader.u32();
  if (text === '' && ckr !== 0) throw reader.fault('a result without an error has none of the token');
  if (text === '') return undefined;
  const code: CustodyErrorCode = parseCustodyErrorCode(text) ?? 'TOKEN_PROTOCOL';
  return ckr === 0 ? new CustodyError(code) : new CustodyError(code, `CKR 0x${ckr.toString(16)}`, { ckr });
}
