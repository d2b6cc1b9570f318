import {
  type Evidence,
  evidencePeriods,
  DescriptorError,
  equalBytes,
  type KpHsId,
  type NetworkProfile,
  parseDescriptor,
  proveEvidence,
  sha256,
  type TimePeriod,
  toHex,
} from '../descriptor/index.ts';
import type { BlindedKeys } from './blinded-keys.ts';
import { SignerError } from './contract/problems.ts';
import { findService, type Policy, type ServicePolicy } from './policy/types.ts';

/** A backend's descriptor that the core itself has proven, with its text for the keyholder and the archive. */
export interface StoredEvidence {
  readonly evidence: Evidence;
  readonly text: Uint8Array;
}

const adviceOn = ({ code }: DescriptorError): string =>
  code === 'WRONG_KEY'
    ? 'send what enabled backends of this service publish now, and nothing else'
    : "fetch the backend's descriptor again and send it whole";

/** Per service; an honest publisher needs two for each of its backends. */
const MAX_PER_SERVICE = 64;

interface Identified {
  readonly backend: KpHsId;
  readonly period: TimePeriod;
}

/**
 * The core's own proof of each backend's descriptor, kept by digest so that a request may name what was seen before.
 * Bounded per service, oldest use first out.
 */
export class EvidenceStore {
  readonly #profile: NetworkProfile;
  readonly #blindedKeys: BlindedKeys;
  readonly #services = new Map<string, Map<string, StoredEvidence>>();

  constructor(profile: NetworkProfile, blindedKeys: BlindedKeys) {
    this.#profile = profile;
    this.#blindedKeys = blindedKeys;
  }

  /**
   * Proves `text` as a descriptor that a backend of `service` signed for one of the periods published at `now`
   * (Unix seconds), or finds it among those proven before. SignerError EVIDENCE_INVALID. Age is not judged here.
   */
  prove(service: ServicePolicy, text: Uint8Array, now: number): StoredEvidence {
    const known = this.#services.get(service.service);
    const digest = toHex(sha256(text));
    const seen = known?.get(digest);
    if (seen !== undefined) {
      this.#keep(service.service, seen);
      return seen;
    }
    try {
      const { backend, period } = this.#identify(service, text, now);
      const evidence = proveEvidence(text, { backend, profile: this.#profile, periods: [period] });
      const stored = { evidence, text };
      this.#keep(service.service, stored);
      return stored;
    } catch (cause) {
      if (!(cause instanceof DescriptorError)) throw cause;
      const message = `a descriptor sent as evidence fails with ${cause.code}: ${adviceOn(cause)}`;
      throw new SignerError('EVIDENCE_INVALID', message, { cause, evidence: digest });
    }
  }

  /** Another store with what this one knows; neither notices what is done with the other. */
  copy(): EvidenceStore {
    const copy = new EvidenceStore(this.#profile, this.#blindedKeys);
    for (const [alias, kept] of this.#services) copy.#services.set(alias, new Map(kept));
    return copy;
  }

  /** What was proven for this service, by digest. */
  proven(service: string): ReadonlyMap<string, StoredEvidence> {
    return this.#services.get(service) ?? new Map<string, StoredEvidence>();
  }

  /** Forgets the services that policy no longer has. */
  retain(policy: Policy): void {
    for (const alias of this.#services.keys()) {
      if (findService(policy, alias) === undefined) this.#services.delete(alias);
    }
  }

  #keep(service: string, stored: StoredEvidence): void {
    const kept = this.#services.get(service) ?? new Map<string, StoredEvidence>();
    this.#services.set(service, kept);
    kept.delete(stored.evidence.digest);
    kept.set(stored.evidence.digest, stored);
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_PER_SERVICE) break;
      kept.delete(oldest);
    }
  }

  /** Which enabled backend and period the certificate's key belongs to. Nothing is believed yet. */
  #identify(service: ServicePolicy, text: Uint8Array, now: number): Identified {
    const claimed = parseDescriptor(text).cert.signingKey;
    for (const period of evidencePeriods(this.#profile, now)) {
      for (const { kpHsId, enabled } of service.backends) {
        if (enabled && equalBytes(this.#blindedKeys.of(kpHsId, period), claimed))
          return { backend: kpHsId, period };
      }
    }
    throw new DescriptorError(
      'WRONG_KEY',
      'no enabled backend of this service signed it for a published period',
    );
  }
}
