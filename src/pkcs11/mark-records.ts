// Marks as bytes: fixed records, each good or bad by itself:
//   kind u8 | body 55 | first 8 bytes of SHA-256 over both

import { hash } from 'node:crypto';
import { WireReader, WireWriter } from './wire.ts';

export const RECORD_BYTES = 64;
const CHECKED_BYTES = 56;

const KIND = Object.freeze({
  header: 0,
  spent: 1,
  checkpoint: 2,
  generation: 3,
  floor: 4,
  proven: 5,
  frozen: 6,
  fence: 7,
});

/** One second of one blinded key and variant; can be spent once. */
export interface SpentSecond {
  readonly kpHsBlindId: Uint8Array;
  readonly variant: number;
  readonly second: number;
}

/** Size and root hash (32 bytes) of the newest checkpoint that was signed. */
export interface CheckpointMark {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/** Counters of a blinded key: seconds before `floor` are spent, and each text spends one `lead` seconds after its use. */
export interface Fence {
  readonly floor: number;
  readonly lead: number;
}

/** One record. Times in Unix seconds. */
export type Mark =
  | { readonly kind: 'header'; readonly stateId: Uint8Array }
  /** `at` is when it was spent. */
  | { readonly kind: 'spent'; readonly spent: SpentSecond; readonly at: number }
  | { readonly kind: 'checkpoint'; readonly checkpoint: CheckpointMark }
  | { readonly kind: 'generation'; readonly generation: bigint }
  /** All seconds before it are spent; their own marks were dropped. */
  | { readonly kind: 'floor'; readonly second: number }
  /** Evidence proved that it is not earlier than this. */
  | { readonly kind: 'proven'; readonly second: number }
  /** Whether nothing is signed for this identity; of several the last counts. */
  | { readonly kind: 'frozen'; readonly kpHsId: Uint8Array; readonly frozen: boolean }
  /** Of several of a blinded key the highest counts. */
  | { readonly kind: 'fence'; readonly kpHsBlindId: Uint8Array; readonly fence: Fence };

/** A record of 64 bytes. @throws CustodyError STATE_CORRUPT for a value out of range */
export function encodeMark(mark: Mark): Uint8Array {
  const padded = new Uint8Array(RECORD_BYTES);
  padded.set(encodeBody(mark, new WireWriter('STATE_CORRUPT').u8(KIND[mark.kind])).finish());
  padded.set(checkOf(padded), CHECKED_BYTES);
  return padded;
}

/** Reads an intact record. @throws CustodyError STATE_CORRUPT for one that nobody writes */
export function parseMark(record: Uint8Array): Mark {
  const reader = new WireReader(record, 'STATE_CORRUPT');
  const mark = readBody(reader);
  reader.zerosUntil(CHECKED_BYTES);
  return mark;
}

function readBody(reader: WireReader): Mark {
  const kind = reader.u8();
  switch (kind) {
    case KIND.header:
      return { kind: 'header', stateId: reader.bytes(16) };
    case KIND.spent: {
      const [variant, second, kpHsBlindId] = [reader.u16(), reader.u64Number(), reader.bytes(32)];
      return { kind: 'spent', spent: { kpHsBlindId, variant, second }, at: reader.u64Number() };
    }
    case KIND.checkpoint:
      return { kind: 'checkpoint', checkpoint: { size: reader.u64(), root: reader.bytes(32) } };
    case KIND.generation:
      return { kind: 'generation', generation: reader.u64() };
    case KIND.floor:
      return { kind: 'floor', second: reader.u64Number() };
    case KIND.proven:
      return { kind: 'proven', second: reader.u64Number() };
    case KIND.frozen:
      return { kind: 'frozen', kpHsId: reader.bytes(32), frozen: readFlag(reader) };
    case KIND.fence: {
      const kpHsBlindId = reader.bytes(32);
      return {
        kind: 'fence',
        kpHsBlindId,
        fence: { floor: reader.u64Number(), lead: reader.u64Number() },
      };
    }
    default:
      throw reader.fault('a mark of unknown kind');
  }
}

function readFlag(reader: WireReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw reader.fault('a flag is neither 0 nor 1');
  return flag === 1;
}

/** Whether the disk gave back what was written: 64 bytes with their checksum. */
export function isIntact(record: Uint8Array): boolean {
  return Buffer.from(checkOf(record)).equals(record.subarray(CHECKED_BYTES));
}

function encodeBody(mark: Mark, out: WireWriter): WireWriter {
  switch (mark.kind) {
    case 'header':
      return out.bytes(mark.stateId, 16);
    case 'spent': {
      const { variant, second, kpHsBlindId } = mark.spent;
      return out.u16(variant).u64(second).bytes(kpHsBlindId, 32).u64(mark.at);
    }
    case 'checkpoint':
      return out.u64(mark.checkpoint.size).bytes(mark.checkpoint.root, 32);
    case 'generation':
      return out.u64(mark.generation);
    case 'floor':
    case 'proven':
      return out.u64(mark.second);
    case 'frozen':
      return out.bytes(mark.kpHsId, 32).u8(mark.frozen ? 1 : 0);
    case 'fence':
      return out.bytes(mark.kpHsBlindId, 32).u64(mark.fence.floor).u64(mark.fence.lead);
  }
}

function checkOf(record: Uint8Array): Uint8Array {
  return hash('sha256', record.subarray(0, CHECKED_BYTES), 'buffer').subarray(
    0,
    RECORD_BYTES - CHECKED_BYTES,
  );
}
