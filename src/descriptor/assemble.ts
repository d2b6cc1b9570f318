import { type Bytes, concat, concatSecret, equalBytes } from './bytes.ts';
import { CERT_TYPE, parseCert, x25519ToEd25519 } from './ed25519-cert.ts';
import { DescriptorError } from './error.ts';
import { type InnerLayer, encodeInnerLayer } from './inner-layer.ts';
import type { CertifiedIntroductionPoint } from './introduction-point.ts';
import type { KpHsBlindId, NHsSubcred } from './keys.ts';
import {
  DESCRIPTOR_COOKIE_LENGTH,
  INNER_CONSTANT,
  MIDDLE_CONSTANT,
  encryptLayer,
  padMiddle,
} from './layer-crypt.ts';
import { type MiddleLayer, encodeMiddleLayer } from './middle-layer.ts';
import {
  checkDescriptorSize,
  descriptorSignedMessage,
  encodeSignatureLine,
  encodeUnsignedOuter,
} from './outer-layer.ts';

/** Everything that one descriptor is made of but its signature. */
export interface DescriptorParts {
  /** 180 when not given, as in tor. */
  readonly lifetimeMinutes?: number | undefined;
  readonly kpHsBlindId: KpHsBlindId;
  readonly subcredential: NHsSubcred;
  /** Type 08, 140 bytes: names the key that signs the descriptor and has signed the points' certificates. */
  readonly descSigningKeyCert: Bytes;
  readonly revisionCounter: bigint;
  readonly inner: InnerLayer;
  readonly middle: Omit<MiddleLayer, 'encrypted' | 'caaCritical'> & {
    readonly caaCritical?: boolean | undefined;
  };
  /** 16 bytes, for a restricted service. */
  readonly descriptorCookie?: Bytes | undefined;
  /** 16 random bytes each, new for every descriptor. */
  readonly salts: { readonly inner: Bytes; readonly middle: Bytes };
}

/** A descriptor that lacks its signature only. */
export interface SignableDescriptor {
  /** The text up to and including the LF before `signature`. */
  readonly unsigned: Bytes;
  /** What KS_hs_desc_sign signs. */
  readonly signedMessage: Bytes;
}

/** tor's padding takes the middle layer to 40,000 bytes beyond this, and the descriptor beyond its size. */
export const MAX_MIDDLE_LENGTH = 30_000;

/** With one extension. */
const CERT_LENGTH = 140;
const TOR_LIFETIME_MINUTES = 180;
const SIGNATURE_LINE_LENGTH = 97;

/**
 * Builds a descriptor byte for byte as stock tor writes one with these fields (rend-spec-v3 §2.4 to §2.5). The
 * certificates must be of the right types and keys and name the right signers; their signatures are not verified
 * here, opening the result does that. Throws WRONG_KEY, BAD_CERT, UNKNOWN_VERSION, TRAILING_DATA, BAD_KEY,
 * POINT_COUNT, BAD_LAYER, BAD_SYNTAX, BAD_LENGTH, BAD_INTEGER, and TOO_LARGE when there are too many points and
 * clients for one descriptor.
 */
export function assembleDescriptor(parts: DescriptorParts): SignableDescriptor {
  const { kpHsBlindId, subcredential, revisionCounter, inner, salts } = parts;
  checkCertificates(parts);
  const encrypted = encryptInner(parts, encodeInnerLayer(inner));
  const caaCritical = parts.middle.caaCritical ?? false;
  const middle = encodeMiddleLayer({ ...parts.middle, caaCritical, encrypted });
  if (middle.length > MAX_MIDDLE_LENGTH) throw tooLarge();
  const superencrypted = encryptLayer(
    { subcredential, revisionCounter, secretData: kpHsBlindId, constant: MIDDLE_CONSTANT },
    salts.middle,
    padMiddle(middle),
  );
  const unsigned = encodeUnsignedOuter({
    lifetimeMinutes: parts.lifetimeMinutes ?? TOR_LIFETIME_MINUTES,
    cert: parts.descSigningKeyCert,
    revisionCounter,
    superencrypted,
  });
  checkDescriptorSize(unsigned.length + SIGNATURE_LINE_LENGTH);
  return { unsigned, signedMessage: descriptorSignedMessage(unsigned) };
}

function encryptInner(parts: DescriptorParts, text: Bytes): Bytes {
  const { kpHsBlindId, subcredential, revisionCounter, salts } = parts;
  const secretData = concatSecret(kpHsBlindId, cookieOf(parts));
  try {
    const context = { secretData, subcredential, revisionCounter, constant: INNER_CONSTANT };
    return encryptLayer(context, salts.inner, text);
  } finally {
    secretData.fill(0);
  }
}

/**
 * The finished text: what was signable and its signature of 64 bytes, which is not verified (rend-spec-v3 §2.4).
 * Throws BAD_LENGTH.
 */
export function finishDescriptor(signable: SignableDescriptor, signature: Bytes): Bytes {
  return concat(signable.unsigned, encodeSignatureLine(signature));
}

function checkCertificates({ descSigningKeyCert, kpHsBlindId, inner }: DescriptorParts): void {
  const cert = expectCert(descSigningKeyCert, CERT_TYPE.descSigning, kpHsBlindId);
  for (const point of inner.introductionPoints) checkPoint(point, cert.certifiedKey);
}

function checkPoint(point: CertifiedIntroductionPoint, kpHsDescSign: Bytes): void {
  const auth = expectCert(point.authKeyCert, CERT_TYPE.authKey, kpHsDescSign);
  const enc = expectCert(point.encKeyCert, CERT_TYPE.encKey, kpHsDescSign);
  if (!equalBytes(auth.certifiedKey, point.authKey)) throw wrongKey();
  if (!equalBytes(enc.certifiedKey, x25519ToEd25519(point.encKey))) throw wrongKey();
}

function expectCert(bytes: Bytes, certType: number, signingKey: Bytes): { readonly certifiedKey: Bytes } {
  if (bytes.length !== CERT_LENGTH) {
    throw new DescriptorError(
      'BAD_LENGTH',
      `a certificate must have ${CERT_LENGTH} bytes, not ${bytes.length}`,
    );
  }
  const cert = parseCert(bytes);
  if (cert.certType !== certType) {
    throw new DescriptorError('BAD_CERT', `a certificate of type ${certType} must stand here`);
  }
  if (!equalBytes(cert.signingKey, signingKey)) throw wrongKey();
  return cert;
}

function cookieOf({ descriptorCookie }: DescriptorParts): Bytes {
  if (descriptorCookie === undefined) return new Uint8Array();
  if (descriptorCookie.length !== DESCRIPTOR_COOKIE_LENGTH) {
    throw new DescriptorError('BAD_LENGTH', `a descriptor cookie has ${DESCRIPTOR_COOKIE_LENGTH} bytes`);
  }
  return descriptorCookie;
}

function wrongKey(): DescriptorError {
  return new DescriptorError(
    'WRONG_KEY',
    'a certificate must certify the key of its place under the signing key',
  );
}

function tooLarge(): DescriptorError {
  return new DescriptorError(
    'TOO_LARGE',
    `the middle layer must have at most ${MAX_MIDDLE_LENGTH} bytes; take fewer introduction points or clients`,
  );
}
