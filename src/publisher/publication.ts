import { type KpHsId, type NetworkProfile, publicationWindow } from '../descriptor/index.ts';
import { type Context, launch } from './context.ts';
import { codeOf } from './error.ts';
import {
  isMostlyComplete,
  isReasonablyLive,
  type NetworkView,
  type PeriodRing,
  publicationRings,
} from './network-view.ts';
import {
  finishRecord,
  outcomeLost,
  planServing,
  planUploads,
  startRecord,
  type Upload,
  type UploadOutcome,
} from './plan.ts';
import { UploadRecord } from './record.ts';
import type { ShelfEntry } from './shelf.ts';
import type { ServiceState } from './state.ts';
import { HSDIR_KEEPS_SECONDS, type Timing } from './timing.ts';
import { uploadDescriptor } from './upload.ts';

/** Puts the texts of one service where clients look for them. */
export class Publication {
  readonly #context: Context;
  readonly #state: ServiceState;
  readonly #profile: NetworkProfile;
  readonly #timing: Timing;
  readonly #kpHsId: KpHsId;
  readonly #inFlight = new Set<string>();
  readonly #record: UploadRecord;
  #rings: { readonly view: NetworkView; readonly rings: readonly PeriodRing[] } | undefined;

  constructor(
    context: Context,
    state: ServiceState,
    profile: NetworkProfile,
    timing: Timing,
    kpHsId: KpHsId,
  ) {
    this.#context = context;
    this.#state = state;
    this.#profile = profile;
    this.#timing = timing;
    this.#kpHsId = kpHsId;
    this.#record = new UploadRecord(context.config.record, state.description.service, context.log);
  }

  get busy(): boolean {
    return this.#inFlight.size > 0;
  }

  /** Numbers of the periods published under the newest consensus, the one that clients ask for first. */
  published(now: number): number[] {
    const view = this.#context.view();
    if (view === undefined || !isReasonablyLive(view, now) || !isMostlyComplete(view)) return [];
    if (this.#rings?.view !== view) {
      this.#rings = { view, rings: publicationRings(view, this.#profile, this.#kpHsId) };
      this.#takeRings(this.#rings.rings);
    }
    return this.#rings.rings.map(({ period }) => period.periodNum);
  }

  /** Decides what is served and starts the uploads that are due. */
  tick(now: number, published: readonly number[], attemptedAt: number | undefined): void {
    const { shelf, random, log } = this.#context;
    const { service } = this.#state.description;
    const entries = shelf.entries(service);
    for (const periodNum of published) {
      const period = this.#state.periods[periodNum];
      if (period === undefined) continue;
      const { serving } = period;
      const points = this.#state.pointsDigest;
      const timing = this.#timing;
      const next = planServing({ now, periodNum, entries, serving, points, attemptedAt, timing, random });
      if (next === undefined || next === serving) continue;
      period.serving = next;
      log.info('serving another text', {
        service,
        periodNum,
        reason: next.reason,
        count: period.ring.length,
      });
    }
    if (this.#context.tor() === undefined || this.#context.dryRun) return;
    for (const upload of planUploads(this.#state, published, this.#inFlight, now)) this.#launch(upload);
  }

  /**
   * Forgets what must not be served on, on the shelf as in the state: periods that are over, and texts of other settings
   * than policy has now (a client is gone, the service became restricted). Notes how long the rest of the shelf lasts.
   */
  prune(now: number): void {
    const { shelf } = this.#context;
    const { service, settings } = this.#state.description;
    shelf.prune(service, entry => entry.settings === settings && this.#windowEnd(entry) > now);
    for (const [periodNum, period] of Object.entries(this.#state.periods)) {
      if (period.until <= now) delete this.#state.periods[periodNum];
      const counter = period.serving?.counter;
      if (counter !== undefined && this.#entryOf(Number(periodNum), counter) === undefined)
        delete period.serving;
    }
    const ends = shelf
      .entries(service)
      .map(entry => Math.min(entry.descriptor.useFrom + HSDIR_KEEPS_SECONDS, this.#windowEnd(entry)));
    if (ends.length === 0) delete this.#state.shelfLastsUntil;
    else this.#state.shelfLastsUntil = Math.max(...ends);
  }

  #windowEnd({ descriptor }: ShelfEntry): number {
    const { periodNum, lengthMinutes, offsetSeconds } = descriptor.period;
    return publicationWindow(this.#profile, { periodNum, lengthMinutes, offsetSeconds }).to;
  }

  #takeRings(rings: readonly PeriodRing[]): void {
    for (const { period, hsdirs } of rings) {
      const { to } = publicationWindow(this.#profile, period);
      const known = this.#state.periods[period.periodNum] ?? { ring: [], hsdirs: {}, until: to };
      this.#state.periods[period.periodNum] = { ...known, ring: [...hsdirs], until: to };
    }
    const asked = rings[0]?.period.periodNum;
    if (asked !== undefined) this.#state.askedPeriod = asked;
    this.#context.save();
  }

  #launch(upload: Upload): void {
    this.#inFlight.add(upload.fingerprint);
    const { service } = this.#state.description;
    launch(this.#context, this.#context.queues.upload, { task: 'an upload', service }, async () => {
      try {
        await this.#upload(upload);
      } finally {
        this.#inFlight.delete(upload.fingerprint);
      }
    });
  }

  async #upload({ periodNum, fingerprint, counter, reason }: Upload): Promise<void> {
    const { now, log, random, save } = this.#context;
    const { service } = this.#state.description;
    const period = this.#state.periods[periodNum];
    const entry = this.#entryOf(periodNum, counter);
    // While it waited in the queue a newer text may have come, the period ended, or the service been dropped.
    if (this.#context.state.services[service] !== this.#state) return;
    if (period === undefined || entry === undefined || period.serving?.counter !== counter) return;
    const before = period.hsdirs[fingerprint];
    const lost = outcomeLost(before, counter);
    const record = startRecord(before, counter, now());
    period.hsdirs[fingerprint] = record;
    save();
    const outcome = await this.#post(fingerprint, entry);
    period.hsdirs[fingerprint] = finishRecord(record, outcome, lost, now(), this.#timing, random);
    save();
    const { result } = period.hsdirs[fingerprint];
    if (result === 'uploaded') this.#record.taken(entry.descriptor, fingerprint);
    log.info('an upload ended', {
      service,
      periodNum,
      reason,
      result,
      ...(outcome.code ? { code: outcome.code } : {}),
    });
  }

  async #post(fingerprint: string, entry: ShelfEntry): Promise<UploadOutcome> {
    const tor = this.#context.tor();
    if (tor === undefined) return { result: 'failed', code: 'NO_TOR' };
    this.#record.posting(entry.descriptor);
    const { signal } = this.#context;
    const { address } = this.#state.description;
    const query = { address, fingerprint, timeoutMs: this.#timing.uploadTimeout * 1000, signal };
    try {
      return await uploadDescriptor(tor, query, entry.descriptor.text);
    } catch (thrown) {
      // The connection to tor ended: nobody knows whether the HSDir has it.
      return { result: 'timeout', code: codeOf(thrown) };
    }
  }

  #entryOf(periodNum: number, counter: string): ShelfEntry | undefined {
    return this.#context.shelf
      .entries(this.#state.description.service)
      .find(
        ({ descriptor }) =>
          descriptor.period.periodNum === periodNum && descriptor.revisionCounter === counter,
      );
  }
}
