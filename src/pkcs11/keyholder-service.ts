// The keyholder itself, without process and frames around it: list, state, openings, signatures.

import { type TimePeriod, pointSetName } from '../descriptor/index.ts';
import { breakerOf } from './breaker.ts';
import { CheckpointSigner } from './checkpoint.ts';
import { refuse, refuseIf } from './denial.ts';
import { type CheckResult, buildDescriptor, createResultCheck, wipeCookies } from './descriptor-builder.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { checkFloor, checkLeads, raiseFences } from './fences.ts';
import type { HostState } from './host-state.ts';
import type {
  PreparedService,
  ProvenEvidence,
  SignOrder,
  SignedDescriptor,
  ProvenHead,
} from './keyholder-messages.ts';
import type { KeyholderStatus } from './keyholder-status.ts';
import type { KeyholderList } from './list.ts';
import { type TokenOpener, wantedPeriods } from './openings.ts';
import type { PinStore } from './pin-memory.ts';
import { prepareServices } from './preparation.ts';
import { ProvenTime } from './proven-time.ts';
import { readList } from './read-list.ts';
import { ServiceBook } from './service-book.ts';
import type { ServiceSlot } from './service-slot.ts';
import { SigningKeys } from './signing-keys.ts';
import { type PlannedTarget, aheadSeconds, planTargets, runwaySeconds } from './sign-plan.ts';
import { rateLimits } from './sign-rate.ts';
import { TokenBook } from './token-book.ts';
import { TokenReturn } from './token-return.ts';

/** What a keyholder is given. */
export interface KeyholderOptions {
  /** Opened; closed by the keyholder. */
  readonly host: HostState;
  readonly listPath: string;
  /** How a token process is asked, with the deadline of the list in milliseconds and what is known of PINs. */
  readonly openerFor: (deadlineMs: number, pins: PinStore) => TokenOpener;
  /** `same user` or `own process`, for status. */
  readonly isolation: string;
  /** Milliseconds since 1970; Date.now when not given. */
  readonly clock?: () => number;
  /** For tests of the latch: OpenSSL and @noble when not given. */
  readonly checkResult?: CheckResult;
  /** Added to the environment of the process that signs with keys in a token. Nothing secret. */
  readonly tokenEnv?: Readonly<Record<string, string>>;
}

/** Period keys and the rules that go with them. Requests are answered one after the other; only PREPARE takes time. */
export class Keyholder {
  readonly #options: KeyholderOptions;
  readonly #checkpoints: CheckpointSigner;
  readonly #checkResult: CheckResult;
  readonly #keys: SigningKeys;
  readonly #book: ServiceBook;
  readonly #startedAt: number;
  readonly #proven: ProvenTime;
  /** The earliest second seen: a clock that was ahead at the start must not forbid everything until then. */
  #firstSecond = Infinity;
  readonly #tokenReturn = new TokenReturn();
  readonly #tokens = new TokenBook();
  #list: KeyholderList;
  #preparing: Promise<void> | undefined;

  /** Reads the list and takes the keys out of the state. @throws CustodyError LIST_…, STATE_WRITE */
  constructor(options: KeyholderOptions) {
    const { host } = options;
    this.#options = options;
    this.#startedAt = this.#now();
    this.#proven = new ProvenTime(host.marks.proven);
    this.#checkpoints = new CheckpointSigner(host.state.checkpointSeed, host.marks);
    this.#checkResult = options.checkResult ?? createResultCheck();
    const { list, digest } = readList(options.listPath, host.state);
    this.#list = list;
    this.#keys = new SigningKeys({
      host,
      list: () => this.#list,
      onMissing: names => this.#book.forget(names),
      ...(options.tokenEnv && { tokenEnv: options.tokenEnv }),
    });
    this.#book = new ServiceBook(host, list, this.#keys);
    if (list.serial > host.state.listSerial) this.#book.update(list, digest);
    this.#keys.settle(this.#book.usesToken);
  }

  /**
   * PROVE: remembers a backend's descriptor as evidence for a service.
   * @throws CustodyError KEYHOLDER_REFUSED: SERVICE-UNKNOWN, INTRO-PROVENANCE, EVIDENCE-AGE
   */
  prove(kpHsId: Uint8Array, text: Uint8Array): ProvenEvidence {
    const { digest, backend, points, made } = this.#enabled(kpHsId).evidence.prove(text, this.#now());
    this.#proven.accept(made);
    return { digest, backend, points: points.length };
  }

  /**
   * SIGN: checks everything again, spends the seconds durably, builds, signs and opens what it built. Who may read it and
   * what else it carries is the list's word alone. Cookies in the answer are the caller's to wipe.
   * @throws CustodyError KEYHOLDER_REFUSED: LIST-SERIAL, SERVICE-UNKNOWN, POINT-COUNT, SIGN-RATE, INTRO-PROVENANCE,
   *   EVIDENCE-AGE, POINT-UNIQUE, MIN-BACKENDS, INTRO-SHARE, CONTENT-CHURN, VARIANT, HORIZON, PERIOD-WINDOW, RUNWAY,
   *   ONE-PER-SECOND, COUNTER-CEILING, DESCRIPTOR-SIZE; PERIOD_UNPREPARED, KEYHOLDER_LATCHED, SERVICE_FROZEN,
   *   STATE_WRITE, STATE_FULL
   */
  async sign(order: SignOrder): Promise<SignedDescriptor[]> {
    const nowSeconds = this.#now();
    this.#checkSerial(order.listSerial);
    const slot = this.#enabled(order.kpHsId);
    const { marks } = this.#options.host;
    this.#checkOpen(slot);
    const rules = { list: this.#list, nowSeconds, firstSecond: this.#firstSecond, marks };
    slot.checkPointCount(order.points.length);
    const limits = rateLimits(this.#list, slot.entry);
    refuseIf(slot.rate.check(limits, order.targets.length, nowSeconds));
    const chosen = slot.evidence.choose(order.points, slot.entry, nowSeconds);
    const set = pointSetName(chosen.points);
    refuseIf(slot.pointSets.check(set, slot.entry.pointSetsPerHour, nowSeconds));
    const plans = planTargets(order.targets, slot.periods, rules);
    // A key that yields no secret or cannot sign is found before anything is spent.
    for (const { key } of plans) {
      key.check();
      key.accessOf(slot.entry);
    }
    marks.spend(
      plans.map(({ key, target: { variant }, spentSecond }) => {
        return { kpHsBlindId: key.kpHsBlindId, variant, second: spentSecond };
      }),
      { at: nowSeconds, proven: this.#proven.second },
    );
    slot.rate.note(plans.length, nowSeconds);
    slot.pointSets.note(set, nowSeconds);
    const fields = { kpHsId: slot.kpHsId, settings: slot.entry, chosen };
    const signed: SignedDescriptor[] = [];
    try {
      for (const plan of plans) signed.push(await buildDescriptor(plan, fields, this.#checkResult));
      this.#confirm(order, slot, plans);
      return signed;
    } catch (thrown) {
      wipeCookies(signed);
      const error = toCustodyError(thrown, 'KEYHOLDER_FAULT');
      if (error.code === 'KEYHOLDER_LATCHED') {
        this.#book.latch(slot);
        slot.noteError(error.code, nowSeconds);
      }
      throw error;
    }
  }

  /**
   * PREPARE: certifies what is missing up to `ahead`; one run at a time, later callers share it. Failures of tokens
   * stand in the result. @throws CustodyError STATE_WRITE when a refused PIN cannot be recorded
   */
  async prepare(): Promise<PreparedService[]> {
    this.#preparing ??= this.#prepareOnce().finally(() => {
      this.#preparing = undefined;
    });
    await this.#preparing;
    const wanted = this.#wanted();
    const enabled = this.#book.slots.filter(slot => slot.entry.enabled);
    return enabled.map(slot => slot.prepared(this.#list.profile, wanted, this.#now()));
  }

  /**
   * FREEZE: nothing is signed for a service of the list until it is thawed, over restarts too.
   * Its periods are certified all the same.
   * @throws CustodyError KEYHOLDER_REFUSED (SERVICE-UNKNOWN), STATE_WRITE, STATE_FULL
   */
  freeze(kpHsId: Uint8Array, frozen: boolean): void {
    this.#options.host.marks.freeze(this.#listed(kpHsId).kpHsId, frozen);
  }

  /**
   * FENCE: from now on every text of the service has a higher counter than all before, whoever holds those. Nothing undoes it
   * but the end of its periods. @throws CustodyError KEYHOLDER_REFUSED (SERVICE-UNKNOWN), STATE_WRITE, STATE_FULL
   */
  fence(kpHsId: Uint8Array): void {
    const { marks } = this.#options.host;
    const rules = { list: this.#list, nowSeconds: this.#now(), marks };
    raiseFences(this.#listed(kpHsId), this.#wanted(), rules);
  }

  /** FLOOR: every second before this one is spent, of every key. @throws CustodyError KEYHOLDER_REFUSED (HORIZON), STATE_WRITE, STATE_FULL */
  raiseFloor(second: number): void {
    refuseIf(checkFloor(second, this.#now()));
    this.#options.host.marks.raiseFloor(second);
  }

  /** CHECKPOINT: a signed note. @throws CustodyError KEYHOLDER_REFUSED (CHECKPOINT-FORK), STATE_WRITE */
  checkpoint(head: ProvenHead): string {
    return this.#checkpoints.sign(head);
  }

  /** STATUS */
  status(): KeyholderStatus {
    const { host, isolation } = this.#options;
    const { profile, serial, tokens } = this.#list;
    const { slots } = this.#book;
    const signingToken = this.#keys.token.status;
    const sources = { checkpointKey: this.#checkpoints.publicKey, marks: host.marks };
    return {
      startedAt: this.#startedAt,
      uid: process.geteuid?.() ?? 0,
      listSerial: serial,
      listDigest: host.state.listDigest,
      network: profile.name,
      isolation,
      isMemoryLocked: host.isMemoryLocked,
      periodKeys: this.#list.periodKeys,
      signingToken,
      tokens: this.#tokens.status(tokens, slots),
      breaker: breakerOf(slots, signingToken, this.#tokenReturn.nextLook, this.#now()),
      stateProtection: host.protection,
      checkpointVkey: this.#checkpoints.vkey,
      checkpointSize: host.marks.checkpoint?.size ?? 0n,
      aheadSeconds: aheadSeconds(this.#list),
      runwaySeconds: runwaySeconds(this.#list),
      services: slots.map(slot => slot.status(profile, this.#wanted(), this.#now(), sources)),
    };
  }

  /** RELOAD: reads the list again; when it is refused, the old one stays in force. @throws CustodyError LIST_…, STATE_WRITE */
  reload(): void {
    const { list, digest } = readList(this.#options.listPath, this.#options.host.state);
    if (list.serial === this.#list.serial) return;
    this.#book.update(list, digest);
    this.#list = list;
    this.#keys.settle(this.#book.usesToken);
  }

  /** Destroys keys that evidence shows to be of no use any more. @throws CustodyError STATE_WRITE; nothing is lost, call again */
  expire(): void {
    this.#book.expire(this.#now(), aheadSeconds(this.#list), this.#proven);
    this.#keys.settle(this.#book.usesToken);
  }

  /** Wipes every secret. */
  close(): void {
    this.#book.close();
    this.#keys.close();
    this.#options.host.close();
  }

  #now(): number {
    const second = Math.floor((this.#options.clock ?? Date.now)() / 1000);
    this.#firstSecond = Math.min(this.#firstSecond, second);
    return second;
  }

  #wanted(): TimePeriod[] {
    return wantedPeriods(this.#list.profile, this.#now(), aheadSeconds(this.#list));
  }

  #listed(kpHsId: Uint8Array): ServiceSlot {
    const slot = this.#book.find(kpHsId);
    if (slot === undefined) throw refuse('SERVICE-UNKNOWN', 'not in the list', 'a service of the list');
    return slot;
  }

  #enabled(kpHsId: Uint8Array): ServiceSlot {
    const slot = this.#book.find(kpHsId);
    // Unknown and forbidden look alike.
    if (slot?.entry.enabled !== true)
      throw refuse('SERVICE-UNKNOWN', 'not in the list', 'an enabled service');
    return slot;
  }

  /** @throws CustodyError KEYHOLDER_LATCHED, SERVICE_FROZEN */
  #checkOpen(slot: ServiceSlot): void {
    if (slot.latched) throw new CustodyError('KEYHOLDER_LATCHED');
    if (this.#options.host.marks.isFrozen(slot.kpHsId)) throw new CustodyError('SERVICE_FROZEN');
  }

  /** A token takes its time: what was forbidden meanwhile is not given out, though its seconds are spent. */
  #confirm({ listSerial, kpHsId }: SignOrder, slot: ServiceSlot, plans: readonly PlannedTarget[]): void {
    this.#checkSerial(listSerial);
    if (this.#enabled(kpHsId) !== slot) throw new CustodyError('KEYHOLDER_FAULT');
    this.#checkOpen(slot);
    checkLeads(plans, this.#options.host.marks);
  }

  /** What was approved under another list may carry what this one does not. */
  #checkSerial(listSerial: number): void {
    const { serial } = this.#list;
    if (listSerial !== serial) throw refuse('LIST-SERIAL', `list ${listSerial}`, `list ${serial}`);
  }

  async #prepareOnce(): Promise<void> {
    const { host, openerFor } = this.#options;
    const [list, book, keys, tokens] = [this.#list, this.#book, this.#keys, this.#tokens];
    const [token, now] = [openerFor(list.deadlineMs, host.pins), () => this.#now()];
    await this.#tokenReturn.notice(book.slots, list, { token, tokens }, now());
    const [proven, checkpointKey] = [this.#proven, this.#checkpoints.publicKey];
    await prepareServices({ host, book, keys, list, token, tokens, proven, checkpointKey, now });
    // One for the next period of each service; nobody waits for them.
    void keys.refill(book.slots.filter(({ entry }) => entry.enabled).length);
  }
}
