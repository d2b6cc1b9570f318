import { deriveKpHsBlindId, deriveSubcredential } from './blinding.ts';
import { type Bytes, concatSecret, equalBytes } from './bytes.ts';
import { CERT_TYPE, type Ed25519Cert, verifyCert, x25519ToEd25519 } from './ed25519-cert.ts';
import { DescriptorError, type DescriptorErrorCode, inLayer } from './error.ts';
import { type ParsedInnerLayer, parseInnerLayer } from './inner-layer.ts';
import type { ParsedIntroductionPoint } from './introduction-point.ts';
import {
  type KpHsBlindId,
  type KpHsDescSign,
  type KpHsId,
  type NHsSubcred,
  parseKpHsBlindId,
  parseKpHsDescSign,
} from './keys.ts';
import {
  type DescriptorCrypto,
  INNER_CONSTANT,
  MIDDLE_CONSTANT,
  OPENSSL_CRYPTO,
  decryptLayer,
  unpadMiddle,
} from './layer-crypt.ts';
import { type ParsedMiddleLayer, parseMiddleLayer } from './middle-layer.ts';
import { type OuterLayer, descriptorSignedMessage, parseOuterLayer } from './outer-layer.ts';
import type { Ed25519Verify } from './primitives.ts';
import type { TimePeriod } from './time.ts';

/** The cryptography of a whole opening: that of the layers, and the two operations on public points. */
export interface OpeningCrypto extends DescriptorCrypto {
  deriveKpHsBlindId(kpHsId: KpHsId, period: TimePeriod): KpHsBlindId;
  deriveSubcredential(kpHsId: KpHsId, kpHsBlindId: KpHsBlindId): NHsSubcred;
  /** The Ed25519 form of an enc-key; throws BAD_KEY when it has none. */
  x25519ToEd25519(encKey: Bytes): Bytes;
}

/** What every opening may be told. */
export interface OpenSettings {
  /** Unix seconds; without it no expiry is judged. */
  readonly nowSeconds?: number | undefined;
  /** OpenSSL's when not given. */
  readonly verify?: Ed25519Verify | undefined;
}

/** What the opening of the layers may be told besides. */
export interface LayerSettings extends OpenSettings {
  /** 16 bytes, for a restricted service. */
  readonly descriptorCookie?: Bytes | undefined;
  /** True: one bad certificate of a point refuses the descriptor, as in Arti. False: the point is dropped, as in tor. */
  readonly strictCerts?: boolean | undefined;
}

/** What the opening of a descriptor by address is told: whose it may be. */
export interface OpenOptions extends LayerSettings {
  readonly kpHsId: KpHsId;
  /** The periods that the descriptor may be of; usually the two that are published now. */
  readonly periods: readonly TimePeriod[];
}

/** An outer document whose certificate and signature hold. */
export interface OpenedOuter {
  readonly outer: OuterLayer;
  readonly cert: Ed25519Cert;
  readonly kpHsBlindId: KpHsBlindId;
  readonly kpHsDescSign: KpHsDescSign;
}

/** A point that was left out because a certificate of it is bad; only with `strictCerts: false`. */
export interface DroppedPoint {
  /** Place in the inner layer, from 0. */
  readonly index: number;
  readonly code: DescriptorErrorCode;
}

/** A descriptor whose layers are open and whose certificates hold. */
export interface OpenedLayers extends OpenedOuter {
  readonly subcredential: NHsSubcred;
  readonly middle: ParsedMiddleLayer;
  /** Undefined when no cookie was given and the layer does not open without. */
  readonly inner: ParsedInnerLayer | undefined;
  readonly dropped: readonly DroppedPoint[];
}

/** A descriptor opened by address, and the period that it is of. */
export interface OpenedDescriptor extends OpenedLayers {
  readonly period: TimePeriod;
}

/** OpenSSL's, with the public-point operations of @noble/curves. */
export const OPENSSL_OPENING: OpeningCrypto = {
  ...OPENSSL_CRYPTO,
  deriveKpHsBlindId,
  deriveSubcredential,
  x25519ToEd25519,
};

/**
 * Reads the outer document alone (rend-spec-v3 §2.4), 1…49,999 bytes, and verifies nothing. Throws TOO_LARGE,
 * UNKNOWN_VERSION; BAD_UTF8, BAD_SYNTAX, BAD_BASE64, BAD_INTEGER, MISSING_ITEM, DUPLICATE_ITEM for its text; BAD_CERT,
 * TRAILING_DATA for its certificate.
 */
export function parseDescriptor(text: Bytes): OuterLayer {
  return inLayer('outer', () => parseOuterLayer(text));
}

/**
 * Opens a descriptor as a client that knows the address does, from first principles and stricter than tor: one of
 * the periods' blinded keys must have signed the certificate, that key's descriptor signing key the text and the
 * certificates of every point, each over the key at its place, all unexpired (rend-spec-v3 §2.4 to §2.5.2).
 * Throws WRONG_PERIOD when no period's blinded key is the signer, WRONG_KEY, BAD_CERT, CERT_EXPIRED, BAD_SIGNATURE,
 * BAD_LAYER, BAD_MAC (of the inner layer only when a cookie was given), the codes of {@link parseDescriptor} for each
 * layer, and BAD_KEY, BAD_LENGTH, BAD_POINT, BAD_LINK_SPECIFIER, POINT_COUNT for what the layers hold.
 */
export function openDescriptor(text: Bytes, options: OpenOptions): OpenedDescriptor {
  return openDescriptorWith(withVerify(options), text, options);
}

/** {@link openDescriptor} with the cryptography given; `options.verify` is not looked at. */
export function openDescriptorWith(
  crypto: OpeningCrypto,
  text: Bytes,
  options: OpenOptions,
): OpenedDescriptor {
  const outer = parseDescriptor(text);
  const { kpHsId } = options;
  for (const period of options.periods) {
    const kpHsBlindId = crypto.deriveKpHsBlindId(kpHsId, period);
    if (equalBytes(kpHsBlindId, outer.cert.signingKey)) {
      const subcredential = crypto.deriveSubcredential(kpHsId, kpHsBlindId);
      const opened = verifyOuter(crypto, outer, kpHsBlindId, options.nowSeconds);
      return { ...openLayers(crypto, opened, subcredential, options), period };
    }
  }
  throw new DescriptorError('WRONG_PERIOD', 'the descriptor is not of this service in one of these periods', {
    layer: 'outer',
  });
}

/**
 * {@link openDescriptor} for who has a period's blinded key and subcredential but not the address (rend-spec-v3 §2.4
 * to §2.5.2). Throws WRONG_KEY when another blinded key signed, otherwise the codes of {@link openDescriptor} but
 * WRONG_PERIOD.
 */
export function openWithSubcredential(
  text: Bytes,
  options: LayerSettings & { readonly kpHsBlindId: KpHsBlindId; readonly subcredential: NHsSubcred },
): OpenedLayers {
  const crypto = withVerify(options);
  const opened = verifyOuter(crypto, parseDescriptor(text), options.kpHsBlindId, options.nowSeconds);
  return openLayers(crypto, opened, options.subcredential, options);
}

/**
 * Verifies the outer document (rend-spec-v3 §2.4) as an HSDir does, which knows no address: certificate and signature
 * under the blinded key that the document names, or under the one given. Throws WRONG_KEY, BAD_KEY, BAD_CERT,
 * CERT_EXPIRED, BAD_SIGNATURE, and the codes of {@link parseDescriptor}.
 */
export function openWithBlindedKey(
  text: Bytes,
  options: OpenSettings & { readonly kpHsBlindId?: KpHsBlindId } = {},
): OpenedOuter {
  const outer = parseDescriptor(text);
  const kpHsBlindId = options.kpHsBlindId ?? inLayer('outer', () => parseKpHsBlindId(outer.cert.signingKey));
  return verifyOuter(withVerify(options), outer, kpHsBlindId, options.nowSeconds);
}

function verifyOuter(
  crypto: OpeningCrypto,
  outer: OuterLayer,
  kpHsBlindId: KpHsBlindId,
  nowSeconds: number | undefined,
): OpenedOuter {
  const { cert } = outer;
  const { verify } = crypto;
  return inLayer('outer', () => {
    verifyCert(cert, { certType: CERT_TYPE.descSigning, signingKey: kpHsBlindId, nowSeconds, verify });
    const kpHsDescSign = parseKpHsDescSign(cert.certifiedKey);
    if (!verify(descriptorSignedMessage(outer.signedPart), outer.signature, kpHsDescSign)) {
      throw new DescriptorError('BAD_SIGNATURE', 'the signature of the descriptor does not verify');
    }
    return { outer, cert, kpHsBlindId, kpHsDescSign };
  });
}

function openLayers(
  crypto: OpeningCrypto,
  opened: OpenedOuter,
  subcredential: NHsSubcred,
  settings: LayerSettings,
): OpenedLayers {
  const { kpHsBlindId, outer } = opened;
  const { revisionCounter } = outer;
  const { descriptorCookie } = settings;
  const keys = { subcredential, revisionCounter };
  const middle = inLayer('middle', () => {
    const context = { ...keys, secretData: kpHsBlindId, constant: MIDDLE_CONSTANT };
    return parseMiddleLayer(unpadMiddle(decryptLayer(context, outer.superencrypted, crypto)));
  });
  const secretData = concatSecret(kpHsBlindId, descriptorCookie ?? new Uint8Array());
  let text: Bytes;
  try {
    text = inLayer('inner', () =>
      decryptLayer({ ...keys, secretData, constant: INNER_CONSTANT }, middle.encrypted, crypto),
    );
  } catch (error) {
    const needsCookie =
      descriptorCookie === undefined && error instanceof DescriptorError && error.code === 'BAD_MAC';
    if (!needsCookie) throw error;
    return { ...opened, subcredential, middle, inner: undefined, dropped: [] };
  } finally {
    secretData.fill(0);
  }
  return inLayer('inner', () => {
    const inner = parseInnerLayer(text);
    const { kept, dropped } = judgePoints(crypto, inner.introductionPoints, opened.kpHsDescSign, settings);
    return { ...opened, subcredential, middle, inner: { ...inner, introductionPoints: kept }, dropped };
  });
}

function judgePoints(
  crypto: OpeningCrypto,
  points: readonly ParsedIntroductionPoint[],
  signingKey: KpHsDescSign,
  { nowSeconds, strictCerts = true }: LayerSettings,
): { kept: ParsedIntroductionPoint[]; dropped: DroppedPoint[] } {
  const kept: ParsedIntroductionPoint[] = [];
  const dropped: DroppedPoint[] = [];
  for (const [index, point] of points.entries()) {
    try {
      verifyPoint(crypto, point, signingKey, nowSeconds);
      kept.push(point);
    } catch (error) {
      if (strictCerts || !(error instanceof DescriptorError)) throw error;
      dropped.push({ index, code: error.code });
    }
  }
  return { kept, dropped };
}

function verifyPoint(
  crypto: OpeningCrypto,
  point: ParsedIntroductionPoint,
  signingKey: KpHsDescSign,
  nowSeconds: number | undefined,
): void {
  const { verify } = crypto;
  const expected = crypto.x25519ToEd25519(point.encKey);
  if (!equalBytes(point.encCert.certifiedKey, expected)) {
    throw new DescriptorError('WRONG_KEY', 'the certificate of an enc-key must certify that enc-key');
  }
  verifyCert(point.authCert, { certType: CERT_TYPE.authKey, signingKey, nowSeconds, verify });
  verifyCert(point.encCert, { certType: CERT_TYPE.encKey, signingKey, nowSeconds, verify });
}

function withVerify({ verify }: OpenSettings): OpeningCrypto {
  return verify === undefined ? OPENSSL_OPENING : { ...OPENSSL_OPENING, verify };
}
