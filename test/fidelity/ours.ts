import { clampTweak } from '../../src/descriptor/blinding.ts';
import type { Bytes, KpHsId, NetworkProfile, TimePeriod } from '../../src/descriptor/index.ts';
import { parseKpHsId, parseKpHscDescEnc } from '../../src/descriptor/keys.ts';
import { formatOnionAddress } from '../../src/descriptor/onion-address.ts';
import { x25519PublicKey } from '../../src/descriptor/primitives.ts';
import { certExpiryHours } from '../../src/descriptor/time.ts';
import { type ExpandedIdentity, blindIdentity, signLadder } from '../../src/pkcs11/blinded-sign.ts';
import { buildDescriptor, createResultCheck } from '../../src/pkcs11/descriptor-builder.ts';
import type { ChosenPoints } from '../../src/pkcs11/evidence-store.ts';
import { Secret, basepointTimes } from '../../src/pkcs11/locked-memory.ts';
import { PeriodKey, derivePeriodSecret, discardKeys } from '../../src/pkcs11/period-keys.ts';
import { SeedSigningKey, descSignPublic } from '../../src/pkcs11/desc-signing-key.ts';
import { noise } from '../descriptor/forge.ts';

const checkResult = createResultCheck();

/** A service of ours whose every key comes from its label; salts alone are random, as in the keyholder. */
export class OurService {
  readonly kpHsId: KpHsId;
  /** 56 characters. */
  readonly address: string;
  readonly #label: string;
  readonly #profile: NetworkProfile;
  readonly #identity: ExpandedIdentity;

  constructor(label: string, profile: NetworkProfile) {
    this.#label = label;
    this.#profile = profile;
    this.#identity = { scalar: clampTweak(noise(`${label} a`, 32)), prfHalf: noise(`${label} RH`, 32) };
    const publicKey = new Uint8Array(32);
    basepointTimes(publicKey, this.#identity.scalar);
    this.kpHsId = parseKpHsId(publicKey);
    this.address = formatOnionAddress(this.kpHsId).slice(0, 56);
  }

  /** The text for one second, for these clients (private keys), made by the code of the keyholder from key to signature. */
  async build(
    period: TimePeriod,
    second: number,
    chosen: ChosenPoints,
    clients: readonly Bytes[] = [],
  ): Promise<Bytes> {
    return await this.#withKey(period, second, async (key, certificate) => {
      const target = { periodNum: period.periodNum, variant: 0, second };
      const keys = clients.map(client => parseKpHscDescEnc(x25519PublicKey(client)));
      const settings = {
        singleOnion: false,
        clients: keys.sort((a, b) => Buffer.compare(a, b)),
        clientsSerial: 1,
        settingsSerial: 1,
        caa: [],
        caaCritical: false,
      };
      const unfenced = { lead: 0, spentSecond: target.second };
      const fields = { kpHsId: this.kpHsId, settings, chosen };
      const built = await buildDescriptor({ target, key, certificate, ...unfenced }, fields, checkResult);
      return built.text;
    });
  }

  async #withKey<T>(
    period: TimePeriod,
    second: number,
    use: (key: PeriodKey, certificate: Bytes) => Promise<T>,
  ): Promise<T> {
    const blinded = blindIdentity(this.#identity, this.kpHsId, period);
    const serviceSecret = Secret.copyOf(noise(`${this.#label} service secret`, 32));
    const seed = Secret.copyOf(noise(`${this.#label} seed ${period.periodNum}`, 32));
    const key = new PeriodKey({
      kpHsId: this.kpHsId,
      profile: this.#profile,
      signing: new SeedSigningKey(seed),
      record: {
        ...period,
        key: { kind: 'seed', seed },
        secret: derivePeriodSecret(serviceSecret, blinded.kpHsBlindId),
        ladder: signLadder(blinded, descSignPublic(seed), this.#profile, period),
      },
    });
    blinded.secret.wipe();
    serviceSecret.wipe();
    try {
      const certificate = key.certificate(certExpiryHours(second));
      if (certificate === undefined) throw new Error('the second lies outside the publication window');
      return await use(key, certificate);
    } finally {
      discardKeys([key]);
    }
  }
}
