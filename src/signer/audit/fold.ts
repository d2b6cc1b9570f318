import { type NetworkProfile, testNetwork, TOR_NETWORK } from '../../descriptor/index.ts';
import { SignerError } from '../contract/problems.ts';
import type { Vouching } from '../contract/vouching.ts';
import { openVouching } from '../contract/vouching.ts';
import type {
  Entry,
  MeasureEntry,
  RecoveredEntry,
  ReleasedEntry,
  ReservedEntry,
  StartedEntry,
  VouchedEntry,
} from '../journal/entries.ts';
import { Measures } from '../journal/measures.ts';
import { findService, type Policy, type ServicePolicy } from '../policy/types.ts';

/** A reservation with what was in force when it was made. */
export interface OpenReservation {
  readonly entry: ReservedEntry;
  /** For which moment the text of each of its seconds is made. */
  readonly uses: readonly number[];
  readonly origin: string;
  /**
   * The service as the policy of then has it; behind it, when that was a minute old or younger, as the one before has
   * it, by which the request may have been judged.
   */
  readonly services: readonly ServicePolicy[];
  /** Undefined when the signer never said for which network it signs. */
  readonly profile: NetworkProfile | undefined;
}

/** An identity's word for the key of one origin. */
export interface VouchedKey extends Vouching {
  readonly index: number;
  readonly service: string;
}

/** Longest from the judgement of a request to its reservation. */
const JUDGED_SECONDS = 60;

/** What is wrong with the order of entries, for `audit`. */
const broken = (message: string, cause?: unknown): SignerError =>
  new SignerError('JOURNAL_TORN', message, { cause });

/**
 * What the entries say, taken together and without a store: the auditor's own fold. `take` throws SignerError
 * JOURNAL_TORN or NOTE_* for an entry that cannot follow those before it.
 */
export class AuditFold {
  /** Name under which heads are signed now, and all that were given up. */
  origin = '';
  /** The id of genesis. */
  journalId = '';
  readonly formerOrigins: string[] = [];
  readonly vouchings: VouchedKey[] = [];
  /** Heads that recoveries say were lost: size, space, root in hex. */
  readonly lost = new Set<string>();
  halted = false;
  readonly measures = new Measures();
  /** In force, and before: with the time from which each was. */
  #policies: { readonly from: number; readonly policy: Policy | undefined }[] = [];
  #profile: NetworkProfile | undefined;
  #serial = 0;
  #fence = 0;
  readonly #open = new Map<number, OpenReservation>();
  /** Blinded key and variant → seconds. */
  readonly #spent = new Map<string, Set<number>>();

  /** Takes the next entry; gives the reservation that a release ends. `policy` reads a policy by its digest. */
  async take(
    index: number,
    entry: Entry,
    policy: (digest: string) => Promise<Policy | undefined>,
  ): Promise<OpenReservation | undefined> {
    if ((index === 0) !== (entry.kind === 'genesis')) throw broken('the genesis is not the first entry');
    switch (entry.kind) {
      case 'genesis':
        this.origin = entry.origin;
        this.journalId = entry.journal;
        return undefined;
      case 'policy':
        if (entry.serial <= this.#serial) throw broken('a policy serial went back');
        this.#serial = entry.serial;
        this.#policies = [
          { from: entry.at, policy: await policy(entry.digest) },
          ...this.#policies.slice(0, 1),
        ];
        return undefined;
      case 'reserved':
        this.#reserve(index, entry);
        return undefined;
      case 'released':
        return this.#release(entry);
      case 'vouched':
        this.#vouch(index, entry);
        return undefined;
      case 'halted':
        this.halted = true;
        return undefined;
      case 'recovered':
        this.#recover(entry);
        return undefined;
      case 'started':
        this.#profile = profileOf(entry);
        return undefined;
      case 'evicted':
      case 'readmitted':
      case 'frozen':
      case 'thawed':
      case 'fencing':
      case 'fenced':
        this.#measure(index, entry);
        return undefined;
      case 'refused':
        return undefined;
    }
  }

  #reserve(index: number, entry: ReservedEntry): void {
    if (this.halted) throw broken('a second was spent while the signer was halted');
    this.#checkMeasures(entry);
    for (const { kpHsBlindId, variant, second } of entry.seconds) {
      const key = `${kpHsBlindId} ${variant}`;
      const spent = this.#spent.get(key) ?? new Set<number>();
      if (second < Math.max(this.#fence, this.measures.floorOf(kpHsBlindId).floor))
        throw broken('a second before the fence was spent');
      if (spent.has(second)) throw broken('a second was spent twice');
      this.#spent.set(key, spent.add(second));
    }
    const [current, former] = this.#policies;
    const isFresh = entry.at - (current?.from ?? 0) <= JUDGED_SECONDS;
    const services = [current, isFresh ? former : undefined].flatMap(
      each => (each?.policy && findService(each.policy, entry.service)) ?? [],
    );
    const uses = entry.seconds.map(each => this.measures.lastUse([each]));
    this.#open.set(index, { entry, uses, origin: this.origin, services, profile: this.#profile });
  }

  #release({ reserved, texts }: ReleasedEntry): OpenReservation {
    const open = this.#open.get(reserved);
    if (open === undefined) throw broken('a release without its reservation');
    this.#checkMeasures(open.entry);
    if (reserved < this.measures.fencedAt(open.entry.service))
      throw broken('something of before a fence was released');
    if (texts.length !== open.entry.seconds.length) throw broken('a release of other seconds');
    this.#open.delete(reserved);
    return open;
  }

  #measure(index: number, entry: MeasureEntry): void {
    if (!this.measures.follows(entry)) throw broken('a measure is taken twice or goes back');
    this.measures.take(entry, index);
  }

  #checkMeasures({ publisher, service }: ReservedEntry): void {
    if (this.measures.isEvicted(publisher)) throw broken('something was signed for an evicted publisher');
    if (this.measures.isFrozen(service)) throw broken('something was signed for a frozen service');
    if (this.measures.isFencing(service)) throw broken('something was signed before the fence was raised');
  }

  #vouch(index: number, { service, note }: VouchedEntry): void {
    const vouching = openVouching(note);
    if (vouching.key.name !== this.origin) throw broken('an identity vouches for another key');
    this.vouchings.push({ ...vouching, index, service });
  }

  #recover({ origin, fence, lost }: RecoveredEntry): void {
    if (fence < this.#fence || origin === this.origin) throw broken('a recovery went back');
    if (lost !== null) this.lost.add(`${lost.size} ${lost.root}`);
    this.formerOrigins.push(this.origin);
    [this.origin, this.#fence, this.halted] = [origin, fence, false];
    this.measures.recovered();
  }
}

function profileOf({ network, votingInterval }: StartedEntry): NetworkProfile {
  if (network !== TOR_NETWORK.name) return testNetwork(network, votingInterval);
  if (votingInterval !== TOR_NETWORK.votingIntervalSeconds) throw broken('a network of another interval');
  return TOR_NETWORK;
}
