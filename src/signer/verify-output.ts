import {
  certExpiryHours,
  createCachingVerify,
  type NetworkProfile,
  openDescriptor,
  type OpenedDescriptor,
  openDescriptorWithNoble,
  samePoint,
  timePeriod,
  toHex,
} from '../descriptor/index.ts';
import { SignerError } from './contract/problems.ts';
import type { Approved } from './policy/evaluate.ts';
import type { SignedTarget } from './ports.ts';

/** A text that opened as a client would open it, and holds exactly what was approved. Only verifyOutput makes one. */
export class VerifiedText {
  readonly target: SignedTarget;

  private constructor(target: SignedTarget) {
    this.target = target;
  }

  static of(verified: SignedTarget): VerifiedText {
    return new VerifiedText(verified);
  }
}

/**
 * Opens what the keyholder built before anybody sees it: every text with OpenSSL (libsodium made the signatures),
 * the first text of each period key with @noble alone. Certificates that were verified byte for byte before are
 * not verified again.
 */
export class OutputVerifier {
  readonly #profile: NetworkProfile;
  readonly #verifyOnce = createCachingVerify();
  readonly #seenPeriodKeys = new Set<string>();

  constructor(profile: NetworkProfile) {
    this.#profile = profile;
  }

  /**
   * Checks one signed target against the approval. SignerError SERVICE_LATCHED with the cause when anything differs:
   * the text must then be dropped and the service stopped.
   */
  verify(approved: Approved, target: SignedTarget): VerifiedText {
    try {
      const options = {
        kpHsId: approved.service.kpHsId,
        periods: [timePeriod(this.#profile, target.periodNum)],
        nowSeconds: target.second,
      };
      const opened = openDescriptor(target.text, { ...options, verify: this.#verifyOnce });
      this.#compare(approved, target, opened);
      const periodKey = toHex(opened.kpHsDescSign);
      if (!this.#seenPeriodKeys.has(periodKey)) {
        this.#compare(approved, target, openDescriptorWithNoble(target.text, options));
        this.#seenPeriodKeys.add(periodKey);
      }
      return VerifiedText.of(target);
    } catch (cause) {
      const advice = 'a result failed verification; keep the journal, stop the signer and report this';
      throw new SignerError('SERVICE_LATCHED', advice, { cause });
    }
  }

  #compare(approved: Approved, target: SignedTarget, { outer, cert, inner, period }: OpenedDescriptor): void {
    const wanted = approved.introductionPoints;
    const points = inner?.introductionPoints ?? [];
    const same =
      period.periodNum === target.periodNum &&
      outer.revisionCounter === target.revisionCounter &&
      outer.lifetimeMinutes === 180 &&
      cert.expiryHours === certExpiryHours(target.second) &&
      inner?.singleOnionService === approved.service.singleOnion &&
      points.length === wanted.length &&
      wanted.every((point, index) => points[index] !== undefined && samePoint(point, points[index]));
    if (!same) throw new Error('the text differs from what was approved');
  }
}
