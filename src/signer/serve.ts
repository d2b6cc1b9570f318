import { chmodSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { adminSocketPath, createAdminServer, type PolicyDoor } from './admin.ts';
import { BlindedKeys } from './blinded-keys.ts';
import { Checkpoints } from './checkpoints.ts';
import { KeyholderDoor } from './commands/keyholder-door.ts';
import { journalPath, type SignerConfig } from './config.ts';
import { SignerError } from './contract/problems.ts';
import { parseNoteVerifier } from './contract/signed-note.ts';
import { EvidenceStore } from './evidence-store.ts';
import { type Journal, openJournal } from './journal/journal.ts';
import { parsePolicySnapshot } from './policy/snapshot.ts';
import type { SignerLog } from './program/log.ts';
import { createPublisherServer, type RouteContext } from './routes.ts';
import type { SignerCore } from './sign-descriptor.ts';
import { isReady } from './status.ts';
import { OutputVerifier } from './verify-output.ts';

const VERSION = '0.1.0';
const FLUSH_INTERVAL_MS = 60_000;
const STOP_GRACE_MS = 2_000;

/** The daemon. Composition root: what it makes, `stop` ends in the opposite order. */
export class Daemon {
  readonly #config: SignerConfig;
  readonly #log: SignerLog;
  readonly #journal: Journal;
  readonly #keyholder: KeyholderDoor;
  readonly #context: RouteContext;
  readonly #servers: FastifyInstance[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #policy: { readonly serial: number; readonly text: Uint8Array };
  #ready: boolean | undefined;
  #preparing: Promise<void> | undefined;

  constructor(config: SignerConfig, log: SignerLog) {
    this.#config = config;
    this.#log = log;
    const now = (): number => Math.floor(Date.now() / 1000);
    this.#journal = openJournal({ path: journalPath(config), now });
    const stored = this.#journal.currentPolicy();
    if (stored === undefined) {
      this.#journal.close();
      throw new SignerError('POLICY_EMPTY', 'run `init` first');
    }
    this.#policy = stored;
    let policy = parsePolicySnapshot(stored.text);
    this.#keyholder = new KeyholderDoor(config);
    const blindedKeys = new BlindedKeys();
    const core: SignerCore = {
      profile: config.profile,
      runwaySeconds: config.runwaySeconds,
      policy: () => policy,
      journal: this.#journal,
      keyholder: this.#keyholder,
      evidence: new EvidenceStore(config.profile, blindedKeys),
      blindedKeys,
      verifier: new OutputVerifier(config.profile),
      latched: new Set(),
      now,
    };
    this.#swapPolicy = next => {
      policy = parsePolicySnapshot(next.text);
      core.evidence.retain(policy);
    };
    this.#context = {
      core,
      checkpoints: new Checkpoints(this.#journal, this.#keyholder),
      log,
      startedAt: now(),
    };
  }

  readonly #swapPolicy: (next: { readonly text: Uint8Array }) => void;

  /** Opens every door. Resolves when all sockets listen; period keys may still be missing (see `ready` in the log). */
  async start(): Promise<void> {
    await this.#checkState();
    await this.#journal.started(VERSION);
    mkdirSync(this.#config.run, { recursive: true, mode: 0o755 });
    await this.#listen(
      createAdminServer(this.#context, this.#policyDoor()),
      adminSocketPath(this.#config),
      0o600,
    );
    for (const [publisher, path] of this.#config.publishers) {
      await this.#listen(createPublisherServer(this.#context, publisher), path, 0o660);
    }
    this.#log.event('listening', { count: this.#config.publishers.size, serial: this.#policy.serial });
    // Often enough for a token that comes back, and for the next period on a test network.
    const period = Math.min(30_000, this.#config.profile.votingIntervalSeconds * 100);
    this.#timers.push(setInterval(() => void this.prepare(), period));
    this.#timers.push(setInterval(() => void this.#flush(), FLUSH_INTERVAL_MS));
    void this.prepare();
  }

  /** Has the keyholder certify what `ahead` asks for; tells when readiness changes. One at a time. */
  async prepare(): Promise<void> {
    this.#preparing ??= this.#prepareOnce().finally(() => {
      this.#preparing = undefined;
    });
    await this.#preparing;
  }

  /** Ends everything: no new request, running ones answered, journal closed. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#servers.map(closeServer));
    await this.#keyholder.close();
    await this.#preparing;
    this.#journal.close();
    this.#log.event('stopped');
  }

  /** Journal and keyholder are one signer's, and neither was put back to an older day. */
  async #checkState(): Promise<void> {
    const { checkpointKey, listSerial } = await this.#keyholder.status();
    if (parseNoteVerifier(checkpointKey).name !== this.#journal.origin) {
      throw new SignerError(
        'JOURNAL_FOREIGN',
        'journal and keyholder state are of two signers; restore the state directory',
      );
    }
    if (listSerial !== this.#policy.serial) {
      throw new SignerError(
        'POLICY_SERIAL',
        'the keyholder’s list and the journal differ; run `policy apply` again',
      );
    }
    // The keyholder signs no head that is older than its last.
    await this.#context.checkpoints.newest();
  }

  async #prepareOnce(): Promise<void> {
    try {
      await this.#keyholder.prepare();
      const { services } = await this.#keyholder.status();
      for (const { alias, errorCode } of services) {
        if (errorCode !== '') this.#log.event('custody failed', { service: alias, code: errorCode });
      }
    } catch (error) {
      this.#log.problem('the keyholder did not prepare', error);
    }
    const ready = await isReady(this.#context);
    if (ready !== this.#ready) this.#log.event(ready ? 'ready' : 'not ready');
    this.#ready = ready;
  }

  #policyDoor(): PolicyDoor {
    return {
      current: () => this.#policy,
      apply: async (serial, text) => {
        parsePolicySnapshot(text);
        await this.#journal.applyPolicy(serial, text);
        await this.#keyholder.reload();
        this.#policy = { serial, text: Uint8Array.from(text) };
        this.#swapPolicy(this.#policy);
        this.#log.event('policy in force', { serial });
        void this.prepare();
      },
    };
  }

  async #listen(server: FastifyInstance, path: string, mode: number): Promise<void> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStaleSocket(path);
    await server.listen({ path });
    chmodSync(path, mode);
    this.#servers.push(server);
  }

  async #flush(): Promise<void> {
    try {
      await this.#journal.flushRefusals();
    } catch (error) {
      this.#log.problem('refusals were not written', error);
    }
  }
}

/** Requests that are being answered may end; who only holds a connection open does not delay us. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const force = setTimeout(() => server.server.closeAllConnections(), STOP_GRACE_MS);
  await server.close();
  clearTimeout(force);
}

/** A socket that nobody answers on is left over; one that answers belongs to another daemon. */
async function removeStaleSocket(path: string): Promise<void> {
  const code = await new Promise<string | undefined>(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'));
  });
  if (code === 'ENOENT') return;
  if (code !== 'ECONNREFUSED')
    throw new SignerError('JOURNAL_LOCKED', 'another daemon listens on a socket of this one');
  unlinkSync(path);
}
