// KS_hs_desc_sign of one service and period, and everything else that stock tor keeps for the length of a period.
// Nothing here signs what it is handed: points are certified, a descriptor that this process built is signed.

import {
  type Bytes,
  CERT_TYPE,
  type CertifiedIntroductionPoint,
  type IntroductionPoint,
  type KpHsBlindId,
  type KpHsDescSign,
  type KpHsId,
  type NHsSubcred,
  type NetworkProfile,
  RecentMap,
  type RevisionCounter,
  type SignableDescriptor,
  type TimePeriod,
  assembleCert,
  createRevisionCounter,
  deriveKpHsBlindId,
  deriveSubcredential,
  encodeCertBody,
  innerCertExpiryHours,
  parseKpHsDescSign,
  pointKey,
  srvRunStart,
  timePeriod,
  x25519ToEd25519,
} from '../descriptor/index.ts';
import { ClientAccess, type ClientSet, type Derive } from './client-access.ts';
import { hmacSha256Into } from './hkdf.ts';
import { Secret, ed25519FromSeed, ed25519Sign, withScratch } from './locked-memory.ts';
import { descSigningCertBody } from './blinded-sign.ts';
import type { PeriodRecord } from './state-codec.ts';

const PERIOD_SECRET = new TextEncoder().encode('onion-signer period secret 1\0');
const COUNTER_KEY_BYTES = 32;
const SIGNING_KEY_BYTES = 64;
const CERTIFIED_POINTS_KEPT = 512;

/** Whose period key it is, and what is kept of it. The record's secrets are wiped by whoever drops the record. */
export interface PeriodKeyParts {
  readonly kpHsId: KpHsId;
  readonly profile: NetworkProfile;
  /** Its ladder was verified. */
  readonly record: PeriodRecord;
}

/** HMAC-SHA-256 of the blinded key under the per-service secret: what one period may know of that (32 bytes). */
export function derivePeriodSecret(serviceSecret: Secret, kpHsBlindId: KpHsBlindId): Secret {
  const secret = new Secret(32);
  secret.use(out => serviceSecret.use(key => hmacSha256Into(out, key, PERIOD_SECRET, kpHsBlindId)));
  return secret;
}

/** The public half of a seed: KP_hs_desc_sign. */
export function descSignPublic(seed: Secret): KpHsDescSign {
  return withScratch(64, secretKey =>
    seed.use(bytes => parseKpHsDescSign(ed25519FromSeed(secretKey, bytes))),
  );
}

/** The key of one service for one time period. */
export class PeriodKey {
  readonly record: PeriodRecord;
  readonly period: TimePeriod;
  readonly kpHsBlindId: KpHsBlindId;
  readonly subcredential: NHsSubcred;
  readonly kpHsDescSign: KpHsDescSign;
  readonly #ladder: ReadonlyMap<number, Bytes>;
  /** The counter's key (32 bytes) and libsodium's form of KS_hs_desc_sign: seed and public half (64). */
  readonly #derived = new Secret(COUNTER_KEY_BYTES + SIGNING_KEY_BYTES);
  readonly #counterOrigin: number;
  readonly #counter: RevisionCounter;
  #access: ClientAccess | undefined;
  readonly #certified = new RecentMap<CertifiedIntroductionPoint>(CERTIFIED_POINTS_KEPT);

  constructor({ kpHsId, profile, record }: PeriodKeyParts) {
    this.record = record;
    this.period = timePeriod(profile, record.periodNum);
    this.kpHsBlindId = deriveKpHsBlindId(kpHsId, this.period);
    this.subcredential = deriveSubcredential(kpHsId, this.kpHsBlindId);
    this.kpHsDescSign = parseKpHsDescSign(
      this.#derived.use(derived =>
        record.seed.use(seed => ed25519FromSeed(derived.subarray(COUNTER_KEY_BYTES), seed)),
      ),
    );
    this.#ladder = new Map(record.ladder.map(rung => [rung.expiryHours, rung.signature]));
    this.#counterOrigin = srvRunStart(profile, this.period);
    // The counter reads its key in place for as long as it lives: until `wipe`, which ends both.
    this.#counter = this.#derived.use(derived => {
      const key = derived.subarray(0, COUNTER_KEY_BYTES);
      this.#derive(key, 'revision-counter', Uint8Array.of(0));
      return createRevisionCounter(key);
    });
  }

  /** The type-08 certificate (140 bytes) that ends at this hour, if the ladder has it. */
  certificate(expiryHours: number): Bytes | undefined {
    const signature = this.#ladder.get(expiryHours);
    if (signature === undefined) return undefined;
    return assembleCert(descSigningCertBody(expiryHours, this.kpHsDescSign, this.kpHsBlindId), signature);
  }

  /** The last hour of the ladder, since 1970: after it no descriptor of this period can be believed. */
  get lastExpiryHours(): number {
    return Math.max(0, ...this.#ladder.keys());
  }

  /** The revision counter of a second (rend-spec-v3 appendix F.2). Throws DescriptorError COUNTER_OUT_OF_RANGE. */
  revisionCounterAt(second: number): bigint {
    return this.#derived.use(() => this.#counter.at(second - this.#counterOrigin + 1));
  }

  /**
   * The point with certificates 09 and 0B for use at `second`. As stock tor, the same ones are used again while point
   * and hour are the same.
   */
  certifyPoint(point: IntroductionPoint, second: number): CertifiedIntroductionPoint {
    const expiryHours = innerCertExpiryHours(second);
    return this.#certified.getOrMake(`${pointKey(point)}/${expiryHours}`, () => ({
      linkSpecifiers: point.linkSpecifiers,
      onionKey: point.onionKey,
      authKey: point.authKey,
      encKey: point.encKey,
      authKeyCert: this.#certify(CERT_TYPE.authKey, point.authKey, expiryHours),
      encKeyCert: this.#certify(CERT_TYPE.encKey, x25519ToEd25519(point.encKey), expiryHours),
    }));
  }

  /**
   * What this set of clients makes of the period: the same for the same set and serial. What was made for another is
   * wiped before. @throws CustodyError CRYPTO
   */
  accessOf(set: ClientSet): ClientAccess {
    if (this.#access?.isOf(set) === true) return this.#access;
    this.forgetAccess();
    this.#access = new ClientAccess(set, this.subcredential, this.#derive);
    return this.#access;
  }

  /** Wipes what was made for the clients; it is made again when it is needed. */
  forgetAccess(): void {
    this.#access?.wipe();
    this.#access = undefined;
  }

  /** Signs a descriptor that was assembled in this process: 64 bytes. */
  signDescriptor(descriptor: SignableDescriptor): Bytes {
    return this.#sign(descriptor.signedMessage);
  }

  /** Forgets what this object derived. */
  wipe(): void {
    this.#derived.wipe();
    this.forgetAccess();
    this.#certified.clear();
  }

  readonly #derive: Derive = (out, purpose, context) => {
    const label = new TextEncoder().encode(`onion-signer period 1 ${purpose}\0`);
    this.record.secret.use(key => hmacSha256Into(out, key, label, context));
  };

  #certify(certType: 0x09 | 0x0b, certifiedKey: Bytes, expiryHours: number): Bytes {
    const body = encodeCertBody({ certType, expiryHours, certifiedKey, signingKey: this.kpHsDescSign });
    return assembleCert(body, this.#sign(body));
  }

  #sign(message: Uint8Array): Uint8Array {
    return this.#derived.use(derived => ed25519Sign(message, derived.subarray(COUNTER_KEY_BYTES)));
  }
}

/** Forgets keys for good: what they derived, and the secrets of their records. */
export function discardKeys(keys: Iterable<PeriodKey>): void {
  for (const key of keys) {
    key.wipe();
    key.record.seed.wipe();
    key.record.secret.wipe();
  }
}
