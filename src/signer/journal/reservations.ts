import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SignerError } from '../contract/problems.ts';
import { MAX_SECONDS, type EntrySecond } from './entries.ts';
import type { JournalArchive } from './archive.ts';
import type { EntryWriter } from './entry-writer.ts';

/** One second of one blinded key (32 bytes) and variant (0..65535), to be spent. */
export interface ReservedSecond {
  readonly kpHsBlindId: Uint8Array;
  readonly variant: number;
  /** Unix time. */
  readonly second: number;
}

export interface ReserveRequest {
  readonly publisher: string;
  readonly service: string;
  readonly requestId: string;
  /** SHA-256 of what the request asks for, 64 hex digits. */
  readonly requestDigest: string;
  readonly seconds: readonly ReservedSecond[];
}

export type ReserveOutcome =
  | { readonly kind: 'reserved'; readonly reserved: Reserved }
  /** `retryAfter` in seconds. */
  | {
      readonly kind: 'conflict';
      readonly code: 'SECOND_SPENT' | 'REQUEST_IN_FLIGHT';
      readonly retryAfter: number;
    }
  /** The answer that was released for this request. */
  | { readonly kind: 'replay'; readonly answer: string }
  /** The id belongs to another request, or to one that was answered more than REPLAY_SECONDS ago. */
  | { readonly kind: 'id-reused' };

/** How long an answer is given again for the same id. Later its texts are old, and a fresh id costs nothing. */
export const REPLAY_SECONDS = 3600;

/** Who asked what under which id. */
export type RequestName = Pick<ReserveRequest, 'publisher' | 'service' | 'requestId' | 'requestDigest'>;

/** Seconds that are spent on disk for one request. Only the journal makes one. */
class ReservedSeconds {
  readonly #request: ReserveRequest;
  /** Index of the entry that spends them. */
  readonly entry: number;

  constructor(request: ReserveRequest, entry: number) {
    this.#request = request;
    this.entry = entry;
  }

  get publisher(): string {
    return this.#request.publisher;
  }

  get service(): string {
    return this.#request.service;
  }

  get requestId(): string {
    return this.#request.requestId;
  }

  get seconds(): readonly ReservedSecond[] {
    return this.#request.seconds;
  }
}

export type Reserved = ReservedSeconds;

/** The tables marks, reservations and requests. The caller has a transaction open. */
export class Reservations {
  readonly #writer: EntryWriter;
  readonly #archive: JournalArchive;
  /** Reservations of this process that are neither released nor given up. */
  readonly #live = new Map<number, ReservedSeconds>();
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;

  constructor(db: DatabaseSync, writer: EntryWriter, archive: JournalArchive) {
    this.#writer = writer;
    this.#archive = archive;
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)]);
    this.#sql = Object.fromEntries(prepared) as Record<keyof typeof SQL, StatementSync>;
  }

  /**
   * What an earlier request with this id means for this one at `now`; undefined when it may reserve. Answers of before the
   * entry `fencedAt` are given no more: their counters are fenced off.
   */
  recall(
    request: RequestName,
    now: number,
    fencedAt: number,
  ): Exclude<ReserveOutcome, { kind: 'reserved' }> | undefined {
    const { publisher, service, requestId, requestDigest } = request;
    const row = this.#sql.request.get(publisher, service, requestId);
    if (row === undefined) return undefined;
    if (row['digest'] !== requestDigest) return { kind: 'id-reused' };
    const isLate = now >= Number(row['answered']) + REPLAY_SECONDS || Number(row['reserved']) < fencedAt;
    if (typeof row['answer'] === 'string' && !isLate) return { kind: 'replay', answer: row['answer'] };
    if (row['released'] !== null) return { kind: 'id-reused' };
    if (this.#live.has(Number(row['reserved']))) {
      return { kind: 'conflict', code: 'REQUEST_IN_FLIGHT', retryAfter: 1 };
    }
    return undefined;
  }

  /** SignerError JOURNAL_MISUSE unless this is a reservation of ours that is neither released nor given up. */
  checkLive(reserved: Reserved): void {
    if (this.#live.get(reserved.entry) === reserved) return;
    throw new SignerError('JOURNAL_MISUSE', 'release each reservation once, and only one of this journal');
  }

  /** Spends what `recall` did not answer; an id may be bound once. SignerError JOURNAL_MISUSE. */
  reserve(request: ReserveRequest, now: number): ReserveOutcome {
    checkRequest(request);
    const { publisher, service, requestId, requestDigest } = request;
    const waits = request.seconds.map(({ kpHsBlindId, variant, second }) => {
      return this.nextFreeSecond(kpHsBlindId, variant, second) - second;
    });
    const retryAfter = Math.max(...waits);
    if (retryAfter > 0) return { kind: 'conflict', code: 'SECOND_SPENT', retryAfter };
    const { index, bytes } = this.#writer.append({
      kind: 'reserved',
      at: now,
      publisher,
      service,
      request: requestId,
      digest: requestDigest,
      seconds: request.seconds.map(toEntrySecond),
    });
    for (const { kpHsBlindId, variant, second } of request.seconds) {
      this.#sql.spend.run(kpHsBlindId, variant, second, index);
    }
    this.#sql.bind.run(publisher, service, requestId, requestDigest, index);
    this.#sql.insert.run(index, publisher, service, now);
    this.#archive.charge(publisher, bytes + ROW_BYTES * (request.seconds.length + 4));
    const reserved = new ReservedSeconds(request, index);
    this.#live.set(index, reserved);
    return { kind: 'reserved', reserved };
  }

  release(reserved: Reserved, answer: string, index: number, now: number): void {
    this.#sql.release.run(index, reserved.entry);
    this.#sql.answer.run(answer, now, reserved.publisher, reserved.service, reserved.requestId);
    this.#live.delete(reserved.entry);
  }

  abandon(reserved: Reserved): void {
    if (this.#live.get(reserved.entry) === reserved) this.#live.delete(reserved.entry);
  }

  countSince(publisher: string, service: string, since: number): number {
    return Number(this.#sql.count.get(publisher, service, since)?.['n']);
  }

  nextFreeSecond(kpHsBlindId: Uint8Array, variant: number, from: number): number {
    let free = from;
    for (const row of this.#sql.spent.iterate(kpHsBlindId, variant, from)) {
      if (row['second'] !== free) break;
      free += 1;
    }
    return free;
  }
}

/** What a row of a table takes beside its text, roughly. */
const ROW_BYTES = 96;

const SQL = {
  request: `SELECT q.digest, q.reserved, q.answer, q.answered, r.released FROM requests q JOIN reservations r
    ON r.entry = q.reserved WHERE q.publisher = ? AND q.service = ? AND q.id = ?`,
  spend: 'INSERT INTO marks (kp_hs_blind_id, variant, second, entry) VALUES (?, ?, ?, ?)',
  spent: 'SELECT second FROM marks WHERE kp_hs_blind_id = ? AND variant = ? AND second >= ? ORDER BY second',
  bind: `INSERT INTO requests (publisher, service, id, digest, reserved) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET reserved = excluded.reserved`,
  insert: 'INSERT INTO reservations (entry, publisher, service, at) VALUES (?, ?, ?, ?)',
  release: 'UPDATE reservations SET released = ? WHERE entry = ?',
  answer: 'UPDATE requests SET answer = ?, answered = ? WHERE publisher = ? AND service = ? AND id = ?',
  count: 'SELECT count(*) AS n FROM reservations WHERE publisher = ? AND service = ? AND at >= ?',
} as const;

/** As it stands in an entry. */
export const toEntrySecond = ({ kpHsBlindId, variant, second }: ReservedSecond): EntrySecond => ({
  kpHsBlindId: Buffer.from(kpHsBlindId).toString('hex'),
  variant,
  second,
});

/** What the caller can get wrong; SQLite binds no integer above 2^63 − 1, so bounds come first. */
function checkRequest({ seconds }: ReserveRequest): void {
  const keys = seconds.map(({ kpHsBlindId, variant, second }) => {
    const fits = kpHsBlindId.length === 32 && isIntegerTo(variant, 65_535) && isIntegerTo(second, 2 ** 40);
    if (!fits) throw misuse();
    return `${Buffer.from(kpHsBlindId).toString('hex')} ${variant} ${second}`;
  });
  if (keys.length === 0 || keys.length > MAX_SECONDS || new Set(keys).size !== keys.length) throw misuse();
}

const isIntegerTo = (value: number, maximum: number): boolean =>
  Number.isSafeInteger(value) && value >= 0 && value <= maximum;

const misuse = (): SignerError =>
  new SignerError('JOURNAL_MISUSE', `reserve 1 to ${MAX_SECONDS} different seconds of 32-byte blinded keys`);
