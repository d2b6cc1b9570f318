// All services of the list with their period keys, in step with the sealed state on disk.

import { type NetworkProfile, publicationWindow, timePeriod } from '../descriptor/index.ts';
import type { HostState } from './host-state.ts';
import type { KeyholderList, ListService } from './list.ts';
import type { OpenedService } from './openings.ts';
import type { PeriodRecord } from './state-codec.ts';
import { PeriodKey, discardKeys } from './period-keys.ts';
import type { ProvenTime } from './proven-time.ts';
import { ServiceSlot, slotName } from './service-slot.ts';
import { recordName } from './signing-key-record.ts';
import type { SigningKeys } from './signing-keys.ts';

/** How long a period's key outlives its window: a request on its way may still be answered. */
const GRACE_SECONDS = 60;
/** How far beyond the horizon a key may lie: clocks are set back by seconds now and then. */
const SLACK_SECONDS = 300;

/** The services by name; owns their period keys. */
export class ServiceBook {
  readonly #host: HostState;
  readonly #keys: SigningKeys;
  readonly #slots = new Map<string, ServiceSlot>();
  /** Names of services of which a result did not verify, in the list or not. */
  readonly #latched = new Set<string>();
  #profile: NetworkProfile;

  /** Takes the period keys out of the opened state. */
  constructor(host: HostState, list: KeyholderList, keys: SigningKeys) {
    this.#host = host;
    this.#keys = keys;
    this.#profile = list.profile;
    for (const entry of list.services) {
      const slot = new ServiceSlot(entry, list.profile);
      this.#slots.set(slotName(entry.kpHsId), slot);
      const kept = host.state.services.find(({ kpHsId }) => slotName(kpHsId) === slotName(entry.kpHsId));
      if (kept === undefined) continue;
      slot.origin = kept.origin;
      slot.vouching = kept.vouching;
      slot.opened = kept.opened;
      for (const record of kept.periods.filter(each => fitsProfile(each, list.profile))) {
        slot.periods.set(
          record.periodNum,
          new PeriodKey({
            kpHsId: entry.kpHsId,
            profile: list.profile,
            record,
            signing: keys.open(record.key, entry.kpHsId),
          }),
        );
      }
    }
    this.#dropUnused();
    for (const slot of this.#slots.values()) {
      const keys = [...slot.periods.values()];
      slot.rate.restore(keys.flatMap(({ kpHsBlindId }) => host.marks.spentAt({ kpHsBlindId, variant: 0 })));
    }
  }

  /** In the order of the list. */
  get slots(): readonly ServiceSlot[] {
    return [...this.#slots.values()];
  }

  find(kpHsId: Uint8Array): ServiceSlot | undefined {
    return this.#slots.get(slotName(kpHsId));
  }

  /**
   * Follows a newer list: services that it no longer names lose their keys, and so do all when the network is
   * another one. @throws CustodyError STATE_WRITE, when the old list stays in force
   */
  update(list: KeyholderList, digest: Uint8Array): void {
    const old = this.slots;
    const sameNetwork = list.profile.votingIntervalSeconds === this.#profile.votingIntervalSeconds;
    const slots = list.services.map(entry => {
      const known = sameNetwork ? this.find(entry.kpHsId) : undefined;
      return known ?? this.#newSlot(entry, list.profile);
    });
    this.#host.save({
      listSerial: list.serial,
      listDigest: digest,
      services: slots.map(slot => slot.record()),
    });
    this.#slots.clear();
    for (const [i, slot] of slots.entries()) {
      const entry = list.services[i];
      if (entry !== undefined) slot.update(entry, list.profile);
      this.#slots.set(slotName(slot.kpHsId), slot);
    }
    this.#profile = list.profile;
    for (const slot of old) if (!slots.includes(slot)) retire(slot);
  }

  /** A service that left the list and came back is the same one. */
  #newSlot(entry: ListService, profile: NetworkProfile): ServiceSlot {
    const slot = new ServiceSlot(entry, profile);
    slot.latched = this.#latched.has(slotName(entry.kpHsId));
    return slot;
  }

  /** Nothing is signed for the service any more until this process ends, whatever lists say. */
  latch(slot: ServiceSlot): void {
    const name = slotName(slot.kpHsId);
    this.#latched.add(name);
    for (const each of [slot, this.#slots.get(name)]) if (each !== undefined) each.latched = true;
  }

  /** Adds keys of one service: on disk first, then in use. @throws CustodyError STATE_WRITE; the keys stay the caller's */
  add(slot: ServiceSlot, result: OpenedService): void {
    // One word is enough: it stands in the journal for ever.
    const opened = slot.vouching.length === 0 ? result : { ...result, vouching: slot.vouching };
    const services = this.slots.map(each => each.record(each === slot ? opened : undefined));
    this.#host.save({ services });
    for (const key of opened.keys) slot.periods.set(key.period.periodNum, key);
    slot.origin = opened.origin;
    slot.vouching = opened.vouching;
    slot.opened = opened.opened;
  }

  /**
   * Destroys keys, as far as evidence agrees with the clock: those of periods that are over, and those that a clock
   * which was ahead had certified beyond `aheadSeconds`. When the disk refuses, they stay until the next call.
   * @throws CustodyError STATE_WRITE
   */
  expire(nowSeconds: number, aheadSeconds: number, proven: ProvenTime): void {
    const past = Math.min(nowSeconds, proven.second);
    const horizon = proven.agreesWith(this.#profile, nowSeconds) ? aheadSeconds + SLACK_SECONDS : Infinity;
    const isUseless = ({ period }: PeriodKey): boolean => {
      const { from, to } = publicationWindow(this.#profile, period);
      return to + GRACE_SECONDS <= past || from > nowSeconds + horizon;
    };
    this.#drop(isUseless);
  }

  /** From the state first; what cannot be written stays until the next call. */
  #drop(isUseless: (key: PeriodKey) => boolean): void {
    const useless = this.slots.flatMap(slot =>
      [...slot.periods.values()].filter(isUseless).map(key => ({ slot, key })),
    );
    if (useless.length === 0) return;
    for (const { slot, key } of useless) slot.periods.delete(key.period.periodNum);
    try {
      this.#host.save({ services: this.slots.map(slot => slot.record()) });
    } catch (thrown) {
      for (const { slot, key } of useless) slot.periods.set(key.period.periodNum, key);
      throw thrown;
    }
    discardKeys(useless.map(({ key }) => key));
  }

  /** Whether a period's key is inside a token. */
  get usesToken(): boolean {
    return this.slots.some(slot =>
      [...slot.periods.values()].some(({ record }) => record.key.kind === 'token'),
    );
  }

  /** Lets go of periods whose keys (by `recordName`) are not on the token any more. @throws CustodyError STATE_WRITE */
  forget(names: ReadonlySet<string>): void {
    this.#drop(({ record: { key } }) => key.kind === 'token' && names.has(recordName(key)));
  }

  /** Forgets what is in memory only; the state on disk stays. */
  close(): void {
    for (const slot of this.slots) for (const key of slot.periods.values()) key.wipe();
    this.#slots.clear();
  }

  /** What the state had and no service of the list uses. */
  #dropUnused(): void {
    const used = new Set(this.slots.flatMap(slot => [...slot.periods.values()].map(key => key.record)));
    const unused = this.#host.state.services.flatMap(({ kpHsId, periods }) =>
      periods.filter(record => !used.has(record)).map(record => ({ record, kpHsId })),
    );
    if (unused.length === 0) return;
    this.#host.save({ services: this.slots.map(slot => slot.record()) });
    for (const { record, kpHsId } of unused) {
      this.#keys.open(record.key, kpHsId).destroy();
      record.secret.wipe();
    }
  }
}

function retire(slot: ServiceSlot): void {
  slot.removed = true;
  discardKeys(slot.periods.values());
  slot.periods.clear();
}

function fitsProfile(record: PeriodRecord, profile: NetworkProfile): boolean {
  const period = timePeriod(profile, record.periodNum);
  return period.lengthMinutes === record.lengthMinutes && period.offsetSeconds === record.offsetSeconds;
}
