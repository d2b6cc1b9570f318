// Proven evidence of one service: what backends signed themselves, by digest, within bounds.

import {
  DescriptorError,
  type Evidence,
  INVARIANTS,
  type IntroductionPoint,
  type KpHsId,
  type NetworkProfile,
  type PointReference,
  checkIntroProvenance,
  checkIntroShare,
  checkMinBackends,
  checkPointUnique,
  deriveKpHsBlindId,
  evidencePeriods,
  invariants,
  parseDescriptor,
  proveEvidence,
  resolvePoints,
  sha256Hex,
  toHex,
} from '../descriptor/index.ts';
import { BoundedMap } from './bounded-map.ts';
import { refuse, refuseIf } from './denial.ts';
import type { ListService } from './list.ts';
import type { ListBackend } from './list-backends.ts';

const EVIDENCE_KEPT = 64;

/** Points that were chosen, with the evidence that they stand in. */
export interface ChosenPoints {
  readonly points: readonly IntroductionPoint[];
  readonly evidence: readonly Evidence[];
}

/** The evidence of one service. It has no clock: each call says when it is. */
export class EvidenceStore {
  readonly #profile: NetworkProfile;
  readonly #backends: readonly ListBackend[];
  readonly #proven = new BoundedMap<Evidence>(EVIDENCE_KEPT);
  #blinded = new Map<string, KpHsId>();
  #blindedFor = '';

  constructor(profile: NetworkProfile, backends: readonly ListBackend[]) {
    this.#profile = profile;
    this.#backends = backends;
  }

  get size(): number {
    return this.#proven.size;
  }

  /**
   * Proves a descriptor (at most 50,000 bytes) and remembers what it proves; one that was proven before is only
   * judged by its age again. Refused evidence leaves no trace.
   * @throws CustodyError KEYHOLDER_REFUSED: INTRO-PROVENANCE (no listed backend, or why it proves nothing),
   *   EVIDENCE-AGE
   */
  prove(text: Uint8Array, nowSeconds: number): Evidence {
    const evidence = this.#proven.get(sha256Hex(text)) ?? this.#proveNew(text, nowSeconds);
    this.#checkAge(evidence, nowSeconds);
    this.#proven.set(evidence.digest, evidence);
    return evidence;
  }

  /**
   * The points that references name, judged again: every one stands in proven evidence, which is fresh enough and of a
   * published period now; no point and no auth key twice; enough backends, none with too many points.
   * @throws CustodyError KEYHOLDER_REFUSED: INTRO-PROVENANCE, EVIDENCE-AGE, POINT-UNIQUE, MIN-BACKENDS, INTRO-SHARE
   */
  choose(
    references: readonly PointReference[],
    limits: Pick<ListService, 'minBackends' | 'maxPointsPerBackend'>,
    nowSeconds: number,
  ): ChosenPoints {
    const named = new Map<string, Evidence>();
    for (const { evidence: digest } of references) {
      const evidence = this.#proven.get(digest);
      if (evidence !== undefined) named.set(digest, evidence);
    }
    refuseIf(checkIntroProvenance(references, named));
    const evidence = [...named.values()];
    for (const each of evidence) this.#checkAge(each, nowSeconds);
    const points = resolvePoints(references, named);
    refuseIf(checkPointUnique(points));
    refuseIf(checkMinBackends(references, named, limits.minBackends));
    refuseIf(checkIntroShare(references, named, limits.maxPointsPerBackend));
    return { points, evidence };
  }

  #checkAge(evidence: Evidence, nowSeconds: number): void {
    refuseIf(invariants.checkEvidencePeriod(evidence, this.#profile, nowSeconds));
    refuseIf(invariants.checkEvidenceAge(evidence, this.#profile, nowSeconds));
  }

  #proveNew(text: Uint8Array, nowSeconds: number): Evidence {
    const periods = evidencePeriods(this.#profile, nowSeconds);
    try {
      const signer = toHex(parseDescriptor(text).cert.signingKey);
      const backend = this.#backendsAt(nowSeconds).get(signer);
      if (backend === undefined) {
        throw refuse(INVARIANTS.introProvenance, 'signed by no backend of this service', 'a listed backend');
      }
      return proveEvidence(text, { backend, profile: this.#profile, periods });
    } catch (thrown) {
      if (!(thrown instanceof DescriptorError)) throw thrown;
      throw refuse(INVARIANTS.introProvenance, thrown.code, 'a descriptor that verifies', thrown);
    }
  }

  /** Blinded keys of all backends in the periods published now: computed once, no descriptor names its own. */
  #backendsAt(nowSeconds: number): ReadonlyMap<string, KpHsId> {
    const periods = evidencePeriods(this.#profile, nowSeconds);
    const name = periods.map(period => period.periodNum).join();
    if (name !== this.#blindedFor) {
      const blinded = this.#backends.flatMap(({ kpHsId }) =>
        periods.map(period => [toHex(deriveKpHsBlindId(kpHsId, period)), kpHsId] as const),
      );
      this.#blinded = new Map(blinded);
      this.#blindedFor = name;
    }
    return this.#blinded;
  }
}
