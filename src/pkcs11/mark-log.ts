// Append-only marks: what must never be forgotten before a signature leaves, as far as a period key can still ask.

import { closeSync, constants, fdatasyncSync, ftruncateSync, openSync } from 'node:fs';
import { CustodyError, toCustodyError } from './error.ts';
import { MAX_TARGETS } from './keyholder-messages.ts';
import {
  type CheckpointMark,
  type Fence,
  type Mark,
  RECORD_BYTES,
  type SpentSecond,
  encodeMark,
  isIntact,
  parseMark,
} from './mark-records.ts';
import { MeasureMarks } from './measure-marks.ts';
import { readCheckedFile, removeFile, replaceFile, writeFully } from './private-file.ts';

export type { CheckpointMark, Fence, SpentSecond } from './mark-records.ts';

/** Largest file that is ever written, and read. */
const MAX_BYTES = 64 << 20;
/** Room that spent seconds leave to the other marks. */
const RESERVED_BYTES = 64 << 10;
/** From here on seconds that can never be asked for again are dropped. */
const COMPACT_BYTES = 4 << 20;
/** Dropped are seconds so much before everything that is known of the time. */
const KEEP_SECONDS = 3600;
/** Between two attempts to make room in a log that is full of what is still needed. */
const RETRY_SECONDS = 60;
/** One order and what goes with it: so many records a crash may leave half written. */
const BATCH_RECORDS = MAX_TARGETS + 1;

/** What is known of the time when seconds are spent, Unix seconds. */
export interface SpendTime {
  /** The clock. */
  readonly at: number;
  /** It is not earlier than this, whatever the clock says: see ProvenTime. 0 when nothing is known. */
  readonly proven: number;
}

/** Seconds of one blinded key and variant, each with when it was spent. */
interface SpentGroup extends Omit<SpentSecond, 'second'> {
  readonly seconds: Map<number, number>;
}

/** The marks of one state folder. Every method that adds returns only when the mark is on disk. */
export class MarkLog {
  readonly #path: string;
  readonly #stateId: Uint8Array;
  readonly #maximum: number;
  readonly #spent = new Map<string, SpentGroup>();
  readonly #measures = new MeasureMarks();
  #checkpoint: CheckpointMark | undefined;
  #generation = 0n;
  #floor = 0;
  #proven = 0;
  #bytes = 0;
  #compactAt = COMPACT_BYTES;
  #retryAt = 0;
  #fd: number | undefined;

  private constructor(path: string, stateId: Uint8Array, maximum: number) {
    this.#path = path;
    this.#stateId = stateId;
    this.#maximum = maximum;
  }

  /**
   * Starts a log for a new state (`stateId` 16 bytes), replacing what is there; it never grows beyond `maximum`
   * bytes. @throws CustodyError STATE_WRITE
   */
  static create(path: string, stateId: Uint8Array, maximum = MAX_BYTES): MarkLog {
    const log = new MarkLog(path, stateId, maximum);
    log.#rewrite();
    return log;
  }

  /**
   * Reads the log of a state. Records at its end that a crash left half written, one order of them at most, were
   * never relied on and are dropped.
   * @throws CustodyError STATE_MISSING, STATE_OWNER, STATE_FULL (larger than any that is written), STATE_CORRUPT
   *   (also for the log of another state), STATE_WRITE
   */
  static open(path: string, stateId: Uint8Array, maximum = MAX_BYTES): MarkLog {
    removeFile(`${path}.new`);
    const codes = { missing: 'STATE_MISSING', refused: 'STATE_OWNER', tooLarge: 'STATE_FULL' } as const;
    const bytes = readCheckedFile(path, { maximum, forbidden: 0o077, ...codes });
    const log = new MarkLog(path, stateId, maximum);
    log.#load(bytes);
    log.#openForAppending();
    return log;
  }

  /** Highest state generation that was recorded. */
  get generation(): bigint {
    return this.#generation;
  }

  get checkpoint(): CheckpointMark | undefined {
    return this.#checkpoint;
  }
  /** The latest time that was proven when seconds were spent; 0 for none. */
  get proven(): number {
    return this.#proven;
  }

  isSpent(spent: SpentSecond): boolean {
    if (spent.second < Math.max(this.#floor, this.fenceOf(spent.kpHsBlindId).floor)) return true;
    return this.#spent.get(keyOf(spent))?.seconds.has(spent.second) ?? false;
  }

  isFrozen(kpHsId: Uint8Array): boolean {
    return this.#measures.isFrozen(kpHsId);
  }

  fenceOf(kpHsBlindId: Uint8Array): Fence {
    return this.#measures.fenceOf(kpHsBlindId);
  }

  lastSpent(of: Omit<SpentSecond, 'second'>): number {
    let last = 0;
    for (const second of this.#spent.get(keyOf(of))?.seconds.keys() ?? []) last = Math.max(last, second);
    return last;
  }

  /** When seconds of a blinded key and variant were spent, one entry for each that is still remembered. */
  spentAt(of: Omit<SpentSecond, 'second'>): readonly number[] {
    return [...(this.#spent.get(keyOf(of))?.seconds.values() ?? [])];
  }

  /**
   * Spends seconds together: all are on disk before it returns. Drops old marks when the log grows long.
   * @throws CustodyError STATE_WRITE, STATE_FULL when all marks are still needed; nothing is spent then
   */
  spend(seconds: readonly SpentSecond[], time: SpendTime): void {
    const marks: Mark[] = seconds.map(spent => ({ kind: 'spent', spent, at: time.at }));
    if (time.proven > this.#proven) marks.unshift({ kind: 'proven', second: time.proven });
    this.#makeRoom(marks.length, time);
    this.#append(marks);
  }

  /** @throws CustodyError STATE_WRITE, STATE_FULL */
  recordCheckpoint(checkpoint: CheckpointMark): void {
    this.#appendOne({ kind: 'checkpoint', checkpoint });
  }

  /** Nothing is to be signed for this identity, or it is again. @throws CustodyError STATE_WRITE, STATE_FULL */
  freeze(kpHsId: Uint8Array, frozen: boolean): void {
    if (this.isFrozen(kpHsId) !== frozen) this.#appendOne({ kind: 'frozen', kpHsId, frozen });
  }

  /** Never lowers what there is. @throws CustodyError STATE_WRITE, STATE_FULL */
  raiseFence(kpHsBlindId: Uint8Array, fence: Fence): void {
    const mark = this.#measures.raised(kpHsBlindId, fence);
    if (mark !== undefined) this.#appendOne(mark);
  }

  /** Spends every second before this one, of every key. @throws CustodyError STATE_WRITE, STATE_FULL */
  raiseFloor(second: number): void {
    if (second > this.#floor) this.#appendOne({ kind: 'floor', second });
  }

  /** To be called after a state of this generation is on disk. @throws CustodyError STATE_WRITE, STATE_FULL */
  recordGeneration(generation: bigint): void {
    this.#appendOne({ kind: 'generation', generation });
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #appendOne(mark: Mark): void {
    // Of these only the last of a kind counts, so that a new file always has room for more.
    if (this.#bytes + RECORD_BYTES > this.#maximum) this.#rewrite();
    if (this.#bytes + RECORD_BYTES > this.#maximum) throw new CustodyError('STATE_FULL');
    this.#append([mark]);
  }

  #append(marks: readonly Mark[]): void {
    // After a failed write nobody knows what the disk holds: this process stops adding, the next one reads.
    const fd = this.#fd;
    if (fd === undefined) throw new CustodyError('STATE_WRITE');
    const bytes = Buffer.concat(marks.map(encodeMark));
    this.#fd = undefined;
    try {
      writeFully(fd, bytes);
      fdatasyncSync(fd);
    } catch (thrown) {
      closeSync(fd);
      throw toCustodyError(thrown, 'STATE_WRITE');
    }
    this.#fd = fd;
    this.#bytes += bytes.length;
    for (const mark of marks) this.#take(mark);
  }

  #makeRoom(count: number, time: SpendTime): void {
    const limit = this.#maximum - Math.min(RESERVED_BYTES, this.#maximum / 4);
    const needed = this.#bytes + count * RECORD_BYTES;
    if (needed <= Math.min(limit, this.#compactAt)) return;
    if (time.at >= this.#retryAt || time.at < this.#retryAt - RETRY_SECONDS) {
      this.#retryAt = time.at + RETRY_SECONDS;
      this.#compact(Math.min(time.at, time.proven) - KEEP_SECONDS);
    }
    if (this.#bytes + count * RECORD_BYTES > limit) throw new CustodyError('STATE_FULL');
  }

  #load(bytes: Uint8Array): void {
    const recordAt = (i: number): Uint8Array => bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
    const whole = Math.floor(bytes.length / RECORD_BYTES);
    let count = whole;
    while (count > 1 && whole - count < BATCH_RECORDS && !isIntact(recordAt(count - 1))) count -= 1;
    if (count === 0) throw new CustodyError('STATE_CORRUPT', 'the marks have no header');
    for (let i = 0; i < count; i++) {
      if (!isIntact(recordAt(i))) throw new CustodyError('STATE_CORRUPT', 'the marks are damaged');
      const mark = parseMark(recordAt(i));
      if ((i === 0) !== (mark.kind === 'header'))
        throw new CustodyError('STATE_CORRUPT', 'the header is not the first mark');
      this.#take(mark);
    }
    this.#bytes = count * RECORD_BYTES;
    this.#compactAt = Math.max(COMPACT_BYTES, this.#bytes);
  }

  #take(mark: Mark): void {
    switch (mark.kind) {
      case 'header':
        if (!Buffer.from(mark.stateId).equals(this.#stateId))
          throw new CustodyError('STATE_CORRUPT', 'marks of another state');
        return;
      case 'spent': {
        const { kpHsBlindId, variant, second } = mark.spent;
        const key = keyOf(mark.spent);
        const group = this.#spent.get(key) ?? { kpHsBlindId, variant, seconds: new Map() };
        group.seconds.set(second, mark.at);
        this.#spent.set(key, group);
        return;
      }
      case 'checkpoint':
        this.#checkpoint = mark.checkpoint;
        return;
      case 'generation':
        this.#generation = mark.generation;
        return;
      case 'frozen':
      case 'fence':
        this.#measures.take(mark);
        return;
      case 'floor':
        this.#floor = Math.max(this.#floor, mark.second);
        return;
      case 'proven':
        this.#proven = Math.max(this.#proven, mark.second);
    }
  }

  /** Seconds before `floor` lose their marks and stay spent together, so that no clock brings them back. */
  #compact(floor: number): void {
    this.#floor = Math.max(this.#floor, floor);
    for (const [key, { seconds }] of this.#spent) {
      for (const second of seconds.keys()) if (second < this.#floor) seconds.delete(second);
      if (seconds.size === 0) this.#spent.delete(key);
    }
    this.#measures.compact(this.#floor);
    this.#rewrite();
  }

  #rewrite(): void {
    this.close();
    const marks: Mark[] = [{ kind: 'header', stateId: this.#stateId }];
    if (this.#generation > 0n) marks.push({ kind: 'generation', generation: this.#generation });
    if (this.#checkpoint !== undefined) marks.push({ kind: 'checkpoint', checkpoint: this.#checkpoint });
    if (this.#floor > 0) marks.push({ kind: 'floor', second: this.#floor });
    if (this.#proven > 0) marks.push({ kind: 'proven', second: this.#proven });
    marks.push(...this.#measures.marks());
    for (const { kpHsBlindId, variant, seconds } of this.#spent.values()) {
      for (const [second, at] of seconds)
        marks.push({ kind: 'spent', spent: { kpHsBlindId, variant, second }, at });
    }
    replaceFile(this.#path, Buffer.concat(marks.map(encodeMark)));
    this.#bytes = marks.length * RECORD_BYTES;
    this.#compactAt = Math.max(COMPACT_BYTES, 2 * this.#bytes);
    this.#openForAppending();
  }

  #openForAppending(): void {
    try {
      this.#fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      ftruncateSync(this.#fd, this.#bytes);
    } catch (thrown) {
      throw toCustodyError(thrown, 'STATE_WRITE');
    }
  }
}

function keyOf({ kpHsBlindId, variant }: Omit<SpentSecond, 'second'>): string {
  return `${Buffer.from(kpHsBlindId).toString('hex')}/${variant}`;
}
