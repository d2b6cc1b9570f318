import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { LogFrontier, leafHash } from '../contract/log-proof.ts';
import { SignerError } from '../contract/problems.ts';
import {
  parseEntry,
  type Entry,
  type HaltedEntry,
  type MeasureEntry,
  type RecoveredEntry,
  type ReleasedEntry,
  type ReservedEntry,
} from './entries.ts';
import { Exposure } from './exposure.ts';
import { Measures } from './measures.ts';

/** The policy that `policy apply` put in force last. */
export interface PolicyMark {
  readonly serial: number;
  readonly digest: string;
}

/** What the entries say, taken together. */
export interface Fold {
  readonly frontier: LogFrontier;
  /** 32 hex digits that no other journal has. */
  readonly journalId: string;
  /** The name under which heads are signed now. */
  readonly origin: string;
  /** Names that a recovery gave up; their checkpoints say nothing of this log any more. */
  readonly formerOrigins: readonly string[];
  /** No second before this one is spent: 0, or what the last recovery said. */
  readonly fence: number;
  /** Why nothing is signed until a recovery. */
  readonly halted: HaltedEntry | undefined;
  /** All that were ever in force, oldest first. */
  readonly policies: readonly PolicyMark[];
  /** Every vouching that stands in an entry. */
  readonly vouchings: ReadonlySet<string>;
  /** Who is let in no more, which services are frozen. */
  readonly measures: Measures;
  readonly exposure: Exposure;
}

const torn = (message: string, cause?: unknown): SignerError =>
  new SignerError('JOURNAL_TORN', `${message}; restore the state directory, then run \`init --recover\``, {
    cause,
  });

type Row = Record<string, SQLOutputValue>;

/**
 * Reads every entry and checks that nothing else is stored than what they say: unbroken indices, canonical
 * bytes, leaf and root hashes; marks, reservations and request ids equal to the fold, none missing, none more.
 * Texts and answers are left out: retention removes them. Linear in the journal. SignerError JOURNAL_TORN.
 */
export function verifyFold(db: DatabaseSync): Fold {
  const folder = new Folder(db);
  let expected = 0;
  for (const row of db.prepare('SELECT idx, at, body, leaf, root FROM entries ORDER BY idx').iterate()) {
    if (row['idx'] !== expected) throw torn('an entry is missing');
    folder.take(expected, row);
    expected += 1;
  }
  return folder.finish();
}

class Folder {
  readonly #db: DatabaseSync;
  readonly #frontier = new LogFrontier();
  #genesis: { journalId: string; origin: string } | undefined;
  readonly #policies: PolicyMark[] = [];
  readonly #formerOrigins: string[] = [];
  readonly #vouchings = new Set<string>();
  readonly #measures = new Measures();
  readonly #exposure = new Exposure();
  /** Reservations that are not released, by their index: the last moment of use. */
  readonly #lastUse = new Map<number, number>();
  #fence = 0;
  #halted: HaltedEntry | undefined;
  readonly #counts = { marks: 0, reservations: 0, requests: 0, released: 0 };
  readonly #mark;
  readonly #reservation;
  readonly #request;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#mark = db.prepare(
      'SELECT entry FROM marks WHERE kp_hs_blind_id = ? AND variant = ? AND second = ?',
    );
    this.#reservation = db.prepare('SELECT * FROM reservations WHERE entry = ?');
    this.#request = db.prepare('SELECT * FROM requests WHERE publisher = ? AND service = ? AND id = ?');
  }

  take(index: number, row: Row): void {
    const body = row['body'];
    if (!(body instanceof Uint8Array)) throw torn('an entry has no bytes');
    const leaf = leafHash(body);
    this.#frontier.append(leaf);
    if (!sameBytes(row['leaf'], leaf) || !sameBytes(row['root'], this.#frontier.root())) {
      throw torn('an entry does not have its hash');
    }
    const entry = readEntry(body);
    if (row['at'] !== entry.at) throw torn('an entry stands at another time');
    if ((entry.kind === 'genesis') !== (index === 0))
      throw torn('the journal does not begin with its genesis');
    this.#fold(index, entry);
  }

  finish(): Fold {
    if (this.#genesis === undefined) throw torn('the journal is empty');
    const { marks, reservations, requests, released } = this.#counts;
    const stored =
      this.#count('marks') === marks &&
      this.#count('reservations') === reservations &&
      this.#count('reservations WHERE released IS NOT NULL') === released &&
      this.#count('requests') === requests;
    if (!stored) throw torn('there are marks that no entry made');
    return {
      ...this.#genesis,
      frontier: this.#frontier,
      formerOrigins: this.#formerOrigins,
      fence: this.#fence,
      halted: this.#halted,
      policies: this.#policies,
      vouchings: this.#vouchings,
      measures: this.#measures,
      exposure: this.#exposure,
    };
  }

  #fold(index: number, entry: Entry): void {
    switch (entry.kind) {
      case 'genesis':
        this.#genesis = { journalId: entry.journal, origin: entry.origin };
        break;
      case 'policy':
        if (entry.serial <= (this.#policies.at(-1)?.serial ?? 0)) throw torn('a policy serial went back');
        this.#policies.push({ serial: entry.serial, digest: entry.digest });
        break;
      case 'reserved':
        this.#foldReserved(index, entry);
        break;
      case 'released':
        this.#foldReleased(index, entry);
        break;
      case 'halted':
        this.#halted = entry;
        break;
      case 'recovered':
        this.#foldRecovered(entry);
        break;
      case 'vouched':
        this.#vouchings.add(entry.note);
        break;
      case 'evicted':
      case 'readmitted':
      case 'frozen':
      case 'thawed':
      case 'fencing':
      case 'fenced':
        this.#foldMeasure(index, entry);
        break;
      case 'started':
      case 'refused':
        break;
    }
  }

  #foldMeasure(index: number, entry: MeasureEntry): void {
    if (!this.#measures.follows(entry)) throw torn('a measure is taken twice or goes back');
    this.#measures.take(entry, index);
  }

  #foldReserved(index: number, entry: ReservedEntry): void {
    this.#checkMeasures(entry.publisher, entry.service);
    for (const { kpHsBlindId, variant, second } of entry.seconds) {
      const { floor } = this.#measures.floorOf(kpHsBlindId);
      if (second < Math.max(this.#fence, floor)) throw torn('a second before the fence was spent');
      // A second that stands in two entries fails here too: its one mark names only one of them.
      const mark = this.#mark.get(Buffer.from(kpHsBlindId, 'hex'), variant, second);
      if (mark?.['entry'] !== index) throw torn('a spent second has no mark');
    }
    const row = this.#reservation.get(index);
    const same =
      row?.['publisher'] === entry.publisher && row['service'] === entry.service && row['at'] === entry.at;
    if (!same) throw torn('a reservation is not stored as its entry says');
    const request = this.#request.get(entry.publisher, entry.service, entry.request);
    const latest = Number(request?.['reserved'] ?? -1);
    if (request?.['digest'] !== entry.digest || latest < index) throw torn('a request id is not stored');
    this.#lastUse.set(index, this.#measures.lastUse(entry.seconds));
    this.#counts.marks += entry.seconds.length;
    this.#counts.reservations += 1;
    // An id that was retried stands in several entries, and the table names the last of them.
    this.#counts.requests += latest === index ? 1 : 0;
  }

  #foldReleased(index: number, entry: ReleasedEntry): void {
    const row = this.#reservation.get(entry.reserved);
    if (row?.['released'] !== index || entry.reserved >= index) throw torn('a release is not stored');
    const [publisher, service] = [String(row['publisher']), String(row['service'])];
    this.#checkMeasures(publisher, service);
    if (entry.reserved < this.#measures.fencedAt(service))
      throw torn('something of before a fence was released');
    this.#exposure.note(publisher, service, this.#lastUse.get(entry.reserved) ?? 0);
    this.#lastUse.delete(entry.reserved);
    this.#counts.released += 1;
  }

  #foldRecovered({ origin, fence }: RecoveredEntry): void {
    if (this.#genesis === undefined || fence < this.#fence) throw torn('a recovery went back');
    this.#formerOrigins.push(this.#genesis.origin);
    this.#genesis.origin = origin;
    this.#fence = fence;
    this.#measures.recovered();
    this.#halted = undefined;
  }

  #checkMeasures(publisher: string, service: string): void {
    if (this.#measures.isStopped(publisher, service))
      throw torn('something was signed for whom a measure had stopped');
  }

  #count(from: string): number {
    return Number(this.#db.prepare(`SELECT count(*) AS n FROM ${from}`).get()?.['n']);
  }
}

function readEntry(body: Uint8Array): Entry {
  try {
    return parseEntry(body);
  } catch (cause) {
    throw torn('an entry cannot be read', cause);
  }
}

const sameBytes = (stored: SQLOutputValue | undefined, expected: Uint8Array): boolean =>
  stored instanceof Uint8Array && Buffer.from(stored).equals(expected);
