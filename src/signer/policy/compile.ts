import type { KpHsId, NetworkProfile } from '../../descriptor/index.ts';
import type { Policy } from './types.ts';

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
  readonly backends: readonly { readonly name: string; readonly kpHsId: KpHsId }[];
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
  /** The envelope of a service, an absolute path. */
  readonly envelopePath: (service: string) => string;
}

/**
 * Policy and settings → the keyholder's list, sorted by alias and backend name. Disabled backends are left out:
 * what the keyholder does not know it cannot believe.
 */
export function compileKeyholderList(policy: Policy, settings: CompileSettings): KeyholderListInput {
  const { envelopePath, ...fixed } = settings;
  return {
    ...fixed,
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
      backends: service.backends
        .filter(({ enabled }) => enabled)
        .map(({ name, kpHsId }) => ({ name, kpHsId })),
    })),
  };
}
