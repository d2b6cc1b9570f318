import type { NetworkProfile } from '../descriptor/index.ts';
import type { BlindedKeys } from './blinded-keys.ts';
import { EvidenceStore } from './evidence-store.ts';
import type { Policy } from './policy/types.ts';

/**
 * The proven evidence of each publisher by itself: a reference is to what this publisher showed. It learns nothing of what
 * another one showed for the same service, and pushes nothing of it out. Callers ask only for publishers that policy
 * names, so it stays as small as policy.
 */
export class EvidenceBook {
  readonly #profile: NetworkProfile;
  readonly #blindedKeys: BlindedKeys;
  readonly #publishers = new Map<string, EvidenceStore>();

  constructor(profile: NetworkProfile, blindedKeys: BlindedKeys) {
    this.#profile = profile;
    this.#blindedKeys = blindedKeys;
  }

  of(publisher: string): EvidenceStore {
    const store = this.#publishers.get(publisher) ?? new EvidenceStore(this.#profile, this.#blindedKeys);
    this.#publishers.set(publisher, store);
    return store;
  }

  /** Forgets the services that policy no longer has. */
  retain(policy: Policy): void {
    for (const store of this.#publishers.values()) store.retain(policy);
  }
}
