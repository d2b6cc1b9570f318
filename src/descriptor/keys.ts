import { type Brand, type Bytes, fixedBytes } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { isEd25519Point, isSmallOrder, isTorsionFree, isX25519Public } from './primitives.ts';

/** Canonical Ed25519 public key, 32 bytes, on the curve and not of small order. */
export type Ed25519Public = Brand<Bytes, 'Ed25519Public'>;
/** Canonical X25519 public key, 32 bytes, not of low order. */
export type X25519Public = Brand<Bytes, 'X25519Public'>;

/** KP_hs_id: the identity that is the onion address. Torsion-free. */
export type KpHsId = Brand<Ed25519Public, 'KpHsId'>;
/** KP_hs_blind_id: the identity blinded for one time period. */
export type KpHsBlindId = Brand<Ed25519Public, 'KpHsBlindId'>;
/** KP_hs_desc_sign: signs the descriptors of one period. */
export type KpHsDescSign = Brand<Ed25519Public, 'KpHsDescSign'>;
/** KP_hs_ipt_sid: authenticates the service at one introduction point. */
export type KpHsIptSid = Brand<Ed25519Public, 'KpHsIptSid'>;
/** KP_hss_ntor: clients encrypt their introduction to it. */
export type KpHssNtor = Brand<X25519Public, 'KpHssNtor'>;
/** KP_ntor: the onion key of the relay that is the introduction point. */
export type KpNtor = Brand<X25519Public, 'KpNtor'>;
/** KP_hsc_desc_enc: a client of a restricted service. */
export type KpHscDescEnc = Brand<X25519Public, 'KpHscDescEnc'>;
/** KP_hss_desc_enc: the service's ephemeral key towards such clients. */
export type KpHssDescEnc = Brand<X25519Public, 'KpHssDescEnc'>;

/** SHA-1 fingerprint of a relay's RSA identity, 20 bytes. */
export type RelayFingerprint = Brand<Bytes, 'RelayFingerprint'>;
/** A relay's Ed25519 identity as listed, 32 bytes; it is only hashed here. */
export type RelayEd25519Id = Brand<Bytes, 'RelayEd25519Id'>;
/** A shared random value of the consensus, 32 bytes. */
export type SharedRandomValue = Brand<Bytes, 'SharedRandomValue'>;
/** N_hs_cred, 32 bytes: public to whoever knows the address. */
export type NHsCred = Brand<Bytes, 'NHsCred'>;
/** N_hs_subcred, 32 bytes: the credential of one time period. */
export type NHsSubcred = Brand<Bytes, 'NHsSubcred'>;

/**
 * Takes 32 bytes as an Ed25519 public key: canonical encoding, on the curve (RFC 8032 §5.1.3), not of small order.
 * Returns a copy; `what` names the key in the message. Throws BAD_LENGTH, BAD_KEY.
 */
export function parseEd25519Public(bytes: Bytes, what = 'an Ed25519 public key'): Ed25519Public {
  const key = fixedBytes(bytes, 32, what);
  if (isSmallOrder(key) || !isEd25519Point(key)) {
    throw new DescriptorError(
      'BAD_KEY',
      `${what} must be a canonical point on the curve, not of small order`,
    );
  }
  return key as Ed25519Public;
}

/**
 * Takes 32 bytes as an X25519 public key (RFC 7748 §5): u < p and not of low order. Returns a copy; `what` names the
 * key in the message. Throws BAD_LENGTH, BAD_KEY.
 */
export function parseX25519Public(bytes: Bytes, what = 'an X25519 public key'): X25519Public {
  const key = fixedBytes(bytes, 32, what);
  if (!isX25519Public(key)) {
    throw new DescriptorError('BAD_KEY', `${what} must be canonical and not of low order`);
  }
  return key as X25519Public;
}

/**
 * Takes 32 bytes as an identity: besides {@link parseEd25519Public}, ℓ·A must be the identity element, so that no
 * two addresses share a blinded key (rend-spec-v3 §2.2.7). Throws BAD_LENGTH, BAD_KEY.
 */
export function parseKpHsId(bytes: Bytes): KpHsId {
  const key = parseEd25519Public(bytes, 'KP_hs_id');
  if (!isTorsionFree(key)) throw new DescriptorError('BAD_KEY', 'KP_hs_id must have no torsion part');
  return key as KpHsId;
}

/** {@link parseEd25519Public} for KP_hs_blind_id (rend-spec-v3 §1.9), 32 bytes. Throws BAD_LENGTH, BAD_KEY. */
export function parseKpHsBlindId(bytes: Bytes): KpHsBlindId {
  return parseEd25519Public(bytes, 'KP_hs_blind_id') as KpHsBlindId;
}

/** {@link parseEd25519Public} for KP_hs_desc_sign (rend-spec-v3 §1.9), 32 bytes. Throws BAD_LENGTH, BAD_KEY. */
export function parseKpHsDescSign(bytes: Bytes): KpHsDescSign {
  return parseEd25519Public(bytes, 'KP_hs_desc_sign') as KpHsDescSign;
}

/**
 * {@link parseEd25519Public} for KP_hs_ipt_sid, the `auth-key` of an introduction point (rend-spec-v3 §2.5.2.2),
 * 32 bytes. Throws BAD_LENGTH, BAD_KEY.
 */
export function parseKpHsIptSid(bytes: Bytes): KpHsIptSid {
  return parseEd25519Public(bytes, 'KP_hs_ipt_sid') as KpHsIptSid;
}

/**
 * {@link parseX25519Public} for KP_hss_ntor, the `enc-key` of an introduction point (rend-spec-v3 §2.5.2.2),
 * 32 bytes. Throws BAD_LENGTH, BAD_KEY.
 */
export function parseKpHssNtor(bytes: Bytes): KpHssNtor {
  return parseX25519Public(bytes, 'KP_hss_ntor') as KpHssNtor;
}

/**
 * {@link parseX25519Public} for KP_ntor, the `onion-key` of an introduction point (rend-spec-v3 §2.5.2.2), 32 bytes.
 * Throws BAD_LENGTH, BAD_KEY.
 */
export function parseKpNtor(bytes: Bytes): KpNtor {
  return parseX25519Public(bytes, 'KP_ntor') as KpNtor;
}

/**
 * {@link parseX25519Public} for KP_hsc_desc_enc, a client of a restricted service (rend-spec-v3 §1.9.1), 32 bytes.
 * Throws BAD_LENGTH, BAD_KEY.
 */
export function parseKpHscDescEnc(bytes: Bytes): KpHscDescEnc {
  return parseX25519Public(bytes, 'KP_hsc_desc_enc') as KpHscDescEnc;
}

/**
 * {@link parseX25519Public} for KP_hss_desc_enc, the `desc-auth-ephemeral-key` (rend-spec-v3 §2.5.1.2), 32 bytes.
 * Throws BAD_LENGTH, BAD_KEY.
 */
export function parseKpHssDescEnc(bytes: Bytes): KpHssDescEnc {
  return parseX25519Public(bytes, 'KP_hss_desc_enc') as KpHssDescEnc;
}

/** Takes 20 bytes as a relay's fingerprint, SHA-1 of its RSA identity (dir-spec §2.1.1). Throws BAD_LENGTH. */
export function parseRelayFingerprint(bytes: Bytes): RelayFingerprint {
  return fixedBytes(bytes, 20, 'a relay fingerprint') as RelayFingerprint;
}

/** Takes 32 bytes as a relay's Ed25519 identity, which is not judged (rend-spec-v3 §2.2.3). Throws BAD_LENGTH. */
export function parseRelayEd25519Id(bytes: Bytes): RelayEd25519Id {
  return fixedBytes(bytes, 32, 'a relay Ed25519 identity') as RelayEd25519Id;
}

/** Takes 32 bytes as a shared random value (srv-spec §4.2). Throws BAD_LENGTH. */
export function parseSharedRandomValue(bytes: Bytes): SharedRandomValue {
  return fixedBytes(bytes, 32, 'a shared random value') as SharedRandomValue;
}

/** Takes 32 bytes as N_hs_cred (rend-spec-v3 §2.1). Throws BAD_LENGTH. */
export function parseNHsCred(bytes: Bytes): NHsCred {
  return fixedBytes(bytes, 32, 'N_hs_cred') as NHsCred;
}

/** Takes 32 bytes as N_hs_subcred (rend-spec-v3 §2.1). Throws BAD_LENGTH. */
export function parseNHsSubcred(bytes: Bytes): NHsSubcred {
  return fixedBytes(bytes, 32, 'N_hs_subcred') as NHsSubcred;
}
