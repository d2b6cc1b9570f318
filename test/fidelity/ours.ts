import { assembleDescriptor, finishDescriptor } from '../../src/descriptor/assemble.ts';
import { clampTweak } from '../../src/descriptor/blinding.ts';
import {
  AUTH_CLIENT_LENGTH,
  deriveClientKeys,
  makeAuthClientLine,
  makeFakeAuthClientLine,
} from '../../src/descriptor/client-auth.ts';
import type {
  Bytes,
  FlowControl,
  IntroductionPoint,
  KpHsId,
  NetworkProfile,
  TimePeriod,
} from '../../src/descriptor/index.ts';
import { parseKpHsId, parseKpHssDescEnc } from '../../src/descriptor/keys.ts';
import { AUTH_CLIENT_MULTIPLE } from '../../src/descriptor/middle-layer.ts';
import { formatOnionAddress } from '../../src/descriptor/onion-address.ts';
import { x25519PublicKey, x25519SharedSecret } from '../../src/descriptor/primitives.ts';
import { certExpiryHours } from '../../src/descriptor/time.ts';
import { type ExpandedIdentity, blindIdentity, signLadder } from '../../src/pkcs11/blinded-sign.ts';
import { buildDescriptor, createResultCheck } from '../../src/pkcs11/descriptor-builder.ts';
import type { ChosenPoints } from '../../src/pkcs11/evidence-store.ts';
import { Secret, basepointTimes, fillRandom } from '../../src/pkcs11/locked-memory.ts';
import { PeriodKey, derivePeriodSecret, descSignPublic, discardKeys } from '../../src/pkcs11/period-keys.ts';
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

  /** The text for one second, made by the code of the keyholder from key to signature. */
  build(period: TimePeriod, second: number, chosen: ChosenPoints): Bytes {
    return this.#withKey(period, second, (key, certificate) => {
      const target = { periodNum: period.periodNum, variant: 0, second };
      const fields = { kpHsId: this.kpHsId, singleOnion: false, chosen };
      return buildDescriptor({ target, key, certificate }, fields, checkResult).text;
    });
  }

  /** The same for a restricted service, which the library makes and the keyholder does not offer yet. */
  buildRestricted(
    period: TimePeriod,
    second: number,
    points: readonly IntroductionPoint[],
    more: Restricted,
  ): Bytes {
    return this.#withKey(period, second, (key, certificate) => {
      const { subcredential, kpHsBlindId } = key;
      const ephemeral = random(32);
      const descriptorCookie = random(16);
      const authClients = more.clients.map(client => {
        const keys = deriveClientKeys(x25519SharedSecret(ephemeral, x25519PublicKey(client)), subcredential);
        return makeAuthClientLine(keys, random(16), descriptorCookie);
      });
      while (authClients.length % AUTH_CLIENT_MULTIPLE !== 0)
        authClients.push(makeFakeAuthClientLine(random(AUTH_CLIENT_LENGTH)));
      const signable = assembleDescriptor({
        kpHsBlindId,
        subcredential,
        descSigningKeyCert: certificate,
        revisionCounter: key.revisionCounterAt(second),
        inner: {
          create2Formats: [2],
          singleOnionService: false,
          flowControl: more.flowControl,
          caa: [],
          introductionPoints: points.map(point => key.certifyPoint(point, second)),
        },
        middle: {
          ephemeralKey: parseKpHssDescEnc(x25519PublicKey(ephemeral)),
          authClients: authClients.sort((a, b) => Buffer.compare(a.clientId, b.clientId)),
        },
        descriptorCookie,
        salts: { inner: random(16), middle: random(16) },
      });
      return finishDescriptor(signable, key.signDescriptor(signable));
    });
  }

  #withKey(period: TimePeriod, second: number, use: (key: PeriodKey, certificate: Bytes) => Bytes): Bytes {
    const blinded = blindIdentity(this.#identity, this.kpHsId, period);
    const serviceSecret = Secret.copyOf(noise(`${this.#label} service secret`, 32));
    const seed = Secret.copyOf(noise(`${this.#label} seed ${period.periodNum}`, 32));
    const key = new PeriodKey({
      kpHsId: this.kpHsId,
      profile: this.#profile,
      record: {
        ...period,
        seed,
        secret: derivePeriodSecret(serviceSecret, blinded.kpHsBlindId),
        ladder: signLadder(blinded, descSignPublic(seed), this.#profile, period),
      },
    });
    blinded.secret.wipe();
    serviceSecret.wipe();
    try {
      const certificate = key.certificate(certExpiryHours(second));
      if (certificate === undefined) throw new Error('the second lies outside the publication window');
      return use(key, certificate);
    } finally {
      discardKeys([key]);
    }
  }
}

/** What a restricted descriptor has besides its points. */
export interface Restricted {
  /** Private keys. */
  readonly clients: readonly Bytes[];
  readonly flowControl: FlowControl;
}

function random(length: number): Bytes {
  const bytes = new Uint8Array(length);
  fillRandom(bytes);
  return bytes;
}
