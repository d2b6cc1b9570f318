// KS_hs_desc_sign, wherever it lies. It signs fields and descriptors that this process made, never bytes from outside.

import {
  type Bytes,
  type CertBody,
  type KpHsDescSign,
  type SignableDescriptor,
  assembleCert,
  encodeCertBody,
  parseKpHsDescSign,
} from '../descriptor/index.ts';
import { CustodyError, type CustodyErrorCode } from './error.ts';
import { type Secret, ed25519FromSeed, ed25519Sign, withScratch } from './locked-memory.ts';

const SEED_BYTES = 32;
const SECRET_KEY_BYTES = 64;

/** What an introduction point's certificate says; the descriptor signing key signs it. */
export type PointCert = Omit<CertBody, 'certType' | 'signingKey'> & { readonly certType: 0x09 | 0x0b };

/** The descriptor signing key of one service and period. */
export interface DescSigningKey {
  readonly kpHsDescSign: KpHsDescSign;
  /** Why it does not seem to be able to sign now, for status; '' when it does. */
  readonly fault: CustodyErrorCode | '';
  /** @throws CustodyError why it cannot sign now */
  check(): void;
  /** The signature (64 bytes) of a descriptor that was assembled in this process. */
  signDescriptor(descriptor: SignableDescriptor): Promise<Bytes>;
  /** The certificates (140 bytes each), in order. */
  certify(certs: readonly PointCert[]): Promise<Bytes[]>;
  /** Forgets what this object has in memory. */
  wipe(): void;
  /** Ends the key for good. */
  destroy(): void;
}

/** In locked memory, from a seed (32 bytes) that belongs to the key's record. */
export class SeedSigningKey implements DescSigningKey {
  readonly kpHsDescSign: KpHsDescSign;
  readonly fault = '';
  readonly #seed: Secret;
  #forgotten = false;

  constructor(seed: Secret) {
    this.#seed = seed;
    this.kpHsDescSign = descSignPublic(seed);
  }

  /** @throws CustodyError SECRET_WIPED */
  check(): void {
    if (this.#forgotten) throw new CustodyError('SECRET_WIPED');
  }

  // oxlint-disable-next-line typescript/require-await -- a key in a token takes its time
  async signDescriptor({ signedMessage }: SignableDescriptor): Promise<Bytes> {
    return this.#sign(signedMessage);
  }

  // oxlint-disable-next-line typescript/require-await -- a key in a token takes its time
  async certify(certs: readonly PointCert[]): Promise<Bytes[]> {
    return certs.map(cert => {
      const body = encodeCertBody({ ...cert, signingKey: this.kpHsDescSign });
      return assembleCert(body, this.#sign(body));
    });
  }

  wipe(): void {
    this.#forgotten = true;
  }

  destroy(): void {
    this.wipe();
    this.#seed.wipe();
  }

  #sign(message: Uint8Array): Bytes {
    this.check();
    return withScratch(SECRET_KEY_BYTES, secretKey => {
      // libsodium's form: seed and public half.
      this.#seed.use(seed => secretKey.set(seed));
      secretKey.set(this.kpHsDescSign, SEED_BYTES);
      return ed25519Sign(message, secretKey);
    });
  }
}

/** The public half of a seed: KP_hs_desc_sign. */
export function descSignPublic(seed: Secret): KpHsDescSign {
  return withScratch(SECRET_KEY_BYTES, secretKey =>
    seed.use(bytes => parseKpHsDescSign(ed25519FromSeed(secretKey, bytes))),
  );
}
