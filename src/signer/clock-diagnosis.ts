import {
  certTimeInterval,
  DescriptorError,
  type Evidence,
  evidenceAgeFault,
  evidencePeriods,
  type NetworkProfile,
  parseDescriptor,
  proveEvidence,
  toHex,
} from '../descriptor/index.ts';
import type { BlindedKeys } from './blinded-keys.ts';
import type { Denied } from './contract/problems.ts';
import type { ServicePolicy } from './policy/types.ts';

/** What the diagnosis looks at. */
export interface ClockQuestion {
  readonly profile: NetworkProfile;
  readonly blindedKeys: BlindedKeys;
  readonly service: ServicePolicy;
  /** Descriptors that were sent or named as evidence, proven or not. */
  readonly texts: readonly Uint8Array[];
  /** Unix seconds. */
  readonly now: number;
}

/**
 * CLOCK-BEHIND, CLOCK-AHEAD: which way this host's clock is off when no evidence fits it. Every enabled backend of the
 * service must have a descriptor among `texts`, and all of them must be from the future, or all too old. A publisher can
 * send old ones, so the second says `or`; it cannot make new ones. For these words alone descriptors are proven for the
 * periods around their own expiry: nothing is allowed by it.
 */
export function diagnoseClock(question: ClockQuestion): Denied | undefined {
  const dated = question.texts.flatMap(text => proveAtItsOwnTime(text, question) ?? []);
  const { service, profile, now } = question;
  const witnesses = new Set(dated.map(({ backend }) => toHex(backend)));
  const enabled = service.backends.filter(backend => backend.enabled);
  if (witnesses.size === 0 || witnesses.size < enabled.length) return undefined;
  const faults = new Set(dated.map(evidence => evidenceAgeFault(evidence, profile, now)?.code));
  const [fault] = faults;
  if (fault === undefined || faults.size > 1) return undefined;
  const { from, to } = newest(dated).made;
  const observed = `the newest descriptor of ${witnesses.size} backends was made ${iso(from)} to ${iso(to)}`;
  const clock = `the clock of the signer says ${iso(now)}`;
  if (fault === 'EVIDENCE_FROM_FUTURE') return { rule: 'CLOCK-BEHIND', observed, limit: clock };
  // One old descriptor is what a dead backend leaves behind.
  if (witnesses.size < 2) return undefined;
  return { rule: 'CLOCK-AHEAD', observed, limit: `${clock}, or what was sent is old` };
}

function proveAtItsOwnTime(
  text: Uint8Array,
  { profile, blindedKeys, service }: ClockQuestion,
): Evidence | undefined {
  try {
    const { cert } = parseDescriptor(text);
    const claimed = toHex(cert.signingKey);
    for (const period of evidencePeriods(profile, certTimeInterval(cert.expiryHours).to)) {
      const backend = service.backends.find(
        ({ kpHsId, enabled }) => enabled && toHex(blindedKeys.of(kpHsId, period)) === claimed,
      );
      if (backend !== undefined)
        return proveEvidence(text, { backend: backend.kpHsId, profile, periods: [period] });
    }
  } catch (error) {
    if (!(error instanceof DescriptorError)) throw error;
  }
  return undefined;
}

function newest(dated: readonly Evidence[]): Evidence {
  return dated.reduce((best, each) => (each.made.to > best.made.to ? each : best));
}

const iso = (seconds: number): string => new Date(Math.round(seconds) * 1000).toISOString();
