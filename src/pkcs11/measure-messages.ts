// FENCE and FREEZE: what an operator decides at once, for one service; FLOOR: the fence of a recovery, for all.

import type { KpHsId } from '../descriptor/index.ts';
import { readService } from './keyholder-messages.ts';
import { WireReader, WireWriter } from './wire.ts';

export function encodeFence(kpHsId: KpHsId): Uint8Array {
  return new WireWriter().bytes(kpHsId, 32).finish();
}

export function parseFence(payload: Uint8Array): KpHsId {
  const reader = new WireReader(payload);
  const kpHsId = readService(reader);
  reader.end();
  return kpHsId;
}

export function encodeFreeze(kpHsId: KpHsId, frozen: boolean): Uint8Array {
  return new WireWriter()
    .bytes(kpHsId, 32)
    .u8(frozen ? 1 : 0)
    .finish();
}

export function parseFreeze(payload: Uint8Array): { kpHsId: KpHsId; frozen: boolean } {
  const reader = new WireReader(payload);
  const [kpHsId, flag] = [readService(reader), reader.u8()];
  reader.end();
  if (flag > 1) throw reader.fault('a flag is neither 0 nor 1');
  return { kpHsId, frozen: flag === 1 };
}

/** `second` in Unix time. */
export function encodeFloor(second: number): Uint8Array {
  return new WireWriter().u64(second).finish();
}

export function parseFloor(payload: Uint8Array): number {
  const reader = new WireReader(payload);
  const second = reader.u64Number();
  reader.end();
  return second;
}
