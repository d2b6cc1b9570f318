import { type Bytes, concat, equalBytes } from './bytes.ts';
import { CERT_TYPE, verifyCert } from './ed25519-cert.ts';
import { DescriptorError } from './error.ts';
import type { KpHsDescSign } from './keys.ts';
import { descriptorSignedMessage, encodeSignatureLine, parseOuterLayer } from './outer-layer.ts';

const NO_SIGNATURE = new Uint8Array(64);

/** What whoever holds a descriptor signing key knows about a text that it is to sign. */
export interface UnsignedExpectation {
  readonly kpHsDescSign: KpHsDescSign;
  /** Unix seconds. */
  readonly nowSeconds: number;
}

/**
 * What KS_hs_desc_sign signs (rend-spec-v3 §2.4) for a text that lacks its signature only. For a signer that sees no
 * layer below: the text must be a whole outer document without lines that nobody knows, whose certificate is good now
 * and certifies the very key, so that it signs nothing that an HSDir would not take from it anyway. Throws TRAILING_DATA,
 * WRONG_KEY, BAD_CERT, CERT_EXPIRED, BAD_SIGNATURE and what the reader of the outer document throws.
 */
export function messageOfUnsigned(unsigned: Bytes, { kpHsDescSign, nowSeconds }: UnsignedExpectation): Bytes {
  const outer = parseOuterLayer(concat(unsigned, encodeSignatureLine(NO_SIGNATURE)));
  if (outer.unknown.length > 0 || outer.signedPart.length !== unsigned.length) {
    throw new DescriptorError('TRAILING_DATA', 'a text to be signed must end before its signature');
  }
  const { cert } = outer;
  if (!equalBytes(cert.certifiedKey, kpHsDescSign)) {
    throw new DescriptorError('WRONG_KEY', 'the certificate must certify the key that signs');
  }
  verifyCert(cert, { certType: CERT_TYPE.descSigning, signingKey: cert.signingKey, nowSeconds });
  return descriptorSignedMessage(unsigned);
}
