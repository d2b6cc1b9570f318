import { mkdirSync } from 'node:fs';
import { createAdminServer, type PolicyDoor } from './admin.ts';
import { adminSocketPath } from './daemon-client.ts';
import { BlindedKeys } from './blinded-keys.ts';
import { Checkpoints } from './checkpoints.ts';
import { CustodyWatch } from './custody-watch.ts';
import { nextStep } from './commands/custody-text.ts';
import { KeyholderDoor } from './commands/keyholder-door.ts';
import { identifyList, readKeyholderList } from './commands/list-file.ts';
import { journalPath, loadConfig, type SignerConfig } from './config.ts';
import { Doors } from './doors.ts';
import { EvidenceBook } from './evidence-book.ts';
import { HourlyBudget } from './hourly-budget.ts';
import { type Journal, openJournal } from './journal/journal.ts';
import { collectMetrics, SignerMetrics } from './metrics.ts';
import { type MeasureReport, type OperatorOrder, settleMeasures, takeMeasure } from './operator.ts';
import { PointSetBook } from './point-set-book.ts';
import { PolicyInForce } from './policy-in-force.ts';
import type { Family } from './program/exposition.ts';
import type { SignerLog } from './program/log.ts';
import type { RouteContext } from './routes.ts';
import type { SignerCore } from './sign-descriptor.ts';
import { checkStart } from './start-check.ts';
import { describeStatus, isReady } from './status.ts';
import { OutputVerifier } from './verify-output.ts';

const VERSION = '0.1.0';
const FLUSH_INTERVAL_MS = 60_000;

/** The daemon. Composition root: what it makes, `stop` ends in the opposite order. */
export class Daemon {
  readonly #config: SignerConfig;
  readonly #log: SignerLog;
  readonly #journal: Journal;
  readonly #keyholder: KeyholderDoor;
  readonly #policy: PolicyInForce;
  readonly #context: RouteContext;
  readonly #doors: Doors;
  readonly #watch: CustodyWatch;
  /** As last read: what is open follows `#config`, who is let in follows this. */
  #pinConfig: SignerConfig;
  readonly #timers: NodeJS.Timeout[] = [];
  #ready: boolean | undefined;
  #preparing: Promise<void> | undefined;

  constructor(config: SignerConfig, log: SignerLog) {
    this.#config = config;
    this.#pinConfig = config;
    this.#log = log;
    this.#watch = new CustodyWatch(log, nextStep);
    const now = (): number => Math.floor(Date.now() / 1000);
    this.#journal = openJournal({
      path: journalPath(config),
      now,
      quotaBytes: config.journalQuotaBytes,
      floorBytes: config.diskFloorBytes,
      publishers: config.publishers.size,
    });
    try {
      this.#keyholder = new KeyholderDoor(config);
      this.#policy = new PolicyInForce(this.#journal, this.#keyholder, config.profile.name, () =>
        identifyList(config),
      );
    } catch (error) {
      this.#journal.close();
      throw error;
    }
    const blindedKeys = new BlindedKeys();
    const core: SignerCore = {
      profile: config.profile,
      runwaySeconds: config.runwaySeconds,
      policy: () => this.#policy.policy,
      policySerial: () => this.#policy.serial,
      journal: this.#journal,
      keyholder: this.#keyholder,
      evidence: new EvidenceBook(config.profile, blindedKeys),
      blindedKeys,
      verifier: new OutputVerifier(config.profile),
      pointSets: new PointSetBook(config.profile),
      checks: new HourlyBudget(),
      latched: new Set(),
      now,
    };
    this.#context = {
      core,
      checkpoints: new Checkpoints(this.#journal, this.#keyholder, now),
      log,
      metrics: new SignerMetrics(),
      startedAt: now(),
    };
    this.#doors = new Doors(this.#context);
  }

  /**
   * Opens every door, once the keyholder answers; an aborted signal ends the wait for it. Resolves when all sockets
   * listen; period keys may still be missing (see `ready` in the log).
   */
  async start(signal?: AbortSignal): Promise<void> {
    await this.#keyholder.reachable(() => this.#log.event('waiting for the keyholder'), {
      ...(signal && { signal }),
    });
    const list = readKeyholderList(this.#config);
    await checkStart(this.#context, list);
    const { name: network, votingIntervalSeconds: votingInterval } = this.#config.profile;
    await this.#journal.started({ version: VERSION, network, votingInterval });
    mkdirSync(this.#config.run, { recursive: true, mode: 0o755 });
    const numbers = (): Promise<Family[]> => collectMetrics(this.#context, this.#config.state, VERSION);
    const admin = createAdminServer(
      this.#context,
      { policy: this.#policyDoor(), take: measure => this.#take(measure) },
      numbers,
    );
    await this.#doors.openSocket(admin, adminSocketPath(this.#config), 0o600);
    await this.#doors.openPublishers(this.#config);
    await this.#doors.openMetrics(this.#config, numbers);
    this.#log.event('listening', { count: this.#config.publishers.size, serial: this.#policy.serial });
    // Often enough for a token that comes back, and for the next period on a test network.
    const period = Math.min(30_000, this.#config.profile.votingIntervalSeconds * 100);
    this.#timers.push(setInterval(() => void this.prepare(), period));
    this.#timers.push(setInterval(() => this.#log.flush(), 2 * period));
    this.#timers.push(setInterval(() => void this.#tidyJournal(), FLUSH_INTERVAL_MS));
    void this.prepare();
  }

  /** Has the keyholder certify what `ahead` asks for; tells when readiness changes. One at a time. */
  async prepare(): Promise<void> {
    this.#preparing ??= this.#prepareOnce().finally(() => {
      this.#preparing = undefined;
    });
    await this.#preparing;
  }

  /** Reads the publishers' pins again; one that is gone gets no further answer, on no connection. */
  reloadPins(): void {
    try {
      this.#pinConfig = loadConfig(this.#config.file);
      this.#doors.setPins(this.#pinConfig);
      this.#log.event('pins read');
    } catch (error) {
      this.#log.problem('the pins were not read again; the old ones count', error);
    }
  }

  /** Ends everything: no new request, running ones answered, journal closed. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#doors.close();
    await this.#context.checkpoints.keep().catch(() => undefined);
    await this.#keyholder.close();
    await this.#preparing;
    this.#journal.close();
    this.#log.flush();
    this.#log.event('stopped');
  }

  async #prepareOnce(): Promise<void> {
    await this.#settlePolicy();
    const { metrics, core } = this.#context;
    try {
      await settleMeasures(core);
      metrics.custody((await this.#keyholder.status()).services, core.now());
      await this.#keyholder.prepare();
      // New keys may stand behind a fence of before.
      await settleMeasures(core);
      const { services } = await this.#keyholder.status();
      metrics.custody(services, core.now());
      await this.#context.checkpoints.noteVouchings(services);
      for (const { alias, errorCode } of services) {
        if (errorCode !== '') this.#log.custodyFailed(alias, errorCode);
      }
      this.#watch.note(await describeStatus(this.#context, undefined));
    } catch (error) {
      this.#log.problem('the keyholder did not prepare', error);
    }
    const ready = await isReady(this.#context);
    if (ready !== this.#ready) this.#log.event(ready ? 'ready' : 'not ready');
    this.#ready = ready;
  }

  /** Whether the keyholder has the list of the policy in force; until then the signer is not ready. */
  async #settlePolicy(): Promise<boolean> {
    try {
      await this.#policy.settle();
      return true;
    } catch (error) {
      this.#log.problem('the keyholder did not take the list', error);
      return false;
    }
  }

  /** A measure of the operator: when the journal has it, the doors follow at once. */
  async #take(measure: OperatorOrder): Promise<MeasureReport> {
    const report = await takeMeasure(this.#context.core, measure);
    this.#log.event(measure.kind, 'service' in measure ? { service: measure.service } : {});
    if (measure.kind === 'evicted') await this.#doors.shut(this.#pinConfig, measure.publisher);
    if (measure.kind === 'readmitted') {
      await this.#doors.openPublisher(this.#pinConfig, measure.publisher);
      this.#doors.setPins(this.#pinConfig);
    }
    return report;
  }

  #policyDoor(): PolicyDoor {
    return {
      current: () => this.#policy,
      apply: async (serial, text, signatures) => {
        await this.#policy.apply(serial, text, signatures);
        this.#context.core.evidence.retain(this.#policy.policy);
        this.#log.event('policy in force', { serial });
        this.reloadPins();
        const settled = await this.#settlePolicy();
        void this.prepare();
        return settled;
      },
    };
  }

  /** Counted refusals go into the journal, and what is older than `keep` out of its archive. */
  async #tidyJournal(): Promise<void> {
    try {
      await this.#journal.flushRefusals();
      if (this.#context.checkpoints.halted !== undefined) return;
      await this.#context.checkpoints.newest();
      await this.#context.checkpoints.keep();
      const before = this.#context.core.now() - this.#config.keepSeconds;
      await this.#journal.prune(this.#journal.attestations.keptSize, before);
    } catch (error) {
      this.#log.problem('the journal was not tidied', error);
    }
  }
}
