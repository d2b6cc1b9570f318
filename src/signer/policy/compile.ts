import {
  type CaaRecord,
  equalBytes,
  type KpHscDescEnc,
  type KpHsId,
  type NetworkProfile,
} from '../../descriptor/index.ts';
import { formatCaa } from './read-access.ts';
import type { Policy, ServicePolicy } from './types.ts';

/** Where descriptor signing keys are made. */
export type PeriodKeyPlace = 'keyholder' | 'token';

/** Whether secrets may reach swap where no memory can be locked. */
export type LockedMemory = 'required' | 'swap-accepted';

/** One service as the keyholder knows it. */
export interface KeyholderListService {
  readonly alias: string;
  readonly kpHsId: KpHsId;
  readonly envelopePath: string;
  readonly singleOnion: boolean;
  readonly enabled: boolean;
  readonly minPoints: number;
  readonly maxPoints: number;
  readonly minBackends: number;
  readonly maxPointsPerBackend: number;
  /** Of all publishers together. */
  readonly requestsPerHour: number;
  /** Of all publishers together. */
  readonly pointSetsPerHour: number;
  readonly backends: readonly { readonly name: string; readonly kpHsId: KpHsId }[];
  /** Keys alone, ascending. */
  readonly clients: readonly KpHscDescEnc[];
  /** Serial under which the set of clients changed last. */
  readonly clientsSerial: number;
  /** Serial under which anything changed last that texts carry. */
  readonly settingsSerial: number;
  readonly caa: readonly CaaRecord[];
  readonly caaCritical: boolean;
}

/** One order is signed in a second: there are no more sets in an hour, whoever asks. */
const MOST_POINT_SETS = 3600;

/** What the list before said; a service that is not in it, or of which nothing is known, begins anew. */
export interface EarlierList {
  readonly services: readonly Pick<
    KeyholderListService,
    'kpHsId' | 'singleOnion' | 'clients' | 'clientsSerial' | 'settingsSerial' | 'caa' | 'caaCritical'
  >[];
}

/** Everything in the keyholder's canonical list, as plain values; commands/ pass it to the list's encoder. */
export interface KeyholderListInput {
  readonly serial: number;
  readonly profile: NetworkProfile;
  readonly aheadSeconds: number;
  readonly runwaySeconds: number;
  readonly deadlineMs: number;
  readonly tokens: readonly { readonly uri: string; readonly modulePath: string }[];
  readonly pinSource: string;
  /** Keys that no backend may have, ascending. */
  readonly retired: readonly KpHsId[];
  readonly periodKeys: PeriodKeyPlace;
  readonly lockedMemory: LockedMemory;
  readonly services: readonly KeyholderListService[];
}

/** The settings of signer.yaml that the keyholder needs, and what the caller resolved. */
export interface CompileSettings {
  readonly serial: number;
  readonly profile: NetworkProfile;
  readonly aheadSeconds: number;
  readonly runwaySeconds: number;
  readonly deadlineMs: number;
  readonly tokens: readonly { readonly uri: string; readonly modulePath: string }[];
  readonly pinSource: string;
  readonly periodKeys: PeriodKeyPlace;
  readonly lockedMemory: LockedMemory;
  /** The list that this one follows. */
  readonly earlier?: EarlierList | undefined;
  /** The envelope of a service, an absolute path. */
  readonly envelopePath: (service: string) => string;
}

/**
 * Policy and settings → the keyholder's list, sorted by alias and backend name. Disabled backends are left out:
 * what the keyholder does not know it cannot believe.
 */
export function compileKeyholderList(policy: Policy, settings: CompileSettings): KeyholderListInput {
  const { envelopePath, earlier, ...fixed } = settings;
  return {
    ...fixed,
    retired: policy.retired
      .filter(({ mayReturn }) => !mayReturn)
      .map(({ kpHsId }) => kpHsId)
      .sort((a, b) => Buffer.compare(a, b)),
    services: policy.services.map(service => ({
      alias: service.service,
      kpHsId: service.kpHsId,
      envelopePath: envelopePath(service.service),
      singleOnion: service.singleOnion,
      enabled: service.enabled,
      minPoints: service.limits.minPoints,
      maxPoints: service.limits.maxPoints,
      minBackends: service.limits.minBackends,
      maxPointsPerBackend: service.limits.maxPointsPerBackend,
      // The keyholder knows no publishers: what each of them may ask for is added up.
      requestsPerHour: service.limits.requestsPerHour * Math.max(1, service.publishers.length),
      pointSetsPerHour: Math.min(
        MOST_POINT_SETS,
        service.limits.pointSetsPerHour * Math.max(1, service.publishers.length),
      ),
      backends: service.backends
        .filter(({ enabled }) => enabled)
        .map(({ name, kpHsId }) => ({ name, kpHsId })),
      ...compileAccess(service, fixed.serial, earlier),
    })),
  };
}

/** A set that comes back is another one than before, because serials never come back. */
function compileAccess(
  { kpHsId, clients, singleOnion, caa, caaCritical }: ServicePolicy,
  serial: number,
  earlier: EarlierList | undefined,
): Pick<KeyholderListService, 'clients' | 'clientsSerial' | 'settingsSerial' | 'caa' | 'caaCritical'> {
  const keys = clients.map(({ key }) => key).sort((a, b) => Buffer.compare(a, b));
  const before = earlier?.services.find(each => equalBytes(each.kpHsId, kpHsId));
  const sameClients = before !== undefined && Buffer.concat(before.clients).equals(Buffer.concat(keys));
  const same =
    sameClients &&
    before.singleOnion === singleOnion &&
    before.caaCritical === caaCritical &&
    before.caa.map(formatCaa).join('\n') === caa.map(formatCaa).join('\n');
  return {
    clients: keys,
    clientsSerial: sameClients ? before.clientsSerial : serial,
    settingsSerial: same ? before.settingsSerial : serial,
    caa,
    caaCritical,
  };
}
