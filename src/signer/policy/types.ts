import { createHash } from 'node:crypto';
import {
  type CaaRecord,
  encodeClientAuthFile,
  type KpHscDescEnc,
  type KpHsId,
} from '../../descriptor/index.ts';
import { type Administrators, encodeAdministrators } from './administrators.ts';
import { encodeRetired, type RetiredBackend } from './retired.ts';

/** A backend that policy names. A disabled one proves nothing, as if it were absent. */
export interface BackendPolicy {
  readonly name: string;
  /** 62 characters, with `.onion`. */
  readonly address: string;
  readonly kpHsId: KpHsId;
  readonly enabled: boolean;
}

/** A client that may read a restricted service's descriptors. */
export interface ClientPolicy {
  readonly name: string;
  readonly key: KpHscDescEnc;
}

/** The limits of one service; each belongs to the rule named beside it. */
export interface ServiceLimits {
  /** POINT-COUNT */
  readonly minPoints: number;
  /** POINT-COUNT */
  readonly maxPoints: number;
  /** MIN-BACKENDS: distinct backends in one descriptor. */
  readonly minBackends: number;
  /** INTRO-SHARE: points of one backend in one descriptor. */
  readonly maxPointsPerBackend: number;
  /** SIGN-RATE: signed requests of one publisher in an hour. */
  readonly requestsPerHour: number;
  /** CONTENT-CHURN: different sets of points signed for one publisher in an hour. */
  readonly pointSetsPerHour: number;
}

/** One service. Lists are sorted by name, so that equal policies have equal digests. */
export interface ServicePolicy {
  readonly service: string;
  /** 62 characters, with `.onion`. */
  readonly address: string;
  readonly kpHsId: KpHsId;
  readonly enabled: boolean;
  readonly singleOnion: boolean;
  readonly publishers: readonly string[];
  readonly backends: readonly BackendPolicy[];
  readonly limits: ServiceLimits;
  /** Sorted by name; none: whoever knows the address may read. */
  readonly clients: readonly ClientPolicy[];
  /** In the order of the descriptor's lines. */
  readonly caa: readonly CaaRecord[];
  readonly caaCritical: boolean;
}

/** All services, sorted by alias. What is not in it is denied. */
export interface Policy {
  readonly services: readonly ServicePolicy[];
  /** Whose signatures the next policy needs; undefined: nobody's. */
  readonly administrators: Administrators | undefined;
  /** Sorted by name. */
  readonly retired: readonly RetiredBackend[];
}

/** What is in force before the first `policy apply`. */
export const EMPTY_POLICY: Policy = Object.freeze({
  services: Object.freeze([]),
  administrators: undefined,
  retired: Object.freeze([]),
});

/** What a file may leave out. */
export const DEFAULT_LIMITS: ServiceLimits = Object.freeze({
  minPoints: 3,
  maxPoints: 20,
  minBackends: 1,
  maxPointsPerBackend: 20,
  requestsPerHour: 60,
  pointSetsPerHour: 12,
});

/** The service with this alias, or undefined. */
export function findService(policy: Policy, alias: string): ServicePolicy | undefined {
  return policy.services.find(({ service }) => service === alias);
}

/** The canonical text of a policy: JSON with fixed key order and sorted lists. parsePolicySnapshot reads it. */
export function encodePolicy(policy: Policy): Uint8Array {
  const services = policy.services.map(service => ({
    service: service.service,
    address: service.address,
    enabled: service.enabled,
    singleOnion: service.singleOnion,
    publishers: service.publishers,
    backends: service.backends.map(({ name, address, enabled }) => ({ name, address, enabled })),
    limits: {
      minPoints: service.limits.minPoints,
      maxPoints: service.limits.maxPoints,
      minBackends: service.limits.minBackends,
      maxPointsPerBackend: service.limits.maxPointsPerBackend,
      requestsPerHour: service.limits.requestsPerHour,
      pointSetsPerHour: service.limits.pointSetsPerHour,
    },
    clients: service.clients.map(({ name, key }) => ({ name, key: encodeClientAuthFile(key).trimEnd() })),
    caa: service.caa.map(({ flags, tag, value }) => ({ flags, tag, value })),
    caaCritical: service.caaCritical,
  }));
  const administrators =
    policy.administrators === undefined ? null : encodeAdministrators(policy.administrators);
  const retired = policy.retired.map(encodeRetired);
  return new TextEncoder().encode(`${JSON.stringify({ version: 4, administrators, retired, services })}\n`);
}

/** SHA-256 of the canonical text, 64 hex digits: what the journal's policy entry holds. */
export function policyDigest(policy: Policy): string {
  return createHash('sha256').update(encodePolicy(policy)).digest('hex');
}
