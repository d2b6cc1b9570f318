import {
  blindingParam,
  CERT_TYPE,
  clampTweak,
  deriveKpHsBlindId,
  ed25519Verify,
  encodeCertBody,
  equalBytes,
  type KpHsBlindId,
  type KpHsDescSign,
  type KpHsId,
  ladderHours,
  type NetworkProfile,
  sha512,
  type TimePeriod,
} from '../descriptor/index.ts';
import { CustodyError } from './error.ts';
import {
  basepointTimes,
  fillRandom,
  scalarAdd,
  scalarReduce,
  Secret,
  sha512Into,
  withScratch,
} from './locked-memory.ts';

const PREFIX_INPUT = Buffer.from('Derive temporary signing key hash input');
const SCALAR_BYTES = 32;

/**
 * out = multiplier · secret mod ℓ by double-and-add, 32 bytes each, little endian. Branches follow the PUBLIC
 * multiplier only; each step on the secret is libsodium's constant-time addition. `secret` may be unreduced but must
 * be below 2^255 (a clamped scalar is): the addition is exact up to 2^256 and then reduces.
 */
export function scalarTimesPublic(out: Uint8Array, multiplier: Uint8Array, secret: Uint8Array): void {
  withScratch(SCALAR_BYTES, sum => {
    for (let bit = 255; bit >= 0; bit -= 1) {
      scalarAdd(sum, sum, sum);
      if ((((multiplier[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1) scalarAdd(sum, sum, secret);
    }
    out.set(sum);
  });
}

/** KS_hs_blind_id of one period in locked memory, with its public half. Wipe it after use. */
export interface BlindedKey {
  /** a' | RH' (64 bytes). Whoever reads a' has the identity: the tweak is public. */
  readonly secret: Secret;
  readonly kpHsBlindId: KpHsBlindId;
}

/** Halves of an expanded identity, windows of locked memory. */
export interface ExpandedIdentity {
  readonly scalar: Uint8Array;
  readonly prfHalf: Uint8Array;
}

/**
 * a' = h·a mod ℓ and RH' = SHA-512("Derive temporary signing key hash input" | RH)[0..32] (rend-spec-v3 A.2).
 * a'·B is compared with the public computation h·A. Throws IDENTITY_MISMATCH when they differ.
 */
export function blindIdentity(identity: ExpandedIdentity, kpHsId: KpHsId, period: TimePeriod): BlindedKey {
  const kpHsBlindId = deriveKpHsBlindId(kpHsId, period);
  const secret = new Secret(2 * SCALAR_BYTES);
  try {
    secret.use(bytes => {
      scalarTimesPublic(bytes.subarray(0, 32), clampTweak(blindingParam(kpHsId, period)), identity.scalar);
      withScratch(64, hash => {
        sha512Into(hash, PREFIX_INPUT, identity.prfHalf);
        bytes.set(hash.subarray(0, 32), 32);
      });
      const publicKey = new Uint8Array(32);
      basepointTimes(publicKey, bytes.subarray(0, 32));
      if (!equalBytes(publicKey, kpHsBlindId)) throw new CustodyError('IDENTITY_MISMATCH');
    });
    return { secret, kpHsBlindId };
  } catch (thrown) {
    secret.wipe();
    throw thrown;
  }
}

/**
 * Ed25519 with an expanded key: r = SHA-512(RH' | hedge | M), S = r + k·a'. `hedge` is 32 random bytes, so that a
 * fault or a repeated state gives nothing away; empty makes the signature of stock tor, which tests compare.
 */
export function signExpanded(key: BlindedKey, message: Uint8Array, hedge: Uint8Array): Uint8Array {
  return key.secret.use(bytes => {
    const halves = { scalar: bytes.subarray(0, 32), prfHalf: bytes.subarray(32, 64) };
    return signWithHalves(halves, key.kpHsBlindId, message, hedge);
  });
}

/** The same with the halves of any key, windows of locked memory; `publicKey` is scalar·B. */
export function signWithHalves(
  { scalar, prfHalf }: ExpandedIdentity,
  publicKey: Uint8Array,
  message: Uint8Array,
  hedge: Uint8Array,
): Uint8Array {
  const signature = new Uint8Array(64);
  withScratch(64 + 32, scratch => {
    const wide = scratch.subarray(0, 64);
    const nonce = scratch.subarray(64, 96);
    sha512Into(wide, prfHalf, hedge, message);
    scalarReduce(nonce, wide);
    basepointTimes(signature.subarray(0, 32), nonce);
    const challenge = new Uint8Array(32);
    scalarReduce(challenge, sha512(signature.subarray(0, 32), publicKey, message));
    scalarTimesPublic(wide.subarray(0, 32), challenge, scalar);
    scalarAdd(signature.subarray(32), nonce, wide.subarray(0, 32));
  });
  return signature;
}

/** One certificate of a ladder: hours since 1970 and the signature (64 bytes) over the body that both sides encode. */
export interface Rung {
  readonly expiryHours: number;
  readonly signature: Uint8Array;
}

/**
 * The ladder of one period: a signature over each type-08 certificate body that stock tor could make in its publication
 * window, over bodies encoded here and nothing else. Each is verified with OpenSSL before it is returned. Throws CRYPTO.
 */
export function signLadder(
  key: BlindedKey,
  kpHsDescSign: KpHsDescSign,
  profile: NetworkProfile,
  period: TimePeriod,
): Rung[] {
  return withScratch(32, hedge =>
    ladderHours(profile, period).map(expiryHours => {
      const body = descSigningCertBody(expiryHours, kpHsDescSign, key.kpHsBlindId);
      fillRandom(hedge);
      const signature = signExpanded(key, body, hedge);
      if (!ed25519Verify(body, signature, key.kpHsBlindId)) throw new CustodyError('CRYPTO');
      return { expiryHours, signature };
    }),
  );
}

/** Body (76 bytes) of the certificate of type 08 over a descriptor signing key, named by the blinded key. */
export function descSigningCertBody(
  expiryHours: number,
  kpHsDescSign: KpHsDescSign,
  kpHsBlindId: KpHsBlindId,
): Uint8Array {
  return encodeCertBody({
    certType: CERT_TYPE.descSigning,
    expiryHours,
    certifiedKey: kpHsDescSign,
    signingKey: kpHsBlindId,
  });
}
