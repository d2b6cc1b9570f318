import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KpHsId, TOR_NETWORK, type TimePeriod, publishablePeriods } from '../../src/descriptor/index.ts';
import { type CustodyDenial, CustodyError } from '../../src/pkcs11/error.ts';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import type { SignOrder, SignTarget } from '../../src/pkcs11/keyholder-messages.ts';
import { Keyholder, type KeyholderOptions } from '../../src/pkcs11/keyholder-service.ts';
import { type KeyholderList, type ListService, encodeList } from '../../src/pkcs11/list.ts';
import type { ListAccess } from '../../src/pkcs11/list-access.ts';
import type { PinStore } from '../../src/pkcs11/pin-memory.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import { type Forgery, forge, identity } from '../descriptor/forge.ts';
import { type SoftHsm, createSoftHsm } from '../softhsm/create-softhsm.ts';

/** A token, two sealed services (`alpha` with backends a1 and a2, `beta` with b1), a list and an empty state. */
export interface Rig {
  readonly hsm: SoftHsm;
  readonly folder: string;
  readonly alpha: KpHsId;
  readonly beta: KpHsId;
  readonly paths: { readonly state: string; readonly list: string; readonly hostKey: string };
  /** Rewrites the list under the next serial. */
  writeList(changes?: Partial<KeyholderList>, alpha?: Partial<ListService>): KeyholderList;
  /** Serial of the list written last. */
  readonly listSerial: number;
  /** Puts a fresh state in place of the old one. */
  reset(): void;
  /** A keyholder in this process, with the token process behind it. */
  keyholder(options?: Partial<KeyholderOptions>): Keyholder;
  /** The opener of a keyholder in this process. */
  opener(onSpawn?: (pid: number) => void, pins?: PinStore): TokenClient;
  dispose(): Promise<void>;
}

/** A service that whoever knows the address may read, since the first list. */
export const OPEN_TO_ALL: ListAccess = {
  clients: [],
  clientsSerial: 1,
  settingsSerial: 1,
  caa: [],
  caaCritical: false,
};

export const now = (): number => Math.floor(Date.now() / 1000);

export async function createRig(): Promise<Rig> {
  const hsm = await createSoftHsm();
  await hsm.makeKey();
  const folder = mkdtempSync(join(tmpdir(), 'keyholder-'));
  const seal = async (name: string): Promise<KpHsId> => {
    const client = new TokenClient({ env: hsm.env, deadlineMs: 60_000 });
    const sealed = await client.seal({ tokens: [hsm.access()], ageRecipients: [], source: { kind: 'new' } });
    writeFileSync(join(folder, `${name}.age`), sealed.envelope, { mode: 0o600 });
    return sealed.kpHsId;
  };
  const [alpha, beta] = [await seal('alpha'), await seal('beta')];
  const hostKey = `file:${join(folder, 'host-key')}`;
  const paths = { state: join(folder, 'state'), list: join(folder, 'list'), hostKey };
  let serial = 0;

  const service = (alias: string, kpHsId: KpHsId, backends: string[]): ListService => ({
    alias,
    kpHsId,
    envelopePath: join(folder, `${alias}.age`),
    singleOnion: false,
    enabled: true,
    minPoints: 1,
    maxPoints: 20,
    minBackends: 1,
    maxPointsPerBackend: 20,
    requestsPerHour: 3600,
    pointSetsPerHour: 3600,
    backends: backends.map(name => ({ name, kpHsId: identity(name).kpHsId })),
    ...OPEN_TO_ALL,
  });
  const rig: Rig = {
    hsm,
    folder,
    alpha,
    beta,
    paths,
    get listSerial() {
      return serial;
    },
    writeList: (changes = {}, changesOfAlpha = {}) => {
      serial += 1;
      const list: KeyholderList = {
        serial,
        profile: TOR_NETWORK,
        aheadSeconds: 3 * 86_400,
        runwaySeconds: 6 * 3600,
        deadlineMs: 30_000,
        tokens: [{ uri: hsm.uri, modulePath: hsm.modulePath }],
        pinSource: hsm.pinSource,
        retired: [],
        periodKeys: 'keyholder',
        lockedMemory: 'required',
        services: [
          { ...service('alpha', alpha, ['a1', 'a2']), ...changesOfAlpha },
          service('beta', beta, ['b1']),
        ],
        ...changes,
      };
      writeFileSync(paths.list, encodeList(list), { mode: 0o600 });
      return list;
    },
    reset: () => {
      rmSync(paths.state, { recursive: true, force: true });
      HostState.create(paths.state, parseHostKeySource(hostKey));
    },
    opener: (onSpawn, pins) =>
      new TokenClient({
        env: hsm.env,
        deadlineMs: 60_000,
        ...(onSpawn && { onSpawn }),
        ...(pins && { pins }),
      }),
    keyholder: options =>
      new Keyholder({
        host: HostState.open(paths.state, parseHostKeySource(hostKey)),
        listPath: paths.list,
        openerFor: (_, pins) => rig.opener(undefined, pins),
        isolation: 'same user',
        tokenEnv: hsm.env,
        ...options,
      }),
    dispose: async () => {
      rmSync(folder, { recursive: true, force: true });
      await hsm.dispose();
    },
  };
  rig.reset();
  return rig;
}

/** A descriptor that a backend made ten minutes ago, in the older of the two published periods. */
export function backendDescriptor(label: string, forgery: Forgery = {}): Uint8Array {
  const [period] = publishablePeriods(TOR_NETWORK, now());
  return forge({ label, at: now() - 600, ...(period ? { period } : {}), ...forgery }).text;
}

/** Points 0, 1, … of evidence. */
export const pointsOf = (evidence: string, ...indexes: number[]): SignOrder['points'] =>
  indexes.map(index => ({ evidence, index }));

/** A second in each of the periods that are published then. */
export const targetsAt = (
  second: number,
  periods: readonly TimePeriod[] = publishablePeriods(TOR_NETWORK, second),
) => periods.map(({ periodNum }): SignTarget => ({ periodNum, variant: 0, second }));

/** Runs what must be refused by an invariant, and tells by which. */
export function denialOf(act: () => unknown): CustodyDenial {
  try {
    act();
  } catch (thrown) {
    return denialIn(thrown);
  }
  throw new Error('nothing was refused');
}

/** As `denialOf`, for what may take its time. */
export async function refusalOf(act: () => unknown): Promise<CustodyDenial> {
  try {
    await act();
  } catch (thrown) {
    return denialIn(thrown);
  }
  throw new Error('nothing was refused');
}

function denialIn(thrown: unknown): CustodyDenial {
  if (thrown instanceof CustodyError && thrown.denial !== undefined) return thrown.denial;
  throw thrown;
}
