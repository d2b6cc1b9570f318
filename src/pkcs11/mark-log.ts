// Append-only marks: what must never be forgotten before a signature leaves. Fixed records, each durable by itself:
//   kind u8 | body 55 | first 8 bytes of SHA-256 over both

import { hash } from 'node:crypto';
import { closeSync, constants, fdatasyncSync, ftruncateSync, openSync } from 'node:fs';
import { CustodyError, toCustodyError } from './error.ts';
import { readCheckedFile, removeFile, replaceFile, writeFully } from './private-file.ts';
import { WireReader, WireWriter } from './wire.ts';

const RECORD_BYTES = 64;
const BODY_BYTES = 55;
const HEADER = 0;
const SPENT = 1;
const CHECKPOINT = 2;
const GENERATION = 3;
const MAX_BYTES = 64 << 20;
/** Records after which spent seconds that can never be asked for again are dropped. */
const COMPACT_RECORDS = 1 << 16;
const KEEP_SECONDS = 4 * 86_400;

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

/** The marks of one state folder. Every method that adds returns only when the mark is on disk. */
export class MarkLog {
  readonly #path: string;
  readonly #stateId: Uint8Array;
  readonly #spent = new Map<string, Map<number, SpentSecond>>();
  #checkpoint: CheckpointMark | undefined;
  #generation = 0n;
  #records = 0;
  #compactAt = COMPACT_RECORDS;
  #fd: number | undefined;

  private constructor(path: string, stateId: Uint8Array) {
    this.#path = path;
    this.#stateId = stateId;
  }

  /** Starts a log for a new state (`stateId` 16 bytes), replacing what is there. @throws CustodyError STATE_WRITE */
  static create(path: string, stateId: Uint8Array): MarkLog {
    const log = new MarkLog(path, stateId);
    log.#rewrite();
    return log;
  }

  /**
   * Reads the log of a state. A last record that was cut off by a crash was never relied on and is dropped.
   * @throws CustodyError STATE_MISSING, STATE_OWNER, STATE_CORRUPT (also for the log of another state), STATE_WRITE
   */
  static open(path: string, stateId: Uint8Array): MarkLog {
    removeFile(`${path}.new`);
    const demand = { maximum: MAX_BYTES, forbidden: 0o077 } as const;
    const bytes = readCheckedFile(path, { ...demand, missing: 'STATE_MISSING', refused: 'STATE_OWNER' });
    const log = new MarkLog(path, stateId);
    log.#load(bytes);
    log.#openForAppending(log.#records * RECORD_BYTES);
    return log;
  }

  /** Highest state generation that was recorded. */
  get generation(): bigint {
    return this.#generation;
  }

  get checkpoint(): CheckpointMark | undefined {
    return this.#checkpoint;
  }

  isSpent(spent: SpentSecond): boolean {
    return this.#spent.get(keyOf(spent))?.has(spent.second) ?? false;
  }

  /** Spends seconds together: all are on disk before it returns. @throws CustodyError STATE_WRITE */
  spend(seconds: readonly SpentSecond[]): void {
    this.#append(seconds.map(encodeSpent));
    for (const spent of seconds) this.#remember(spent);
    if (this.#records > this.#compactAt) this.#compact();
  }

  /** @throws CustodyError STATE_WRITE */
  recordCheckpoint(mark: CheckpointMark): void {
    this.#append([encodeCheckpoint(mark)]);
    this.#checkpoint = mark;
  }

  /** To be called after a state of this generation is on disk. @throws CustodyError STATE_WRITE */
  recordGeneration(generation: bigint): void {
    this.#append([record(GENERATION, out => out.u64(generation))]);
    this.#generation = generation;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #append(records: readonly Uint8Array[]): void {
    // After a failed write nobody knows what the disk holds: this process stops adding, the next one reads.
    const fd = this.#fd;
    if (fd === undefined) throw new CustodyError('STATE_WRITE');
    this.#fd = undefined;
    try {
      writeFully(fd, Buffer.concat(records));
      fdatasyncSync(fd);
    } catch (thrown) {
      closeSync(fd);
      throw toCustodyError(thrown, 'STATE_WRITE');
    }
    this.#fd = fd;
    this.#records += records.length;
  }

  #load(bytes: Uint8Array): void {
    const whole = Math.floor(bytes.length / RECORD_BYTES);
    for (let i = 0; i < whole; i++) {
      const part = bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
      if (!isIntact(part)) {
        if (i > 0 && i === whole - 1) break;
        throw new CustodyError('STATE_CORRUPT', 'the marks are damaged');
      }
      this.#take(part, i);
      this.#records = i + 1;
    }
    if (this.#records === 0) throw new CustodyError('STATE_CORRUPT', 'the marks have no header');
  }

  #take(part: Uint8Array, index: number): void {
    const reader = new WireReader(part, 'STATE_CORRUPT');
    const kind = reader.u8();
    if ((index === 0) !== (kind === HEADER)) throw reader.fault('the header is not the first mark');
    switch (kind) {
      case HEADER:
        if (!Buffer.from(reader.bytes(16)).equals(this.#stateId))
          throw reader.fault('marks of another state');
        return;
      case SPENT:
        this.#remember({ variant: reader.u16(), second: reader.u64Number(), kpHsBlindId: reader.bytes(32) });
        return;
      case CHECKPOINT:
        this.#checkpoint = { size: reader.u64(), root: reader.bytes(32) };
        return;
      case GENERATION:
        this.#generation = reader.u64();
        return;
      default:
        throw reader.fault('a mark of unknown kind');
    }
  }

  #remember(spent: SpentSecond): void {
    const key = keyOf(spent);
    const seconds = this.#spent.get(key) ?? new Map<number, SpentSecond>();
    this.#spent.set(key, seconds.set(spent.second, spent));
  }

  // Only after a signature's evidence agreed with the clock: a jumped clock must not drop marks.
  #compact(): void {
    const oldest = Date.now() / 1000 - KEEP_SECONDS;
    for (const [key, seconds] of this.#spent) {
      for (const second of seconds.keys()) if (second < oldest) seconds.delete(second);
      if (seconds.size === 0) this.#spent.delete(key);
    }
    this.#rewrite();
  }

  #rewrite(): void {
    this.close();
    const records = [record(HEADER, out => out.bytes(this.#stateId, 16))];
    if (this.#generation > 0n) records.push(record(GENERATION, out => out.u64(this.#generation)));
    if (this.#checkpoint !== undefined) records.push(encodeCheckpoint(this.#checkpoint));
    for (const seconds of this.#spent.values()) records.push(...[...seconds.values()].map(encodeSpent));
    replaceFile(this.#path, Buffer.concat(records));
    this.#records = records.length;
    this.#compactAt = Math.max(COMPACT_RECORDS, 2 * records.length);
    this.#openForAppending(this.#records * RECORD_BYTES);
  }

  #openForAppending(length: number): void {
    try {
      this.#fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      ftruncateSync(this.#fd, length);
    } catch (thrown) {
      throw toCustodyError(thrown, 'STATE_WRITE');
    }
  }
}

function keyOf(spent: SpentSecond): string {
  return `${Buffer.from(spent.kpHsBlindId).toString('hex')}/${spent.variant}`;
}

function encodeSpent(spent: SpentSecond): Uint8Array {
  return record(SPENT, out => out.u16(spent.variant).u64(spent.second).bytes(spent.kpHsBlindId, 32));
}

function encodeCheckpoint(mark: CheckpointMark): Uint8Array {
  return record(CHECKPOINT, out => out.u64(mark.size).bytes(mark.root, 32));
}

function record(kind: number, write: (out: WireWriter) => WireWriter): Uint8Array {
  const body = write(new WireWriter('STATE_CORRUPT').u8(kind)).finish();
  const padded = new Uint8Array(RECORD_BYTES);
  padded.set(body);
  padded.set(checkOf(padded), 1 + BODY_BYTES);
  return padded;
}

function checkOf(part: Uint8Array): Uint8Array {
  return hash('sha256', part.subarray(0, 1 + BODY_BYTES), 'buffer').subarray(
    0,
    RECORD_BYTES - 1 - BODY_BYTES,
  );
}

function isIntact(part: Uint8Array): boolean {
  return Buffer.from(checkOf(part)).equals(part.subarray(1 + BODY_BYTES));
}
