import type { Bytes } from './bytes.ts';
import { DescriptorError, type DescriptorErrorCode } from './error.ts';
import type { FlowControl } from './inner-layer.ts';
import type { IntroductionPoint, ParsedIntroductionPoint } from './introduction-point.ts';
import type { KpHsId } from './keys.ts';
import { type OpenedDescriptor, openDescriptor } from './open.ts';
import { type Ed25519Verify, sha256Hex } from './primitives.ts';
import { counterTimeInterval } from './revision-counter.ts';
import {
  CERT_LIFETIME_HOURS,
  type NetworkProfile,
  type TimeInterval,
  type TimePeriod,
  publishablePeriods,
} from './time.ts';

/** What a backend's own descriptor proves. Only {@link proveEvidence} mints it. */
export interface Evidence {
  /** SHA-256 of the text, 64 hexadecimal digits. */
  readonly digest: string;
  readonly backend: KpHsId;
  readonly period: TimePeriod;
  /** In the order of the text: a reference is digest and index. */
  readonly points: readonly IntroductionPoint[];
  /** Expiry of the certificate of type 08, hours since 1970. */
  readonly expiryHours: number;
  /** The earliest expiry of all certificates, hours since 1970. */
  readonly validUntilHours: number;
  readonly revisionCounter: bigint;
  readonly flowControl: FlowControl | undefined;
  /** When it was made, Unix seconds, both ends included: what certificate and counter agree on. */
  readonly made: TimeInterval;
}

/** Whose descriptor the text claims to be, and where. */
export interface EvidenceClaim {
  readonly backend: KpHsId;
  readonly profile: NetworkProfile;
  /** The periods that are published now. */
  readonly periods: readonly TimePeriod[];
  readonly verify?: Ed25519Verify | undefined;
}

/** In which way the time of evidence is out of bounds, with both in Unix seconds. */
export interface AgeFault {
  readonly code: Extract<DescriptorErrorCode, 'EVIDENCE_STALE' | 'EVIDENCE_FROM_FUTURE'>;
  readonly observed: number;
  readonly limit: number;
}

const HOUR = 3600;

/**
 * Proves a backend's descriptor from first principles, all certificates strictly, and dates it by itself. Ours. Says
 * nothing about its age: that is judged again at every use, see {@link checkEvidenceAge}.
 * Throws the codes of {@link openDescriptor}; COOKIE_MISSING for a restricted backend, whose points nobody can prove;
 * POINT_COUNT when it has none; COUNTER_OUT_OF_RANGE; BAD_PERIOD for a profile of {@link ringNetwork}; EVIDENCE_INCONSISTENT when certificate and counter name
 * different times, which stock tor's never do.
 */
export function proveEvidence(text: Bytes, claim: EvidenceClaim): Evidence {
  const { backend, profile, periods, verify } = claim;
  const opened = openDescriptor(text, { kpHsId: backend, periods, verify });
  const { inner, outer, period, cert } = opened;
  if (inner === undefined) {
    throw new DescriptorError(
      'COOKIE_MISSING',
      'a backend must not restrict discovery; its points cannot be proven',
    );
  }
  if (inner.introductionPoints.length === 0) {
    throw new DescriptorError('POINT_COUNT', 'the descriptor of a backend must have introduction points');
  }
  const dated = { profile, period, expiryHours: cert.expiryHours, revisionCounter: outer.revisionCounter };
  return {
    digest: sha256Hex(text),
    backend,
    period,
    points: inner.introductionPoints.map(bareTuple),
    expiryHours: cert.expiryHours,
    validUntilHours: earliestExpiry(opened, inner.introductionPoints),
    revisionCounter: outer.revisionCounter,
    flowControl: inner.flowControl,
    made: intersect(certTimeInterval(cert.expiryHours), counterInterval(dated)),
  };
}

/**
 * When a certificate of type 08 with this expiry was made by stock tor, which rounds now + 54 h up to the hour:
 * (E − 55 h, E − 54 h] as whole Unix seconds, both ends included. Ours; no specification has it. Does not throw.
 */
export function certTimeInterval(expiryHours: number): TimeInterval {
  const to = (expiryHours - CERT_LIFETIME_HOURS) * HOUR;
  return { from: to - HOUR + 1, to };
}

/**
 * How evidence fails the age limits of the profile at `nowSeconds`, or undefined. The certificate's and the
 * counter's interval must each overlap [now − maxAge, now + maxSkew]; the expiry is at most now + 55 h; and no
 * certificate has expired. Ours. Throws COUNTER_OUT_OF_RANGE for a counter that no evidence has.
 */
export function evidenceAgeFault(
  evidence: Pick<Evidence, 'period' | 'expiryHours' | 'validUntilHours' | 'revisionCounter'>,
  profile: NetworkProfile,
  nowSeconds: number,
): AgeFault | undefined {
  const oldest = nowSeconds - profile.evidenceMaxAgeSeconds;
  const newest = nowSeconds + profile.evidenceMaxSkewSeconds;
  const lastExpiry = nowSeconds + (CERT_LIFETIME_HOURS + 1) * HOUR;
  const expiry = evidence.expiryHours * HOUR;
  const validUntil = evidence.validUntilHours * HOUR;
  if (expiry > lastExpiry) return { code: 'EVIDENCE_FROM_FUTURE', observed: expiry, limit: lastExpiry };
  const intervals = [certTimeInterval(evidence.expiryHours), counterInterval({ ...evidence, profile })];
  for (const { from, to } of intervals) {
    if (!(from <= newest)) return { code: 'EVIDENCE_FROM_FUTURE', observed: from, limit: newest };
    if (!(to >= oldest)) return { code: 'EVIDENCE_STALE', observed: to, limit: oldest };
  }
  if (!(nowSeconds <= validUntil)) return { code: 'EVIDENCE_STALE', observed: nowSeconds, limit: validUntil };
  return undefined;
}

/**
 * Lets evidence pass whose age is within the limits of the profile at `nowSeconds`, Unix time. Ours. Throws
 * EVIDENCE_STALE or EVIDENCE_FROM_FUTURE when {@link evidenceAgeFault} finds a fault.
 */
export function checkEvidenceAge(evidence: Evidence, profile: NetworkProfile, nowSeconds: number): void {
  const fault = evidenceAgeFault(evidence, profile, nowSeconds);
  if (fault === undefined) return;
  const advice =
    fault.code === 'EVIDENCE_STALE'
      ? 'the evidence is too old: fetch the descriptor of the backend again'
      : 'the evidence is from the future: compare the clocks of backend and signer';
  throw new DescriptorError(fault.code, advice);
}

/**
 * The periods whose descriptors may be evidence at `nowSeconds`, Unix time: those published then
 * (rend-spec-v3 §2.2.4). Throws BAD_PERIOD.
 */
export function evidencePeriods(profile: NetworkProfile, nowSeconds: number): TimePeriod[] {
  return publishablePeriods(profile, nowSeconds);
}

function counterInterval(dated: {
  readonly profile: NetworkProfile;
  readonly period: TimePeriod;
  readonly revisionCounter: bigint;
}): TimeInterval {
  return counterTimeInterval(dated.profile, dated.period, dated.revisionCounter);
}

function intersect(a: TimeInterval, b: TimeInterval): TimeInterval {
  const from = Math.max(a.from, b.from);
  const to = Math.min(a.to, b.to);
  if (from > to) {
    throw new DescriptorError(
      'EVIDENCE_INCONSISTENT',
      'certificate and counter of a backend must be made at one time, as stock tor makes them',
    );
  }
  return { from, to };
}

function bareTuple({
  linkSpecifiers,
  onionKey,
  authKey,
  encKey,
}: ParsedIntroductionPoint): IntroductionPoint {
  return { linkSpecifiers, onionKey, authKey, encKey };
}

function earliestExpiry({ cert }: OpenedDescriptor, points: readonly ParsedIntroductionPoint[]): number {
  const hours = points.flatMap(({ authCert, encCert }) => [authCert.expiryHours, encCert.expiryHours]);
  return Math.min(cert.expiryHours, ...hours);
}
