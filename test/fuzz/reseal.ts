import { concat } from '../../src/descriptor/bytes.ts';
import { type Bytes, encodeCertBody } from '../../src/descriptor/index.ts';
import { encodeInnerLayer } from '../../src/descriptor/inner-layer.ts';
import {
  INNER_CONSTANT,
  MIDDLE_CONSTANT,
  encryptLayer,
  padMiddle,
} from '../../src/descriptor/layer-crypt.ts';
import { encodeMiddleLayer } from '../../src/descriptor/middle-layer.ts';
import {
  descriptorSignedMessage,
  encodeSignatureLine,
  encodeUnsignedOuter,
} from '../../src/descriptor/outer-layer.ts';
import { type Forgery, forge, identity } from '../descriptor/forge.ts';

/** A forged descriptor of which each layer can be replaced; what lies around it is encrypted and signed again. */
export class Resealer {
  readonly forged: ReturnType<typeof forge>;
  readonly #label: string;

  constructor(forgery: Forgery & { readonly label: string }) {
    this.forged = forge(forgery);
    this.#label = forgery.label;
  }

  /** The text of the inner layer as it was made. */
  get inner(): Bytes {
    return encodeInnerLayer(this.forged.parts.inner);
  }

  /** The text of the middle layer around `inner`. */
  middle(inner: Bytes = this.inner): Bytes {
    const { parts } = this.forged;
    const { kpHsBlindId, descriptorCookie = new Uint8Array() } = parts;
    const encrypted = encryptLayer(
      { ...this.#keys, secretData: concat(kpHsBlindId, descriptorCookie), constant: INNER_CONSTANT },
      parts.salts.inner,
      inner,
    );
    return encodeMiddleLayer({ ...parts.middle, caaCritical: false, encrypted });
  }

  /** The outer document without its signature line, around a padded middle layer. */
  outer(padded: Bytes = padMiddle(this.middle()), cert: Bytes = this.forged.parts.descSigningKeyCert): Bytes {
    const { kpHsBlindId, revisionCounter, salts } = this.forged.parts;
    const superencrypted = encryptLayer(
      { ...this.#keys, secretData: kpHsBlindId, constant: MIDDLE_CONSTANT },
      salts.middle,
      padded,
    );
    return encodeUnsignedOuter({ lifetimeMinutes: 180, cert, revisionCounter, superencrypted });
  }

  /** The whole text: any bytes, signed as if they were an outer document. */
  sign(outer: Bytes = this.outer()): Bytes {
    const signature = this.forged.descSign.sign(descriptorSignedMessage(outer));
    return concat(outer, encodeSignatureLine(signature));
  }

  /** The certificate of type 08 over any body, signed with the blinded key. */
  blindedCert(body: Bytes): Bytes {
    return concat(body, identity(this.#label).signBlinded(this.forged.period, body));
  }

  /** A body of 76 bytes as the descriptor signing key certifies it. */
  certBody(certType: 9 | 11, certifiedKey: Bytes): Bytes {
    const { at, descSign } = this.forged;
    const expiryHours = Math.ceil(at / 3600) + 30;
    return encodeCertBody({ certType, expiryHours, certifiedKey, signingKey: descSign.publicKey });
  }

  /** A certificate of any body by the descriptor signing key. */
  pointCert(body: Bytes): Bytes {
    return concat(body, this.forged.descSign.sign(body));
  }

  get #keys() {
    const { subcredential, revisionCounter } = this.forged.parts;
    return { subcredential, revisionCounter };
  }
}
