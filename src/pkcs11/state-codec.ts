// The keyholder's state as bytes: one part with what is public or will be, one part with nothing but secrets, which
// is built, sealed and opened in locked memory. Both under the host's key (XChaCha20-Poly1305), bound together.

import { parseKpHsDescSign } from '../descriptor/index.ts';
import type { Rung } from './blinded-sign.ts';
import { CustodyError } from './error.ts';
import { hkdfSha256Into } from './hkdf.ts';
import { Secret, equalSecrets, fillRandom, xchachaOpen, xchachaSeal } from './locked-memory.ts';
import { VOUCHING_BYTES } from './note-key.ts';
import type { LastOpening } from './openings.ts';
import type { PinTable } from './host-pins.ts';
import { readPinRecords, writePinRecords } from './pin-tags.ts';
import { SIGNING_KEY_ID_BYTES, type SigningKeyRecord, type TokenKeyRecord } from './signing-key-record.ts';
import { WireReader, WireWriter } from './wire.ts';

const MAGIC = new TextEncoder().encode('onion-signer keyholder state 4\n');
/** How a state of any release begins. */
const ANY_STATE = MAGIC.subarray(0, -2);
const KEY_ID_LABEL = new TextEncoder().encode('onion-signer host key id');
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const SECRET_BYTES = 32;
/** By their number in the file. */
const KEY_KINDS = ['seed', 'token'] as const;

const MAX_OPEN_PART = 16 << 20;
const MAX_SECRETS = 1 << 15;

/** Largest file that `openState` is ever given. */
export const MAX_STATE_BYTES = MAX_OPEN_PART + (1 << 20) + 4096;

/** What is kept of one time period of one service. */
export interface PeriodRecord {
  readonly periodNum: number;
  readonly lengthMinutes: number;
  readonly offsetSeconds: number;
  /** KS_hs_desc_sign. */
  readonly key: SigningKeyRecord;
  /** Derived from the per-service secret for this period, 32 bytes. */
  readonly secret: Secret;
  readonly ladder: readonly Rung[];
}

/** What is kept of one service. Its per-service secret is not: each opening brings it again. */
export interface ServiceRecord {
  readonly kpHsId: Uint8Array;
  /** `born` or `imported-YYYY-MM-DD`, as its envelope says. */
  readonly origin: string;
  /** The identity's word for the checkpoint key, 64 bytes; empty before the first opening. */
  readonly vouching: Uint8Array;
  readonly opened: LastOpening;
  readonly periods: readonly PeriodRecord[];
}

/** Everything that the keyholder remembers beside its marks. */
export interface KeyholderState extends PinTable {
  /** 16 random bytes; ties the marks to this state. */
  readonly id: Uint8Array;
  /** Raised by every save. */
  readonly generation: bigint;
  readonly listSerial: number;
  /** SHA-256 of the list of that serial; zeros before the first. */
  readonly listDigest: Uint8Array;
  readonly checkpointSeed: Secret;
  readonly services: readonly ServiceRecord[];
  /** Keys on the token that were made ahead. One that a period names as well is in use. */
  readonly spareKeys: readonly TokenKeyRecord[];
}

/** Seals a state under the host's key (32 bytes). @throws CustodyError STATE_CORRUPT when it does not fit its bounds */
export function sealState(state: KeyholderState, hostKey: Secret): Uint8Array {
  const open = encodeOpenPart(state);
  const secrets = secretsOf(state);
  if (open.length > MAX_OPEN_PART || secrets.length > MAX_SECRETS) {
    throw new CustodyError('STATE_CORRUPT', 'the state outgrew its bounds');
  }
  return hostKey.use(key => {
    const first = seal(open, key, MAGIC);
    const joined = new Secret(secrets.length * SECRET_BYTES);
    try {
      joined.use(bytes => {
        for (const [i, secret] of secrets.entries()) secret.use(part => bytes.set(part, i * SECRET_BYTES));
      });
      const second = joined.use(bytes => seal(bytes, key, bindingOf(first)));
      const out = new WireWriter('STATE_CORRUPT')
        .bytes(MAGIC, MAGIC.length)
        .bytes(keyIdOf(key), KEY_ID_BYTES);
      return out.blob32(first).blob32(second).finish();
    } finally {
      joined.wipe();
    }
  });
}

/**
 * Opens a sealed state.
 * @throws CustodyError STATE_VERSION (of another release), STATE_SEALED (another host's key), STATE_CORRUPT (not a
 *   state, changed, cut)
 */
export function openState(bytes: Uint8Array, hostKey: Secret): KeyholderState {
  const reader = new WireReader(bytes, 'STATE_CORRUPT');
  const magic = Buffer.from(reader.bytes(MAGIC.length));
  if (!magic.equals(MAGIC)) {
    if (magic.subarray(0, ANY_STATE.length).equals(ANY_STATE)) throw new CustodyError('STATE_VERSION');
    throw reader.fault('no state of a keyholder');
  }
  const keyId = reader.bytes(KEY_ID_BYTES);
  const first = reader.blob32(MAX_OPEN_PART + NONCE_BYTES + TAG_BYTES);
  const second = reader.blob32(MAX_SECRETS * SECRET_BYTES + NONCE_BYTES + TAG_BYTES);
  reader.end();
  return hostKey.use(key => {
    if (!equalSecrets(keyIdOf(key), keyId)) throw new CustodyError('STATE_SEALED');
    const open = new Uint8Array(Math.max(0, first.length - NONCE_BYTES - TAG_BYTES));
    unseal(open, first, key, MAGIC);
    const joined = new Secret(Math.max(1, second.length - NONCE_BYTES - TAG_BYTES));
    try {
      joined.use(out => unseal(out, second, key, bindingOf(first)));
      return decodeState(open, joined);
    } finally {
      joined.wipe();
    }
  });
}

/** Wipes every secret of a state. */
export function wipeState(state: KeyholderState): void {
  for (const secret of secretsOf(state)) secret.wipe();
}

function encodeOpenPart(state: KeyholderState): Uint8Array {
  const out = new WireWriter('STATE_CORRUPT').bytes(state.id, 16).u64(state.generation);
  out.u64(state.listSerial).bytes(state.listDigest, 32);
  out.u8(state.refusedPins.length);
  for (const name of state.refusedPins) out.bytes(name, 32);
  writePinRecords(out, state.pins);
  out.u16(state.services.length);
  for (const service of state.services) {
    out.bytes(service.kpHsId, 32).str8(service.origin).blob32(service.vouching);
    out.str16(service.opened.by).u64(service.opened.at).u16(service.periods.length);
    for (const period of service.periods) {
      out.u64(period.periodNum).u32(period.lengthMinutes).u32(period.offsetSeconds).u16(period.ladder.length);
      for (const rung of period.ladder) out.u32(rung.expiryHours).bytes(rung.signature, 64);
      out.u8(KEY_KINDS.indexOf(period.key.kind));
      if (period.key.kind === 'token') writeTokenKey(out, period.key);
    }
  }
  out.u16(state.spareKeys.length);
  for (const record of state.spareKeys) writeTokenKey(out, record);
  out.u8(state.takenPins.length);
  for (const name of state.takenPins) out.bytes(name, 32);
  return out.finish();
}

/** In the order in which the open part names their owners. */
function secretsOf(state: KeyholderState): Secret[] {
  const periods = state.services.flatMap(service => service.periods);
  return [
    state.checkpointSeed,
    ...periods.flatMap(({ key, secret }) => (key.kind === 'seed' ? [key.seed, secret] : [secret])),
  ];
}

function decodeState(open: Uint8Array, joined: Secret): KeyholderState {
  const reader = new WireReader(open, 'STATE_CORRUPT');
  const taken: Secret[] = [];
  const take = (): Secret => {
    const at = taken.length * SECRET_BYTES;
    if (at + SECRET_BYTES > joined.length) throw reader.fault('a secret is missing');
    const secret = joined.use(bytes => Secret.copyOf(bytes.subarray(at, at + SECRET_BYTES)));
    taken.push(secret);
    return secret;
  };
  try {
    const state = readState(reader, take);
    reader.end();
    if (taken.length * SECRET_BYTES !== joined.length) throw reader.fault('a secret belongs to nobody');
    return state;
  } catch (thrown) {
    for (const secret of taken) secret.wipe();
    throw thrown;
  }
}

function readState(reader: WireReader, take: () => Secret): KeyholderState {
  return {
    id: reader.bytes(16),
    generation: reader.u64(),
    listSerial: reader.u64Number(),
    listDigest: reader.bytes(32),
    refusedPins: Array.from({ length: reader.u8() }, () => reader.bytes(32)),
    pins: readPinRecords(reader),
    checkpointSeed: take(),
    services: Array.from({ length: reader.u16() }, () => ({
      kpHsId: reader.bytes(32),
      origin: reader.str8(),
      vouching: readVouching(reader),
      opened: { by: reader.str16(), at: reader.u64Number() },
      periods: Array.from({ length: reader.u16() }, () => readPeriod(reader, take)),
    })),
    spareKeys: Array.from({ length: reader.u16() }, () => readTokenKey(reader)),
    // States of this format from before there were any end here.
    takenPins: Array.from({ length: reader.isAtEnd ? 0 : reader.u8() }, () => reader.bytes(32)),
  };
}

function readVouching(reader: WireReader): Uint8Array {
  const signature = reader.blob32(VOUCHING_BYTES);
  if (signature.length !== 0 && signature.length !== VOUCHING_BYTES) throw reader.fault('a vouching is cut');
  return signature;
}

function readPeriod(reader: WireReader, take: () => Secret): PeriodRecord {
  const fields = {
    periodNum: reader.u64Number(),
    lengthMinutes: reader.u32(),
    offsetSeconds: reader.u32(),
    ladder: Array.from({ length: reader.u16() }, () => ({
      expiryHours: reader.u32(),
      signature: reader.bytes(64),
    })),
  };
  // In this order stand the secrets.
  const key = readKey(reader, take);
  return { ...fields, key, secret: take() };
}

function readKey(reader: WireReader, take: () => Secret): SigningKeyRecord {
  const kind = KEY_KINDS[reader.u8()];
  if (kind === undefined) throw reader.fault('a key of an unknown kind');
  return kind === 'seed' ? { kind, seed: take() } : { kind, ...readTokenKey(reader) };
}

function writeTokenKey(out: WireWriter, { id, kpHsDescSign }: TokenKeyRecord): void {
  out.bytes(id, SIGNING_KEY_ID_BYTES).bytes(kpHsDescSign, 32);
}

function readTokenKey(reader: WireReader): TokenKeyRecord {
  return { id: reader.bytes(SIGNING_KEY_ID_BYTES), kpHsDescSign: reader.key(parseKpHsDescSign) };
}

/** nonce | ciphertext | tag */
function seal(plaintext: Uint8Array, key: Uint8Array, ad: Uint8Array): Uint8Array {
  const out = new Uint8Array(NONCE_BYTES + plaintext.length + TAG_BYTES);
  const nonce = out.subarray(0, NONCE_BYTES);
  fillRandom(nonce);
  xchachaSeal(out.subarray(NONCE_BYTES), plaintext, key, nonce, ad);
  return out;
}

function unseal(out: Uint8Array, sealed: Uint8Array, key: Uint8Array, ad: Uint8Array): void {
  if (!xchachaOpen(out, sealed.subarray(NONCE_BYTES), key, sealed.subarray(0, NONCE_BYTES), ad)) {
    throw new CustodyError('STATE_CORRUPT');
  }
}

/** Associated data of the second part: the nonce and tag of the first, so that no two files can be mixed. */
function bindingOf(first: Uint8Array): Uint8Array {
  return Buffer.concat([MAGIC, first.subarray(0, NONCE_BYTES), first.subarray(-TAG_BYTES)]);
}

/** Says which key sealed a file without saying anything about it. */
function keyIdOf(key: Uint8Array): Uint8Array {
  const id = new Uint8Array(KEY_ID_BYTES);
  hkdfSha256Into(id, key, new Uint8Array(0), KEY_ID_LABEL);
  return id;
}
