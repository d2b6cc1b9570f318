// STATUS: what the keyholder says about itself. Public data only.

import type { KpHsDescSign, KpHsId } from '../descriptor/index.ts';
import { parseKpHsDescSign } from '../descriptor/index.ts';
import { readService } from './keyholder-messages.ts';
import type { PeriodKeyPlace } from './list.ts';
import type { Breaker } from './breaker.ts';
import { type CustodyErrorCode, parseCustodyErrorCode } from './error.ts';
import type { LastOpening } from './openings.ts';
import type { SigningTokenStatus } from './signing-token.ts';
import type { TokenStatus } from './token-book.ts';
import { WireReader, WireWriter } from './wire.ts';

/** One period of one service that has a key. Times in Unix seconds. */
export interface PeriodStatus {
  readonly periodNum: number;
  readonly kpHsDescSign: KpHsDescSign;
  /** First second of its publication window. */
  readonly from: number;
  /** First second after it. */
  readonly to: number;
  /** When the last certificate of its ladder ends: until then whoever took the key is believed. */
  readonly exposureEnd: number;
  /** Seconds before it are spent; 0 but after a fence. */
  readonly floor: number;
  /** By how much counters run ahead of the clock since, seconds. */
  readonly lead: number;
  /** Whether its descriptor signing key is inside a token. */
  readonly inToken: boolean;
  /** False while that token is away. */
  readonly isUsable: boolean;
}

export interface ServiceStatus {
  readonly alias: string;
  readonly kpHsId: KpHsId;
  readonly enabled: boolean;
  /** A result did not verify: nothing is signed until the keyholder is restarted. */
  readonly latched: boolean;
  /** Nothing is signed until it is thawed. */
  readonly frozen: boolean;
  /** `born`, `imported-YYYY-MM-DD`, or '' before the first opening. */
  readonly origin: string;
  /** Signed note in which the identity vouches for the checkpoint key; '' before the first opening. */
  readonly vouching: string;
  /** Unix seconds until which every published period has a key and ladder; 0 when not even now. */
  readonly certifiedUntil: number;
  /** Code of the last failure to open or certify, '' when the last one went well. */
  readonly lastError: string;
  /** Unix seconds, 0 when there is none. */
  readonly lastErrorAt: number;
  readonly opened: LastOpening;
  /** Descriptors that are remembered as proven. */
  readonly evidence: number;
  /** Authorized clients; 0: whoever knows the address may read. */
  readonly clients: number;
  /** Serial of the list under which what texts carry changed last. */
  readonly settingsSerial: number;
  /** Ascending. */
  readonly periods: readonly PeriodStatus[];
}

export interface KeyholderStatus {
  /** Unix seconds */
  readonly startedAt: number;
  readonly uid: number;
  readonly listSerial: number;
  /** SHA-256 of the list in force, 32 bytes. */
  readonly listDigest: Uint8Array;
  readonly network: string;
  /** `same user` as a child of the core, `own process` behind a socket: the core compares `uid` with its own. */
  readonly isolation: string;
  /** Where descriptor signing keys are made. */
  readonly periodKeys: PeriodKeyPlace;
  /** The process that signs with keys in a token: it stays, and the PIN with it. */
  readonly signingToken: SigningTokenStatus;
  /** In the order of the list. */
  readonly tokens: readonly TokenStatus[];
  readonly breaker: Breaker;
  /** False where no memory can be locked and the list accepts it: secrets can reach swap. */
  readonly isMemoryLocked: boolean;
  /** `file of mode 0400` or `credential NAME`. */
  readonly stateProtection: string;
  /** C2SP verifier key of the checkpoints. */
  readonly checkpointVkey: string;
  /** Size of the newest signed checkpoint. */
  readonly checkpointSize: bigint;
  /** In force, which on test networks is less than the list says. Seconds. */
  readonly aheadSeconds: number;
  readonly runwaySeconds: number;
  readonly services: readonly ServiceStatus[];
}

const ENABLED = 1;
const LATCHED = 2;
const FROZEN = 4;
const IN_TOKEN = 1;
const USABLE = 2;
/** By their numbers on the wire. */
const PLACES = ['keyholder', 'token'] as const;
const STATES = ['off', 'starting', 'up', 'silent', 'down'] as const;

export function encodeStatus(status: KeyholderStatus): Uint8Array {
  const out = new WireWriter().u64(status.startedAt).u32(status.uid);
  out.u64(status.listSerial).bytes(status.listDigest, 32);
  out
    .str8(status.network)
    .str8(status.isolation)
    .u8(status.isMemoryLocked ? 1 : 0);
  out.str16(status.stateProtection);
  writeSigningToken(out.u8(PLACES.indexOf(status.periodKeys)), status.signingToken);
  writeTokens(out, status.tokens);
  const { isOpen, since, nextTry, code } = status.breaker;
  out
    .u8(isOpen ? 1 : 0)
    .u64(since)
    .u64(nextTry)
    .str8(code);
  out.str8(status.checkpointVkey).u64(status.checkpointSize);
  out.u32(status.aheadSeconds).u32(status.runwaySeconds).u16(status.services.length);
  for (const service of status.services) {
    const { enabled, latched, frozen } = service;
    const flags = (enabled ? ENABLED : 0) | (latched ? LATCHED : 0) | (frozen ? FROZEN : 0);
    out
      .str8(service.alias)
      .bytes(service.kpHsId, 32)
      .u8(flags)
      .str8(service.origin)
      .str16(service.vouching)
      .u64(service.certifiedUntil);
    out.str8(service.lastError).u64(service.lastErrorAt).str16(service.opened.by).u64(service.opened.at);
    out.u16(service.evidence);
    out.u16(service.clients).u64(service.settingsSerial).u16(service.periods.length);
    for (const period of service.periods) {
      out.u64(period.periodNum).bytes(period.kpHsDescSign, 32);
      out.u64(period.from).u64(period.to).u64(period.exposureEnd);
      out
        .u64(period.floor)
        .u32(period.lead)
        .u8((period.inToken ? IN_TOKEN : 0) | (period.isUsable ? USABLE : 0));
    }
  }
  return out.finish();
}

export function parseStatus(payload: Uint8Array): KeyholderStatus {
  const reader = new WireReader(payload);
  const status = {
    startedAt: reader.u64Number(),
    uid: reader.u32(),
    listSerial: reader.u64Number(),
    listDigest: reader.bytes(32),
    network: reader.str8(),
    isolation: reader.str8(),
    isMemoryLocked: readOneOf(reader, [false, true]),
    stateProtection: reader.str16(),
    periodKeys: readOneOf(reader, PLACES),
    signingToken: readSigningToken(reader),
    tokens: readTokens(reader),
    breaker: readBreaker(reader),
    checkpointVkey: reader.str8(),
    checkpointSize: reader.u64(),
    aheadSeconds: reader.u32(),
    runwaySeconds: reader.u32(),
    services: Array.from({ length: reader.u16() }, () => readServiceStatus(reader)),
  };
  reader.end();
  return status;
}

function writeSigningToken(out: WireWriter, status: SigningTokenStatus): void {
  const { state, pid, tokenLabel, errorCode, downSince, nextTry } = status;
  out.u8(STATES.indexOf(state)).u32(pid).str8(tokenLabel).str8(errorCode).u64(downSince).u64(nextTry);
}

function readSigningToken(reader: WireReader): SigningTokenStatus {
  const state = readOneOf(reader, STATES);
  const [pid, tokenLabel, errorCode] = [reader.u32(), reader.str8(), readCode(reader)];
  return { state, pid, tokenLabel, errorCode, downSince: reader.u64Number(), nextTry: reader.u64Number() };
}

function writeTokens(out: WireWriter, tokens: readonly TokenStatus[]): void {
  out.u8(tokens.length);
  for (const { name, openedAt, seenAt, errorCode, errorSince, strangerTo } of tokens) {
    out.str16(name).u64(openedAt).u64(seenAt).str8(errorCode).u64(errorSince).u16(strangerTo.length);
    for (const alias of strangerTo) out.str8(alias);
  }
}

function readTokens(reader: WireReader): TokenStatus[] {
  return Array.from({ length: reader.u8() }, () => ({
    name: reader.str16(),
    openedAt: reader.u64Number(),
    seenAt: reader.u64Number(),
    errorCode: readCode(reader),
    errorSince: reader.u64Number(),
    strangerTo: Array.from({ length: reader.u16() }, () => reader.str8()),
  }));
}

function readBreaker(reader: WireReader): Breaker {
  const isOpen = reader.u8();
  if (isOpen > 1) throw reader.fault('a breaker is neither open nor closed');
  return {
    isOpen: isOpen === 1,
    since: reader.u64Number(),
    nextTry: reader.u64Number(),
    code: reader.str8(),
  };
}

/** '' for none. */
function readCode(reader: WireReader): CustodyErrorCode | '' {
  const text = reader.str8();
  const code = text === '' ? '' : parseCustodyErrorCode(text);
  if (code === undefined) throw reader.fault('an unknown code');
  return code;
}

function readOneOf<T>(reader: WireReader, values: readonly T[]): T {
  const value = values[reader.u8()];
  if (value === undefined) throw reader.fault('a value is none of the known ones');
  return value;
}

function readServiceStatus(reader: WireReader): ServiceStatus {
  const alias = reader.str8();
  const kpHsId = readService(reader);
  const flags = reader.u8();
  if ((flags & ~(ENABLED | LATCHED | FROZEN)) !== 0) throw reader.fault('an unknown flag is set');
  return {
    alias,
    kpHsId,
    enabled: (flags & ENABLED) !== 0,
    latched: (flags & LATCHED) !== 0,
    frozen: (flags & FROZEN) !== 0,
    origin: reader.str8(),
    vouching: reader.str16(),
    certifiedUntil: reader.u64Number(),
    lastError: reader.str8(),
    lastErrorAt: reader.u64Number(),
    opened: { by: reader.str16(), at: reader.u64Number() },
    evidence: reader.u16(),
    clients: reader.u16(),
    settingsSerial: reader.u64Number(),
    periods: Array.from({ length: reader.u16() }, () => readPeriodStatus(reader)),
  };
}

function readPlace(reader: WireReader): Pick<PeriodStatus, 'inToken' | 'isUsable'> {
  const flags = reader.u8();
  if ((flags & ~(IN_TOKEN | USABLE)) !== 0) throw reader.fault('an unknown flag is set');
  return { inToken: (flags & IN_TOKEN) !== 0, isUsable: (flags & USABLE) !== 0 };
}

function readPeriodStatus(reader: WireReader): PeriodStatus {
  return {
    periodNum: reader.u64Number(),
    kpHsDescSign: reader.key(parseKpHsDescSign),
    from: reader.u64Number(),
    to: reader.u64Number(),
    exposureEnd: reader.u64Number(),
    floor: reader.u64Number(),
    lead: reader.u32(),
    ...readPlace(reader),
  };
}
