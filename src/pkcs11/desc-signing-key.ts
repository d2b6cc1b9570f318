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
import { Secret, ed25519FromSeed, ed25519Sign } from './locked-memory.ts';

const SECRET_KEY_BYTES = 64;

/** What an introduction point's certificate says; the descriptor signing key signs it. */
export type PointCert = Omit<CertBody, 'certType' | 'signingKey'> & { readonly certType: 0x09 | 0x0b };

/** The descriptor signing key of one service and period. */
export interface DescSigningKey {
  readonly kpHsDescSign: KpHsDescSign;
  /** The signature (64 bytes) of a descriptor that was assembled in this process. */
  signDescriptor(descriptor: SignableDescriptor): Promise<Bytes>;
  /** The certificates (140 bytes each), in order. */
  certify(certs: readonly PointCert[]): Promise<Bytes[]>;
  /** Forgets what this object has in memory. */
  wipe(): void;
  /** Ends the key for good. */
  destroy(): void;
}

/** In locked memory, from a seed (32 bytes) that belongs to the key's record. @throws CustodyError SECRET_WIPED */
export class SeedSigningKey implements DescSigningKey {
  readonly kpHsDescSign: KpHsDescSign;
  readonly #seed: Secret;
  readonly #secretKey = new Secret(SECRET_KEY_BYTES);

  constructor(seed: Secret) {
    this.#seed = seed;
    this.kpHsDescSign = parseKpHsDescSign(
      this.#secretKey.use(out => seed.use(bytes => ed25519FromSeed(out, bytes))),
    );
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
    this.#secretKey.wipe();
  }

  destroy(): void {
    this.wipe();
    this.#seed.wipe();
  }

  #sign(message: Uint8Array): Bytes {
    return this.#secretKey.use(secretKey => ed25519Sign(message, secretKey));
  }
}
