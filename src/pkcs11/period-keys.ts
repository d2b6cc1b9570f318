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
  innerCertExpiryHours,
  pointKey,
  srvRunStart,
  timePeriod,
  x25519ToEd25519,
} from '../descriptor/index.ts';
import { ClientAccess, type ClientSet, type Derive } from './client-access.ts';
import type { DescSigningKey, PointCert } from './desc-signing-key.ts';
import { CustodyError, type CustodyErrorCode } from './error.ts';
import { hmacSha256Into } from './hkdf.ts';
import { Secret } from './locked-memory.ts';
import { descSigningCertBody } from './blinded-sign.ts';
import type { PeriodRecord } from './state-codec.ts';

const PERIOD_SECRET = new TextEncoder().encode('onion-signer period secret 1\0');
const COUNTER_KEY_BYTES = 32;
const CERTIFIED_POINTS_KEPT = 512;

/** Whose period key it is, and what is kept of it. The record's secrets are wiped by whoever drops the record. */
export interface PeriodKeyParts {
  readonly kpHsId: KpHsId;
  readonly profile: NetworkProfile;
  /** Its ladder was verified. */
  readonly record: PeriodRecord;
  /** The key of the record. */
  readonly signing: DescSigningKey;
}

/** HMAC-SHA-256 of the blinded key under the per-service secret: what one period may know of that (32 bytes). */
export function derivePeriodSecret(serviceSecret: Secret, kpHsBlindId: KpHsBlindId): Secret {
  return Secret.make(32, out =>
    serviceSecret.use(key => hmacSha256Into(out, key, PERIOD_SECRET, kpHsBlindId)),
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
  readonly #signing: DescSigningKey;
  readonly #counterKey: Secret;
  readonly #counterOrigin: number;
  readonly #counter: RevisionCounter;
  #access: ClientAccess | undefined;
  readonly #certified = new RecentMap<CertifiedIntroductionPoint>(CERTIFIED_POINTS_KEPT);

  constructor({ kpHsId, profile, record, signing }: PeriodKeyParts) {
    this.record = record;
    this.period = timePeriod(profile, record.periodNum);
    this.kpHsBlindId = deriveKpHsBlindId(kpHsId, this.period);
    this.subcredential = deriveSubcredential(kpHsId, this.kpHsBlindId);
    this.#signing = signing;
    this.kpHsDescSign = signing.kpHsDescSign;
    this.#ladder = new Map(record.ladder.map(rung => [rung.expiryHours, rung.signature]));
    this.#counterOrigin = srvRunStart(profile, this.period);
    this.#counterKey = Secret.make(COUNTER_KEY_BYTES, key =>
      this.#derive(key, 'revision-counter', Uint8Array.of(0)),
    );
    // The counter reads its key in place for as long as it lives: until `wipe`, which ends both.
    this.#counter = this.#counterKey.use(key => createRevisionCounter(key));
  }

  /** The type-08 certificate (140 bytes) that ends at this hour, if the ladder has it. */
  certificate(expiryHours: number): Bytes | undefined {
    const signature = this.#ladder.get(expiryHours);
    if (signature === undefined) return undefined;
    return assembleCert(descSigningCertBody(expiryHours, this.kpHsDescSign, this.kpHsBlindId), signature);
  }

  /** @throws CustodyError why its key cannot sign now */
  check(): void {
    this.#signing.check();
  }

  /** Why its key does not seem to be able to sign now; '' when it does. */
  get fault(): CustodyErrorCode | '' {
    return this.#signing.fault;
  }

  /** The last hour of the ladder, since 1970: after it no descriptor of this period can be believed. */
  get lastExpiryHours(): number {
    return Math.max(0, ...this.#ladder.keys());
  }

  /** The revision counter of a second (rend-spec-v3 appendix F.2). Throws DescriptorError COUNTER_OUT_OF_RANGE. */
  revisionCounterAt(second: number): bigint {
    return this.#counterKey.use(() => this.#counter.at(second - this.#counterOrigin + 1));
  }

  /**
   * The points with certificates 09 and 0B for use at `second`. As stock tor, the same ones are used again while point
   * and hour are the same. @throws CustodyError what the signing key throws
   */
  async certifyPoints(
    points: readonly IntroductionPoint[],
    second: number,
  ): Promise<CertifiedIntroductionPoint[]> {
    const expiryHours = innerCertExpiryHours(second);
    const nameOf = (point: IntroductionPoint): string => `${pointKey(point)}/${expiryHours}`;
    const missing = points.filter(point => this.#certified.get(nameOf(point)) === undefined);
    const certs = await this.#signing.certify(missing.flatMap(point => pointCerts(point, expiryHours)));
    const made = new Map(
      missing.map((point, i) => {
        const [authKeyCert, encKeyCert] = certs.slice(2 * i);
        if (authKeyCert === undefined || encKeyCert === undefined) throw new CustodyError('KEYHOLDER_FAULT');
        const { linkSpecifiers, onionKey, authKey, encKey } = point;
        return [nameOf(point), { linkSpecifiers, onionKey, authKey, encKey, authKeyCert, encKeyCert }];
      }),
    );
    return points.map(point =>
      this.#certified.getOrMake(nameOf(point), () => {
        const certified = made.get(nameOf(point));
        if (certified === undefined) throw new CustodyError('KEYHOLDER_FAULT');
        return certified;
      }),
    );
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

  /** Signs a descriptor that was assembled in this process: 64 bytes. @throws CustodyError what the signing key throws */
  async signDescriptor(descriptor: SignableDescriptor): Promise<Bytes> {
    return await this.#signing.signDescriptor(descriptor);
  }

  /** Forgets what this object derived. */
  wipe(): void {
    this.#counterKey.wipe();
    this.#signing.wipe();
    this.forgetAccess();
    this.#certified.clear();
  }

  /** Forgets everything for good: what this object derived, and the secrets of its record. */
  destroy(): void {
    this.wipe();
    this.#signing.destroy();
    this.record.secret.wipe();
  }

  readonly #derive: Derive = (out, purpose, context) => {
    const label = new TextEncoder().encode(`onion-signer period 1 ${purpose}\0`);
    this.record.secret.use(key => hmacSha256Into(out, key, label, context));
  };
}

function pointCerts({ authKey, encKey }: IntroductionPoint, expiryHours: number): PointCert[] {
  return [
    { certType: CERT_TYPE.authKey, certifiedKey: authKey, expiryHours },
    { certType: CERT_TYPE.encKey, certifiedKey: x25519ToEd25519(encKey), expiryHours },
  ];
}

/** Destroys keys for good: see `PeriodKey.destroy`. */
export function discardKeys(keys: Iterable<PeriodKey>): void {
  for (const key of keys) key.destroy();
}
