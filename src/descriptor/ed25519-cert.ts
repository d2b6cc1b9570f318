import {
  type Bytes,
  concat,
  equalBytes,
  fixedBytes,
  readU16be,
  readU32be,
  readU8,
  u16be,
  u32be,
  u8,
} from './bytes.ts';
import { DescriptorError } from './error.ts';
import { type Ed25519Verify, ed25519Verify, montgomeryToEdwards } from './primitives.ts';

/** Certificate types of a descriptor (cert-spec §A.1): over the descriptor signing key, auth-key and enc-key. */
export const CERT_TYPE = Object.freeze({ descSigning: 0x08, authKey: 0x09, encKey: 0x0b } as const);

/** One of {@link CERT_TYPE}. */
export type CertType = (typeof CERT_TYPE)[keyof typeof CERT_TYPE];

const CERT_VERSION = 1;
const KEY_TYPE_ED25519 = 1;
const EXT_SIGNED_WITH_KEY = 4;
const EXT_AFFECTS_VALIDATION = 1;
const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;
/** Version, type, expiry, key type, key, number of extensions. */
const HEADER_LENGTH = 40;
const BODY_LENGTH = 76;

/** What a certificate that this library makes says. */
export interface CertBody {
  readonly certType: CertType;
  /** Hours since 1970; the certificate is good through the first second of that hour. 0…2^32−1. */
  readonly expiryHours: number;
  /** The certified key, 32 bytes. */
  readonly certifiedKey: Bytes;
  /** The key that signs, 32 bytes, carried in the extension. */
  readonly signingKey: Bytes;
}

/** A certificate as read: well-formed, not yet verified. */
export interface Ed25519Cert {
  readonly certType: number;
  readonly expiryHours: number;
  /** 1 for Ed25519; {@link verifyCert} takes no other. */
  readonly certifiedKeyType: number;
  readonly certifiedKey: Bytes;
  readonly signingKey: Bytes;
  /** What the signature covers. */
  readonly body: Bytes;
  readonly signature: Bytes;
  /** The whole certificate. */
  readonly bytes: Bytes;
}

/** What the reader of a certificate expects of it. */
export interface CertExpectation {
  readonly certType: CertType;
  readonly signingKey: Bytes;
  /** Unix seconds; without it the expiry is not looked at. */
  readonly nowSeconds?: number | undefined;
  readonly verify?: Ed25519Verify | undefined;
}

/**
 * The 76 bytes that get signed (cert-spec §2.1), with one extension naming the signing key. Throws BAD_LENGTH,
 * BAD_INTEGER.
 */
export function encodeCertBody(cert: CertBody): Bytes {
  return concat(
    u8(CERT_VERSION),
    u8(cert.certType),
    u32be(cert.expiryHours),
    u8(KEY_TYPE_ED25519),
    fixedBytes(cert.certifiedKey, KEY_LENGTH, 'a certified key'),
    u8(1),
    u16be(KEY_LENGTH),
    u8(EXT_SIGNED_WITH_KEY),
    u8(0),
    fixedBytes(cert.signingKey, KEY_LENGTH, 'a signing key'),
  );
}

/** Body (76 bytes) and signature (64) as the finished certificate of 140 bytes (cert-spec §2.1). Throws BAD_LENGTH. */
export function assembleCert(body: Bytes, signature: Bytes): Bytes {
  return concat(
    fixedBytes(body, BODY_LENGTH, 'the body of a certificate'),
    fixedBytes(signature, SIGNATURE_LENGTH, 'the signature of a certificate'),
  );
}

/**
 * Reads a certificate (cert-spec §2.1) of any type: version 1, exactly one signing-key extension with no flags,
 * other extensions only when they do not affect validation, nothing after the signature.
 * Copies `bytes`; says nothing about signature or expiry, see {@link verifyCert}. Throws BAD_CERT, UNKNOWN_VERSION,
 * TRAILING_DATA.
 */
export function parseCert(bytes: Bytes): Ed25519Cert {
  if (bytes.length < HEADER_LENGTH + SIGNATURE_LENGTH) throw badCert('is too short');
  if (bytes[0] !== CERT_VERSION) {
    throw new DescriptorError('UNKNOWN_VERSION', 'a certificate must have version 1', { offset: 0 });
  }
  const copy = new Uint8Array(bytes);
  const body = copy.subarray(0, copy.length - SIGNATURE_LENGTH);
  return {
    certType: readU8(copy, 1),
    expiryHours: readU32be(copy, 2),
    certifiedKeyType: readU8(copy, 6),
    certifiedKey: copy.subarray(7, 39),
    signingKey: findSigningKey(body),
    body,
    signature: copy.subarray(body.length),
    bytes: copy,
  };
}

/**
 * Checks a certificate (cert-spec §2.1) against what its place demands: type, key type 1, the very signing key, expiry
 * (good while now ≤ expiry hour · 3600) and signature. Throws BAD_CERT, WRONG_KEY, CERT_EXPIRED, BAD_SIGNATURE.
 */
export function verifyCert(cert: Ed25519Cert, expected: CertExpectation): void {
  const { certType, signingKey, nowSeconds, verify = ed25519Verify } = expected;
  if (cert.certType !== certType) throw badCert(`must have type ${certType}, not ${cert.certType}`);
  if (cert.certifiedKeyType !== KEY_TYPE_ED25519) throw badCert('must certify an Ed25519 key');
  if (!equalBytes(cert.signingKey, signingKey)) {
    throw new DescriptorError('WRONG_KEY', 'a certificate must name the signing key of its place');
  }
  if (nowSeconds !== undefined && !(nowSeconds <= cert.expiryHours * 3600)) {
    throw new DescriptorError('CERT_EXPIRED', 'a certificate has expired; fetch a fresh descriptor');
  }
  if (!verify(cert.body, cert.signature, cert.signingKey)) {
    throw new DescriptorError('BAD_SIGNATURE', 'the signature of a certificate does not verify');
  }
}

/**
 * What the certificate of type 0B certifies: the Ed25519 form of an `enc-key`, sign bit clear, 32 bytes
 * (proposal 228 appendix A). Throws BAD_KEY when the key is not canonical, of low order or on the twist.
 */
export function x25519ToEd25519(encKey: Bytes): Bytes {
  return montgomeryToEdwards(encKey);
}

function findSigningKey(body: Bytes): Bytes {
  let signingKey: Bytes | undefined;
  let at = HEADER_LENGTH;
  for (let left = readU8(body, HEADER_LENGTH - 1); left > 0; left--) {
    if (at + 4 > body.length) throw badCert('ends inside an extension', at);
    const end = at + 4 + readU16be(body, at);
    if (end > body.length) throw badCert('ends inside an extension', at);
    const flags = readU8(body, at + 3);
    if (readU8(body, at + 2) === EXT_SIGNED_WITH_KEY) {
      const wellFormed = signingKey === undefined && flags === 0 && end === at + 4 + KEY_LENGTH;
      if (!wellFormed) throw badCert('must have one signing key of 32 bytes without flags', at);
      signingKey = body.subarray(at + 4, end);
    } else if ((flags & EXT_AFFECTS_VALIDATION) !== 0) {
      throw badCert('has an unknown extension that affects validation', at);
    }
    at = end;
  }
  if (at !== body.length) {
    throw new DescriptorError('TRAILING_DATA', 'a certificate must end with its signature', { offset: at });
  }
  if (signingKey === undefined) throw badCert('must carry its signing key');
  return signingKey;
}

function badCert(rule: string, offset?: number): DescriptorError {
  return new DescriptorError('BAD_CERT', `a certificate ${rule}`, offset === undefined ? {} : { offset });
}
