import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { equalRoots, type LogHash } from '../contract/log-proof.ts';
import { SignerError } from '../contract/problems.ts';
import { JournalArchive } from './archive.ts';
import { Attestations } from './attestations.ts';
import type { StartedEntry } from './entries.ts';
import { EntryWriter, type LogHead } from './entry-writer.ts';
import type { Exposure } from './exposure.ts';
import { verifyFold, type PolicyMark } from './fold.ts';
import { GroupCommit } from './group-commit.ts';
import { RefusalCounter, type Refusal } from './refusals.ts';
import {
  type RequestName,
  Reservations,
  type Reserved,
  type ReserveOutcome,
  type ReserveRequest,
  toEntrySecond,
} from './reservations.ts';
import { JournalQuota, type JournalSize, type QuotaOptions } from './quota.ts';
import { MeasureBook } from './measure-book.ts';
import { PolicyBook } from './policy-book.ts';
import { type Recovery, Standing } from './standing.ts';
import { createStore, openStore, storeError } from './store.ts';

export type { LogHead, PolicyMark, Refusal, JournalSize };
export type * from './reservations.ts';

/** What a released answer leaves behind. */
export interface Release {
  /** What is given back word for word when the request is repeated; texts stand in the archive, not here. */
  readonly answer: string;
  /** The released texts, archived by digest. */
  readonly texts: readonly Uint8Array[];
  /** The evidence they rest on, archived by digest. */
  readonly evidence: readonly Uint8Array[];
}

export interface JournalOptions extends QuotaOptions {
  readonly path: string;
  readonly now: () => number;
  /** 32 hex digits; another id is JOURNAL_FOREIGN. */
  readonly journalId?: string;
}

/**
 * Makes a new journal with its genesis entry and gives its id (32 hex digits). `origin` is the log's name in
 * checkpoints. Never replaces a file: SignerError JOURNAL_EXISTS, JOURNAL_FAILED.
 */
export function createJournal(path: string, { origin, now }: { origin: string; now: number }): string {
  const journal = randomBytes(16).toString('hex');
  createStore(path, db => {
    new EntryWriter(db).append({ kind: 'genesis', at: now, version: 1, journal, origin });
  });
  return journal;
}

/**
 * Opens the journal for this process alone and verifies that its marks are the fold of its entries. SignerError
 * JOURNAL_MISSING, JOURNAL_FOREIGN, JOURNAL_TORN, JOURNAL_LOCKED, JOURNAL_FAILED.
 */
export function openJournal(options: JournalOptions): Journal {
  const db = openStore(options.path);
  try {
    const fold = verifyFold(db);
    if (options.journalId !== undefined && options.journalId !== fold.journalId) {
      throw new SignerError('JOURNAL_FOREIGN', 'point `state` at the state directory of this signer');
    }
    return new Journal(db, fold, options);
  } catch (cause) {
    db.close();
    throw storeError(cause, 'JOURNAL_TORN');
  }
}

/**
 * What the signer decided, for ever, and what it spent: entries of an RFC 6962 log and the marks they make, in
 * one transaction each. Every promise resolves only when its entry is on disk. SignerError JOURNAL_FAILED or
 * JOURNAL_FULL of the disk stops all further writing.
 */
export class Journal {
  readonly journalId: string;
  readonly standing: Standing;
  /** What was released to whom; evictions, fences, frozen services. */
  readonly exposure: Exposure;
  readonly measures: MeasureBook;
  readonly policies: PolicyBook;
  readonly archive: JournalArchive;
  /** For `audit`: texts, entries and proofs; signed heads and vouchings. */
  readonly attestations: Attestations;
  readonly #db: DatabaseSync;
  readonly #now: () => number;
  readonly #quota: JournalQuota;
  readonly #writer: EntryWriter;
  readonly #commit: GroupCommit;
  readonly #reservations: Reservations;
  readonly #refusals = new RefusalCounter();
  #head: LogHead;

  constructor(db: DatabaseSync, fold: ReturnType<typeof verifyFold>, options: JournalOptions) {
    this.#db = db;
    this.#now = options.now;
    this.journalId = fold.journalId;
    this.#writer = new EntryWriter(db, fold.frontier);
    this.standing = new Standing(this.#writer, fold);
    this.exposure = fold.exposure;
    this.#head = this.#writer.head();
    this.archive = new JournalArchive(db);
    this.#quota = new JournalQuota(db, this.archive, options);
    this.#reservations = new Reservations(db, this.#writer, this.archive);
    this.#commit = new GroupCommit(db, () => this.#writer.save());
    const write = <T>(work: () => T): Promise<T> => this.#write(work);
    this.attestations = new Attestations(db, this.#writer, fold.vouchings, write);
    this.measures = new MeasureBook(fold.measures, this.#writer, write);
    this.policies = new PolicyBook(fold.policies, this.#writer, this.archive, write, () => this.#now());
  }

  head(): LogHead {
    return this.#head;
  }

  get stopped(): SignerError | undefined {
    return this.#commit.stopped;
  }

  get size(): JournalSize {
    return this.#quota.size;
  }

  started(program: Omit<StartedEntry, 'kind' | 'at'>): Promise<LogHead> {
    return this.#write(() => this.#writer.append({ kind: 'started', at: this.#now(), ...program }).head);
  }

  /** What an earlier request under this id means, asked before anything else is judged; undefined for a new one. */
  recall(request: RequestName): Exclude<ReserveOutcome, { kind: 'reserved' }> | undefined {
    return this.#reservations.recall(request, this.#now(), this.measures.inForce.fencedAt(request.service));
  }

  /**
   * Spends the seconds for one request, all or none. The first answer for a request id binds it to its digest: for an
   * hour the same request gives the stored answer, or after a crash new seconds; else `id-reused`. SignerError
   * JOURNAL_MISUSE for impossible values, JOURNAL_FULL above quota or share, FENCED after a recovery, PUBLISHER_UNKNOWN, FROZEN.
   */
  reserve(request: ReserveRequest): Promise<ReserveOutcome> {
    return this.#write(() => {
      const now = this.#now();
      const known = this.recall(request);
      if (known !== undefined) return known;
      this.standing.checkFence(request.seconds, now);
      this.measures.inForce.checkReserve(request, request.seconds.map(toEntrySecond));
      this.#quota.check(request.publisher);
      return this.#reservations.reserve(request, now);
    });
  }

  /**
   * Records what is about to be released and gives the head that includes it. Once per reservation, else
   * JOURNAL_MISUSE; PUBLISHER_UNKNOWN, FROZEN after a measure. Only after this may the answer leave.
   */
  release(reserved: Reserved, release: Release): Promise<LogHead> {
    return this.#write(() => {
      this.#reservations.checkLive(reserved);
      this.measures.inForce.checkRelease(reserved.publisher, reserved.service, reserved.entry);
      const [entry, at, { publisher }] = [this.#writer.nextIndex, this.#now(), reserved];
      const store = (text: Uint8Array): string => this.archive.store(text, { entry, at, publisher });
      const [texts, evidence] = [release.texts.map(store), release.evidence.map(store)];
      const released = { kind: 'released', at, reserved: reserved.entry, texts, evidence } as const;
      const { head, bytes } = this.#writer.append(released);
      this.archive.charge(publisher, bytes + release.answer.length);
      this.#reservations.release(reserved, release.answer, entry, at);
      this.exposure.note(
        publisher,
        reserved.service,
        this.measures.inForce.lastUse(reserved.seconds.map(toEntrySecond)),
      );
      return head;
    });
  }

  /** After a failure: the seconds stay spent, the id may be tried again. */
  abandon(reserved: Reserved): void {
    this.#reservations.abandon(reserved);
  }

  /**
   * Counts a refusal; the first of its kind in an hour is an entry, the rest one entry together. Above the quota,
   * and when the journal has stopped, refusals are only counted: they must not become an outage.
   */
  async refuse(refusal: Refusal): Promise<void> {
    const entry = this.#refusals.count(refusal, this.#now());
    if (entry === undefined || this.stopped !== undefined || this.#quota.isFull) return;
    await this.#write(() => this.#writer.append(entry));
  }

  /** Writes the counted refusals whose hour is over; call it now and then. */
  async flushRefusals(): Promise<void> {
    const entries = this.#refusals.flush(this.#now());
    if (entries.length > 0) await this.#write(() => entries.forEach(entry => this.#writer.append(entry)));
  }

  /** Reservations of this publisher for this service at or after `since` (Unix seconds): rule SIGN-RATE. */
  reservationsSince(publisher: string, service: string, since: number): number {
    return this.#reservations.countSince(publisher, service, since);
  }

  nextFreeSecond(kpHsBlindId: Uint8Array, variant: number, from: number): number {
    return this.#reservations.nextFreeSecond(kpHsBlindId, variant, from);
  }

  /**
   * Compares a checkpoint that came back from outside (its signature is verified elsewhere). SignerError
   * CHECKPOINT_AHEAD: it is newer than this journal, so the disk was rolled back; CHECKPOINT_FORK: it is of
   * another history. Either stops the signer.
   */
  checkEcho(size: number, rootHash: LogHash): void {
    if (size > this.#head.size) {
      throw new SignerError(
        'CHECKPOINT_AHEAD',
        'the journal is older than a checkpoint; run `init --recover`',
      );
    }
    if (!equalRoots(this.archive.rootAt(size), rootHash)) {
      throw new SignerError(
        'CHECKPOINT_FORK',
        'the journal is not the one of this checkpoint; run `init --recover`',
      );
    }
  }

  /** Notes durably that a checkpoint contradicts this journal (see checkEcho): it is halted until `recovered`. */
  halt(code: 'CHECKPOINT_AHEAD' | 'CHECKPOINT_FORK', size: number, rootHash: LogHash): Promise<void> {
    const root = Buffer.from(rootHash).toString('hex');
    return this.#write(() => this.standing.halt({ at: this.#now(), code, size, root }));
  }

  /** Ends a halt: heads are signed under another name from here on, and no second before the fence is spent. */
  recovered(recovery: Recovery): Promise<void> {
    return this.#write(() => {
      this.standing.recover(this.#now(), recovery);
      this.measures.inForce.recovered();
    });
  }

  /**
   * Retention: removes some of the archived texts and stored answers last used before `before` (Unix seconds) by
   * entries below `signedSize`, the size of a signed checkpoint; call it now and then. Entries, marks, request ids and
   * policies stay. Gives how many texts went.
   */
  prune(signedSize: number, before: number): Promise<number> {
    return this.#write(() => this.archive.prune(signedSize, before));
  }

  /** Writes what is queued and counted, then closes the file. Further calls are refused with JOURNAL_CLOSED. */
  close(): void {
    const entries = this.#refusals.flush(this.#now(), true);
    if (this.#commit.stopped === undefined && entries.length > 0) {
      this.#commit.run(() => entries.forEach(entry => this.#writer.append(entry))).catch(() => undefined);
    }
    this.#commit.close();
    if (this.#db.isOpen) this.#db.close();
  }

  async #write<T>(work: () => T): Promise<T> {
    const result = await this.#commit.run(work);
    this.#head = this.#writer.head();
    return result;
  }
}
