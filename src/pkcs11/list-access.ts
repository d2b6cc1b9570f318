// The part of the canonical list that says who may read a service's descriptors and who may certify its address.

import { type CaaRecord, type KpHscDescEnc, parseKpHscDescEnc } from '../descriptor/index.ts';
import { CustodyError } from './error.ts';
import type { WireReader, WireWriter } from './wire.ts';

/** Bounds that no policy can widen. With more clients than these no three points fit into a descriptor. */
export const ACCESS_LIMITS = Object.freeze({ clients: 368, caa: 8, caaTag: 15, caaValue: 255 });

const CAA_TAG = /^[a-z0-9]+$/u;
/** What a line of a descriptor carries between quotation marks. */
const CAA_VALUE = /^[ !#-[\]-~]*$/u;
/** RFC 8659 section 4.1: nothing but the critical flag has a meaning. */
const CAA_FLAGS: readonly number[] = [0, 128];

/** Who may read a service's descriptors, and who may certify its address. */
export interface ListAccess {
  /** Keys of the authorized clients (32 bytes each), ascending; none: whoever knows the address may read. */
  readonly clients: readonly KpHscDescEnc[];
  /** Serial of the list under which the set of clients changed last: a set that comes back is another one. */
  readonly clientsSerial: number;
  /** Serial of the list under which anything changed last that texts carry: clients, CAA, single onion. */
  readonly settingsSerial: number;
  readonly caa: readonly CaaRecord[];
  readonly caaCritical: boolean;
}

/** Everything but `caaCritical`, which is a flag of the service. */
export function writeAccess(out: WireWriter, access: ListAccess): void {
  out.u64(access.clientsSerial).u64(access.settingsSerial).u16(access.clients.length);
  for (const client of access.clients) out.bytes(client, 32);
  out.u8(access.caa.length);
  for (const { flags, tag, value } of access.caa) out.u8(flags).str8(tag).str8(value);
}

/** @throws CustodyError LIST_SYNTAX; LIST_CLIENT for a key that is no client's */
export function readAccess(reader: WireReader): Omit<ListAccess, 'caaCritical'> {
  const [clientsSerial, settingsSerial] = [reader.u64Number(), reader.u64Number()];
  const clients = Array.from({ length: reader.u16() }, () => clientKey(reader.bytes(32)));
  const caa = Array.from({ length: reader.u8() }, () => ({
    flags: reader.u8(),
    tag: reader.str8(),
    value: reader.str8(),
  }));
  return { clients, clientsSerial, settingsSerial, caa };
}

/** @throws CustodyError LIST_BOUNDS, LIST_ORDER; LIST_CLIENT whose `denial` names CLIENT-KEY */
export function checkAccess(access: ListAccess, listSerial: number): void {
  const { clients, clientsSerial, settingsSerial, caa } = access;
  check(clients.length <= ACCESS_LIMITS.clients, 'the number of clients');
  check(Number.isSafeInteger(clientsSerial) && clientsSerial >= 1, 'the serial of the clients');
  check(settingsSerial >= clientsSerial && settingsSerial <= listSerial, 'the serial of the settings');
  for (const [i, client] of clients.entries()) {
    const before = clients[i - 1];
    clientKey(client);
    const order = before === undefined ? -1 : Buffer.compare(before, client);
    if (order === 0) throw refuseClient('a key stands twice');
    if (order > 0) throw new CustodyError('LIST_ORDER', 'the clients');
  }
  check(caa.length <= ACCESS_LIMITS.caa, 'the number of CAA records');
  for (const record of caa) checkCaa(record);
}

function checkCaa({ flags, tag, value }: CaaRecord): void {
  const fits = tag.length <= ACCESS_LIMITS.caaTag && value.length <= ACCESS_LIMITS.caaValue;
  check(fits && CAA_FLAGS.includes(flags) && CAA_TAG.test(tag) && CAA_VALUE.test(value), 'a CAA record');
}

function clientKey(bytes: Uint8Array): KpHscDescEnc {
  try {
    return parseKpHscDescEnc(bytes);
  } catch (cause) {
    throw refuseClient('not canonical or of low order', cause);
  }
}

function refuseClient(observed: string, cause?: unknown): CustodyError {
  const denial = { rule: 'CLIENT-KEY', observed, limit: 'X25519 public keys, each once' };
  return new CustodyError('LIST_CLIENT', denial.rule, { cause, denial });
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new CustodyError('LIST_BOUNDS', what);
}
