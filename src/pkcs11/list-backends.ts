// The part of the canonical list that says whose points a service may show, and whose it may not.

import { type KpHsId, parseKpHsId } from '../descriptor/index.ts';
import { CustodyError } from './error.ts';
import type { WireReader, WireWriter } from './wire.ts';

/** Bound that no policy can widen. */
const MAX_RETIRED = 1000;

/** An onion service whose points a service may list. */
export interface ListBackend {
  readonly name: string;
  readonly kpHsId: KpHsId;
}

interface ServiceKeys {
  readonly alias: string;
  readonly kpHsId: KpHsId;
  readonly backends: readonly ListBackend[];
}

/** Whoever knows the torsion part of a key could forge its evidence. @throws CustodyError LIST_BACKEND (BACKEND-KEY) */
export function backendKey(name: string, bytes: Uint8Array): KpHsId {
  try {
    return parseKpHsId(bytes);
  } catch (cause) {
    throw refuseBackend('BACKEND-KEY', name, 'a canonical key of prime order', cause);
  }
}

/** Every key has one place in a list: one service, or one backend of one service. */
export function checkKeys(services: readonly ServiceKeys[]): void {
  const ours = new Set<string>();
  for (const service of services) {
    const key = hexOf(service.kpHsId);
    if (ours.has(key)) throw new CustodyError('LIST_DUPLICATE', service.alias);
    ours.add(key);
  }
  const holders = new Map<string, string>();
  for (const service of services) {
    for (const backend of service.backends) {
      const key = hexOf(backend.kpHsId);
      if (ours.has(key)) throw refuseBackend('BACKEND-NOT-OURS', backend.name, 'no service of this signer');
      const holder = holders.get(key);
      if (holder === service.alias) throw new CustodyError('LIST_DUPLICATE', backend.name);
      if (holder !== undefined) throw refuseBackend('BACKEND-EXCLUSIVE', backend.name, 'one service');
      holders.set(key, service.alias);
    }
  }
}

/** Keys of retired backends, 32 bytes each behind their number. */
export function writeRetired(out: WireWriter, retired: readonly KpHsId[]): void {
  out.u16(retired.length);
  for (const key of retired) out.bytes(key, 32);
}

/** @throws CustodyError LIST_SYNTAX; LIST_BACKEND (BACKEND-KEY) */
export const readRetired = (reader: WireReader): KpHsId[] =>
  Array.from({ length: reader.u16() }, () => backendKey('retired', reader.bytes(32)));

/** @throws CustodyError LIST_BOUNDS, LIST_ORDER, LIST_DUPLICATE; LIST_BACKEND (BACKEND-RETIRED) */
export function checkRetired(services: readonly ServiceKeys[], retired: readonly KpHsId[]): void {
  if (retired.length > MAX_RETIRED) throw new CustodyError('LIST_BOUNDS', 'the number of retired backends');
  for (const [i, key] of retired.entries()) {
    const before = retired[i - 1];
    const order = before === undefined ? -1 : Buffer.compare(before, key);
    if (order === 0) throw new CustodyError('LIST_DUPLICATE', 'a retired backend');
    if (order > 0) throw new CustodyError('LIST_ORDER', 'the retired backends');
  }
  const barred = new Set(retired.map(hexOf));
  const returned = services
    .flatMap(({ backends }) => backends)
    .find(({ kpHsId }) => barred.has(hexOf(kpHsId)));
  if (returned !== undefined) throw refuseBackend('BACKEND-RETIRED', returned.name, 'no retired backend');
}

function refuseBackend(rule: string, observed: string, limit: string, cause?: unknown): CustodyError {
  return new CustodyError('LIST_BACKEND', rule, { cause, denial: { rule, observed, limit } });
}

function hexOf(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}
