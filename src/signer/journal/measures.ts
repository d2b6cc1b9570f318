import { SignerError } from '../contract/problems.ts';
import type { EntrySecond, FencedEntry, MeasureEntry } from './entries.ts';

/** A measure without the time at which it was taken. */
export type Measure = MeasureEntry extends infer Entry
  ? Entry extends MeasureEntry
    ? Omit<Entry, 'at'>
    : never
  : never;

type Floor = Pick<FencedEntry['floors'][number], 'floor' | 'lead'>;

/**
 * What an operator's measures mean together, in the order of their entries: for the journal itself, its fold, and
 * whoever audits it. No clock, no store.
 */
export class Measures {
  readonly #evicted = new Set<string>();
  readonly #frozen = new Set<string>();
  /** Services whose fence the keyholder has not raised yet. */
  readonly #fencing = new Set<string>();
  /** By the blinded key in hex. */
  readonly #floors = new Map<string, Floor>();
  /** Service → the entry of its last fence. */
  readonly #fencedAt = new Map<string, number>();

  /** Publishers that are let in no more, whatever signer.yaml and policy say. */
  get evicted(): readonly string[] {
    return [...this.#evicted];
  }

  isEvicted(publisher: string): boolean {
    return this.#evicted.has(publisher);
  }

  isFrozen(service: string): boolean {
    return this.#frozen.has(service);
  }

  /** Whether a fence was ordered that the keyholder has not raised yet. */
  isFencing(service: string): boolean {
    return this.#fencing.has(service);
  }

  /** The last moment (Unix seconds) for which texts that spend these seconds are made. */
  lastUse(seconds: readonly Omit<EntrySecond, 'variant'>[]): number {
    return Math.max(0, ...seconds.map(({ kpHsBlindId, second }) => second - this.floorOf(kpHsBlindId).lead));
  }

  /** The fence of a blinded key (64 hex digits); both 0 for one without. */
  floorOf(kpHsBlindId: string): Floor {
    return this.#floors.get(kpHsBlindId) ?? { floor: 0, lead: 0 };
  }

  /** By how much the counters of any key run ahead, seconds. */
  get longestLead(): number {
    return Math.max(0, ...[...this.#floors.values()].map(({ lead }) => lead));
  }

  /** Entries before it are of before the last fence of the service. */
  fencedAt(service: string): number {
    return this.#fencedAt.get(service) ?? 0;
  }

  /** After a recovery, whose own fence is above all of these. */
  recovered(): void {
    this.#floors.clear();
    this.#fencing.clear();
  }

  /** Whether it would change anything: an entry that does not is never written. */
  changes(measure: Measure): boolean {
    switch (measure.kind) {
      case 'evicted':
        return !this.#evicted.has(measure.publisher);
      case 'readmitted':
        return this.#evicted.has(measure.publisher);
      case 'frozen':
        return !this.#frozen.has(measure.service);
      case 'thawed':
        return this.#frozen.has(measure.service);
      case 'fencing':
        return !this.#fencing.has(measure.service);
      case 'fenced':
        return (
          this.#fencing.has(measure.service) ||
          measure.floors.some(each => !isSame(each, this.floorOf(each.kpHsBlindId)))
        );
    }
  }

  /** Whether it may follow: no fence ever goes back. */
  follows(measure: Measure): boolean {
    if (!this.changes(measure)) return false;
    if (measure.kind !== 'fenced') return true;
    return measure.floors.every(({ kpHsBlindId, floor, lead }) => {
      const before = this.floorOf(kpHsBlindId);
      return floor >= before.floor && lead >= before.lead;
    });
  }

  /** Takes over one that `follows`, from the entry `index`. */
  take(measure: Measure, index: number): void {
    switch (measure.kind) {
      case 'evicted':
        this.#evicted.add(measure.publisher);
        return;
      case 'readmitted':
        this.#evicted.delete(measure.publisher);
        return;
      case 'frozen':
        this.#frozen.add(measure.service);
        return;
      case 'thawed':
        this.#frozen.delete(measure.service);
        return;
      case 'fencing':
        this.#fencing.add(measure.service);
        this.#fencedAt.set(measure.service, index);
        return;
      case 'fenced':
        this.#fencing.delete(measure.service);
        for (const { kpHsBlindId, floor, lead } of measure.floors)
          this.#floors.set(kpHsBlindId, { floor, lead });
        this.#fencedAt.set(measure.service, index);
    }
  }

  /** Whether `check` would refuse. */
  isStopped(publisher: string, service: string): boolean {
    return this.isEvicted(publisher) || this.isFrozen(service) || this.isFencing(service);
  }

  /** Whether texts may be signed and leave. SignerError PUBLISHER_UNKNOWN for who was evicted, FROZEN, FENCED. */
  check(publisher: string, service: string): void {
    if (this.isEvicted(publisher)) {
      throw new SignerError('PUBLISHER_UNKNOWN', 'have the operator of the signer let you in again');
    }
    if (this.isFrozen(service)) {
      throw new SignerError('FROZEN', 'serve what you have; the operator of the signer ends it: `thaw`', {
        retryAfter: 60,
      });
    }
    if (this.isFencing(service)) {
      throw new SignerError('FENCED', 'wait: the keyholder has not raised the fence yet', { retryAfter: 10 });
    }
  }

  /** As `check`, and whether the seconds, which were planned before, lie above the fences by now. SignerError FENCED. */
  checkReserve(
    { publisher, service }: Readonly<Record<'publisher' | 'service', string>>,
    seconds: readonly Omit<EntrySecond, 'variant'>[],
  ): void {
    this.check(publisher, service);
    const below = seconds.some(({ kpHsBlindId, second }) => {
      const { floor } = this.floorOf(kpHsBlindId);
      return floor > 0 && second < floor;
    });
    if (below) throw new SignerError('FENCED', 'ask again', { retryAfter: 1 });
  }

  /** As `check`, and whether a reservation of entry `index` is of after the last fence. SignerError FENCED. */
  checkRelease(publisher: string, service: string, index: number): void {
    this.check(publisher, service);
    if (index >= this.fencedAt(service)) return;
    throw new SignerError('FENCED', 'ask again under another id', { retryAfter: 1 });
  }
}

const isSame = (one: Floor, other: Floor): boolean => one.floor === other.floor && one.lead === other.lead;
