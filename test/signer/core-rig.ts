import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { formatOnionAddress, sha256, TOR_NETWORK, toHex } from '../../src/descriptor/index.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import type { Keyholder as InnerKeyholder } from '../../src/pkcs11/keyholder-service.ts';
import { BlindedKeys } from '../../src/signer/blinded-keys.ts';
import { Checkpoints } from '../../src/signer/checkpoints.ts';
import { custodyStatus } from '../../src/signer/commands/keyholder-door.ts';
import type { SignRequest } from '../../src/signer/contract/requests.ts';
import { EvidenceBook } from '../../src/signer/evidence-book.ts';
import { HourlyBudget } from '../../src/signer/hourly-budget.ts';
import { createJournal, openJournal } from '../../src/signer/journal/journal.ts';
import { SignerMetrics } from '../../src/signer/metrics.ts';
import { PointSetBook } from '../../src/signer/point-set-book.ts';
import { parsePolicy } from '../../src/signer/policy/load.ts';
import type { Keyholder, KeyholderState, Refused } from '../../src/signer/ports.ts';
import { SignerLog } from '../../src/signer/program/log.ts';
import type { RouteContext } from '../../src/signer/routes.ts';
import type { SignerCore } from '../../src/signer/sign-descriptor.ts';
import { OutputVerifier } from '../../src/signer/verify-output.ts';
import { newRequestId } from '../e2e/daemon/backends.ts';
import { identity } from '../descriptor/forge.ts';
import { backendDescriptor, now, type Rig } from '../pkcs11/keyholder-rig.ts';

export const PUBLISHER = 'vps1';
export const OTHER_PUBLISHER = 'vps2';

/** The core with a real keyholder and journal, in this process. What the keyholder was asked is counted. */
export class CoreRig {
  readonly folder = mkdtempSync(join(tmpdir(), 'core-'));
  readonly asked: string[] = [];
  readonly lines: Record<string, unknown>[] = [];
  readonly log: SignerLog;
  readonly core: SignerCore;
  readonly context: RouteContext;
  readonly #rig: Rig;
  #inner: InnerKeyholder;
  /** Changes what status says; for tests of what cannot be had in time. */
  editStatus: (state: KeyholderState) => KeyholderState = state => state;
  policySerial = 0;
  /** The core's clock, Unix seconds. */
  clock: () => number = now;

  /** `limits` of every service; `lines` are added to the policy of `alpha`; with `shared`, both publishers have both services. */
  constructor(rig: Rig, inner: InnerKeyholder, limits = '{}', lines = '', shared = false) {
    [this.#rig, this.#inner] = [rig, inner];
    const path = join(this.folder, 'journal.sqlite');
    const { checkpointVkey } = inner.status();
    createJournal(path, { origin: checkpointVkey.slice(0, checkpointVkey.indexOf('+')), now: now() });
    const blindedKeys = new BlindedKeys();
    const policy = this.#policy(limits, lines, shared);
    const keyholder = this.#port();
    this.core = {
      profile: TOR_NETWORK,
      runwaySeconds: 3600,
      policy: () => policy,
      policySerial: () => this.policySerial,
      journal: openJournal({ path, now: () => this.clock() }),
      keyholder,
      evidence: new EvidenceBook(TOR_NETWORK, blindedKeys),
      blindedKeys,
      verifier: new OutputVerifier(TOR_NETWORK),
      pointSets: new PointSetBook(TOR_NETWORK),
      checks: new HourlyBudget(),
      latched: new Set(),
      now: () => this.clock(),
    };
    this.log = new SignerLog(
      pino(
        { base: null },
        { write: line => void this.lines.push(JSON.parse(line) as Record<string, unknown>) },
      ),
    );
    this.policySerial = inner.status().listSerial;
    this.context = {
      core: this.core,
      checkpoints: new Checkpoints(this.core.journal, keyholder, () => this.clock()),
      log: this.log,
      metrics: new SignerMetrics(),
      startedAt: now(),
    };
  }

  /** The keyholder was started again. */
  replace(inner: InnerKeyholder): void {
    this.#inner = inner;
  }

  /** A request for a point of each backend of `alpha`, with fresh evidence. */
  request(change: Partial<SignRequest> = {}): SignRequest {
    const texts = ['a1', 'a2'].map(label => backendDescriptor(label));
    return {
      id: newRequestId(),
      service: 'alpha',
      points: texts.map(text => ({ evidence: toHex(sha256(text)), index: 0 })),
      evidence: texts.map(text => Buffer.from(text).toString('latin1')),
      ...change,
    };
  }

  /** The journal as after a restart, which verifies it as a whole. */
  reopenJournal(): void {
    this.core.journal.close();
    Object.assign(this.core, { journal: openJournal({ path: join(this.folder, 'journal.sqlite'), now }) });
  }

  dispose(): void {
    this.core.journal.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #policy(limits: string, lines: string, shared: boolean) {
    const address = (label: string): string => formatOnionAddress(identity(label).kpHsId);
    const file = (service: string, own: string, backends: string[], publisher: string): string =>
      [
        `service: ${service}`,
        `address: ${own}`,
        `publishers: [${shared ? `${PUBLISHER}, ${OTHER_PUBLISHER}` : publisher}]`,
        `backends: { ${backends.map(label => `${label}: ${address(label)}`).join(', ')} }`,
        `limits: ${limits}`,
        '',
      ].join('\n');
    const files = [
      file('alpha', formatOnionAddress(this.#rig.alpha), ['a1', 'a2'], PUBLISHER) + lines,
      file('beta', formatOnionAddress(this.#rig.beta), ['b1'], OTHER_PUBLISHER),
    ];
    return parsePolicy(
      files.map((text, i) => ({ name: `${i}.yaml`, text })),
      { publishers: new Set([PUBLISHER, OTHER_PUBLISHER]) },
    );
  }

  #port(): Keyholder {
    const ask = async <T>(name: string, act: () => T | Promise<T>): Promise<T | Refused> => {
      this.asked.push(name);
      try {
        return await act();
      } catch (error) {
        if (error instanceof CustodyError && error.denial !== undefined) return { refused: error.denial };
        throw error;
      }
    };
    return {
      prove: (kpHsId, text) => ask('prove', () => ({ digest: this.#inner.prove(kpHsId, text).digest })),
      sign: order => ask('sign', async () => ({ signed: await this.#inner.sign(order) })),
      checkpoint: async (size, rootHash, proof) =>
        this.#inner.checkpoint({ size: BigInt(size), rootHash, proof }),
      signedSize: async () => Number(this.#inner.status().checkpointSize),
      prepare: async () => void (await this.#inner.prepare()),
      freeze: async (kpHsId, frozen) => this.#inner.freeze(kpHsId, frozen),
      fence: async kpHsId => this.#inner.fence(kpHsId),
      raiseFloor: async second => this.#inner.raiseFloor(second),
      reload: async () => this.#inner.reload(),
      status: async () => {
        this.asked.push('status');
        const status = this.#inner.status();
        const services = status.services.map(each => custodyStatus(TOR_NETWORK, each, this.clock()));
        return this.editStatus({
          ...status,
          memory: 'locked',
          listDigest: toHex(status.listDigest),
          checkpointKey: status.checkpointVkey,
          services,
        });
      },
    };
  }
}
