// One service of the list as the keyholder holds it: what the list says, what was proven, which periods have keys.

import type { KpHsId, NetworkProfile, TimePeriod } from '../descriptor/index.ts';
import { PointSets, publicationWindow, timePeriod, toHex } from '../descriptor/index.ts';
import { refuse } from './denial.ts';
import { EvidenceStore } from './evidence-store.ts';
import type { PreparedService } from './keyholder-messages.ts';
import type { ServiceStatus } from './keyholder-status.ts';
import type { ListService } from './list.ts';
import type { MarkLog } from './mark-log.ts';
import { OpeningBudget } from './opening-budget.ts';
import type { LastOpening, OpenedService } from './openings.ts';
import type { PeriodKey } from './period-keys.ts';
import { SignRate } from './sign-rate.ts';
import type { ServiceRecord } from './state-codec.ts';
import { vouchingNote } from './vouching.ts';

const HOUR = 3600;

/** Mutable: a new list changes it in place, so that work under way sees the change. */
export class ServiceSlot {
  readonly kpHsId: KpHsId;
  entry: ListService;
  evidence: EvidenceStore;
  readonly budget: OpeningBudget;
  rate = new SignRate();
  pointSets: PointSets;
  /** By number. */
  readonly periods = new Map<number, PeriodKey>();
  origin = '';
  /** The identity's word for our checkpoint key, 64 bytes; empty before the first opening. */
  vouching: Uint8Array = new Uint8Array(0);
  opened: LastOpening = { by: '', at: 0 };
  /** A result did not verify; only a new process forgets this. Set by the book, for every slot of the service. */
  latched = false;
  /** The list no longer names the service. */
  removed = false;
  lastError = '';
  lastErrorAt = 0;
  /** When the first of the failures without a success between them was, Unix seconds; 0: none. */
  failingSince = 0;

  constructor(entry: ListService, profile: NetworkProfile) {
    this.kpHsId = entry.kpHsId;
    this.entry = entry;
    this.evidence = new EvidenceStore(profile, entry.backends);
    this.budget = new OpeningBudget(profile);
    this.pointSets = new PointSets(profile);
  }

  /**
   * Takes over what a newer list says. Evidence is proven anew, and cookies end: a backend or client may have gone. So may a
   * publisher whose requests and sets of points would still count against its successor; no core can write a list.
   */
  update(entry: ListService, profile: NetworkProfile): void {
    this.entry = entry;
    this.evidence = new EvidenceStore(profile, entry.backends);
    this.rate = new SignRate();
    this.pointSets = new PointSets(profile);
    for (const key of this.periods.values()) key.forgetAccess();
  }

  /** @throws CustodyError KEYHOLDER_REFUSED (POINT-COUNT) */
  checkPointCount(count: number): void {
    const { minPoints, maxPoints } = this.entry;
    if (count < minPoints || count > maxPoints)
      throw refuse('POINT-COUNT', `${count} points`, `${minPoints} to ${maxPoints}`);
  }

  noteError(code: string, nowSeconds: number): void {
    if (!this.isFailing) this.failingSince = nowSeconds;
    this.lastError = code;
    this.lastErrorAt = nowSeconds;
  }

  noteSuccess(): void {
    this.lastError = '';
    this.lastErrorAt = 0;
    this.failingSince = 0;
  }

  /** Whether an opening failed, and none went well since. */
  get isFailing(): boolean {
    return this.lastError !== '' && this.lastError !== 'KEYHOLDER_LATCHED';
  }

  /** What the state keeps, with what an opening is about to add. */
  record(added?: OpenedService): ServiceRecord {
    const { origin, vouching, opened } = added ?? this;
    const periods = [...this.periods.values(), ...(added?.keys ?? [])].map(key => key.record);
    periods.sort((a, b) => a.periodNum - b.periodNum);
    return { kpHsId: this.kpHsId, origin, vouching, opened, periods };
  }

  /** How `wanted` periods (ascending, without gaps) are covered. */
  prepared(profile: NetworkProfile, wanted: readonly TimePeriod[], nowSeconds: number): PreparedService {
    const missing = wanted.filter(period => !this.periods.has(period.periodNum));
    // A key that cannot sign now is as good as none.
    const faults = wanted.map(({ periodNum }) => this.periods.get(periodNum)?.fault ?? '');
    const unusable = wanted.find((period, i) => missing.includes(period) || faults[i] !== '');
    const after = timePeriod(profile, (wanted.at(-1)?.periodNum ?? 0) + 1);
    const { from } = publicationWindow(profile, unusable ?? after);
    return {
      kpHsId: this.kpHsId,
      certifiedPeriods: wanted.length - missing.length,
      missingPeriods: missing.length,
      certifiedUntil: from <= nowSeconds ? 0 : from,
      origin: this.origin,
      errorCode: this.lastError === '' ? (faults.find(fault => fault !== '') ?? '') : this.lastError,
    };
  }

  /** `checkpointKey` (32 bytes) is what the identity vouched for. */
  status(
    profile: NetworkProfile,
    wanted: readonly TimePeriod[],
    nowSeconds: number,
    { checkpointKey, marks }: { readonly checkpointKey: Uint8Array; readonly marks: MarkLog },
  ): ServiceStatus {
    const keys = [...this.periods.values()].sort((a, b) => a.period.periodNum - b.period.periodNum);
    const prepared = this.prepared(profile, wanted, nowSeconds);
    return {
      alias: this.entry.alias,
      kpHsId: this.kpHsId,
      enabled: this.entry.enabled,
      latched: this.latched,
      frozen: marks.isFrozen(this.kpHsId),
      origin: this.origin,
      vouching: this.vouching.length === 0 ? '' : vouchingNote(this.kpHsId, checkpointKey, this.vouching),
      certifiedUntil: prepared.certifiedUntil,
      lastError: prepared.errorCode,
      lastErrorAt: this.lastErrorAt,
      opened: this.opened,
      evidence: this.evidence.size,
      clients: this.entry.clients.length,
      settingsSerial: this.entry.settingsSerial,
      periods: keys.map(key => ({
        periodNum: key.period.periodNum,
        kpHsDescSign: key.kpHsDescSign,
        ...publicationWindow(profile, key.period),
        exposureEnd: key.lastExpiryHours * HOUR,
        inToken: key.record.key.kind === 'token',
        isUsable: key.fault === '',
        ...marks.fenceOf(key.kpHsBlindId),
      })),
    };
  }
}

/** Name of a service in maps. */
export function slotName(kpHsId: Uint8Array): string {
  return toHex(kpHsId);
}
