import {
  AUTH_CLIENT_MULTIPLE,
  type CaaRecord,
  certExpiryHours,
  checkCounterCeiling,
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
import type { ServicePolicy } from './policy/types.ts';
import type { SignedTarget } from './ports.ts';

/** A text that opened as a client would open it, and holds exactly what was approved. Only verifyOutput makes one. */
export class VerifiedText {
  readonly target: ReleasableTarget;

  private constructor(target: ReleasableTarget) {
    this.target = target;
  }

  static of({
    periodNum,
    variant,
    second,
    lead,
    revisionCounter,
    text,
    settingsSerial,
  }: SignedTarget): VerifiedText {
    return new VerifiedText({ periodNum, variant, second, lead, revisionCounter, text, settingsSerial });
  }
}

/** What may leave of a signed target: everything but the cookie. */
export type ReleasableTarget = Omit<SignedTarget, 'descriptorCookie'>;

/** Ends what the core knew of the inner layers of restricted texts. */
export function wipeCookies(targets: readonly SignedTarget[]): void {
  for (const { descriptorCookie } of targets) descriptorCookie?.fill(0);
}

/** What opens texts: the keyholder signed with libsodium, so each of both is another implementation. */
export interface OutputOpeners {
  /** Every text. */
  readonly every: typeof openDescriptor;
  /** The first text of each period key and settings. */
  readonly first: typeof openDescriptorWithNoble;
}

export const OUTPUT_OPENERS: OutputOpeners = { every: openDescriptor, first: openDescriptorWithNoble };

/**
 * Opens what the keyholder built before anybody sees it: every text with OpenSSL (libsodium made the signatures),
 * the first text of each period key and settings with @noble alone. Certificates that were verified byte for byte
 * before are not verified again.
 */
export class OutputVerifier {
  readonly #profile: NetworkProfile;
  readonly #verifyOnce = createCachingVerify();
  readonly #seenPeriodKeys = new Set<string>();
  readonly #openers: OutputOpeners;

  constructor(profile: NetworkProfile, openers = OUTPUT_OPENERS) {
    this.#profile = profile;
    this.#openers = openers;
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
        descriptorCookie: target.descriptorCookie,
      };
      const { every, first } = this.#openers;
      const opened = every(target.text, { ...options, verify: this.#verifyOnce });
      this.#compare(approved, target, opened);
      const periodKey = `${toHex(opened.kpHsDescSign)}/${target.settingsSerial}`;
      if (!this.#seenPeriodKeys.has(periodKey)) {
        this.#compare(approved, target, first(target.text, options));
        this.#seenPeriodKeys.add(periodKey);
      }
      return VerifiedText.of(target);
    } catch (cause) {
      const advice = 'a result failed verification; keep the journal, stop the signer and report this';
      throw new SignerError('SERVICE_LATCHED', advice, { cause });
    }
  }

  #compare(approved: Approved, target: SignedTarget, opened: OpenedDescriptor): void {
    const { outer, cert, inner, period } = opened;
    const wanted = approved.introductionPoints;
    const points = inner?.introductionPoints ?? [];
    const same =
      period.periodNum === target.periodNum &&
      outer.revisionCounter === target.revisionCounter &&
      checkCounterCeiling(this.#profile, period, outer.revisionCounter, target.lead) === undefined &&
      outer.lifetimeMinutes === 180 &&
      cert.expiryHours === certExpiryHours(target.second) &&
      inner?.singleOnionService === approved.service.singleOnion &&
      isAccessOf(approved.service, target, opened) &&
      points.length === wanted.length &&
      wanted.every((point, index) => points[index] !== undefined && samePoint(point, points[index]));
    if (!same) throw new Error('the text differs from what was approved');
  }
}

/**
 * Whether those who may read are as many as policy says and the CAA lines are policy's. Which clients they are only their
 * own keys could tell, and those are nowhere here: that is the keyholder's word.
 */
function isAccessOf(
  { clients, caa, caaCritical }: ServicePolicy,
  { descriptorCookie }: SignedTarget,
  { middle, inner }: OpenedDescriptor,
): boolean {
  const lines = Math.max(1, Math.ceil(clients.length / AUTH_CLIENT_MULTIPLE)) * AUTH_CLIENT_MULTIPLE;
  return (
    (descriptorCookie !== undefined) === clients.length > 0 &&
    middle.authClients.length === lines &&
    middle.caaCritical === caaCritical &&
    inner !== undefined &&
    inner.powParams === undefined &&
    formatCaa(inner.caa) === formatCaa(caa)
  );
}

const formatCaa = (records: readonly CaaRecord[]): string =>
  JSON.stringify(records.map(({ flags, tag, value }) => [flags, tag, value]));
