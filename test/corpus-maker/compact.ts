import { asciiBytes, wrapBase64 } from '../../src/descriptor/bytes.ts';
import {
  type Bytes,
  CERT_TYPE,
  type CertifiedIntroductionPoint,
  assembleCert,
  certExpiryHours,
  deriveKpHsBlindId,
  encodeCertBody,
  innerCertExpiryHours,
  publishablePeriods,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import {
  type Forgery,
  NOON,
  PERIOD,
  ed25519Pair,
  forge,
  identity,
  makePoint,
  noise,
} from '../descriptor/forge.ts';
import { type CorpusFile, type Group, type Variation, fileOf } from './corpus-file.ts';

/** The service whose descriptors the corpus holds, and the second at which they are made and read. */
export const NOW = NOON + 3600;
export const SERVICE = identity('backend');
export const KP_HS_BLIND_ID = deriveKpHsBlindId(SERVICE.kpHsId, PERIOD);
export const DESC_SIGN = ed25519Pair(`backend descriptor signing ${PERIOD.periodNum}`);
export const STRANGER = ed25519Pair('stranger');
export const PERIODS = publishablePeriods(TOR_NETWORK, NOW);
/** The private key of the client that may open restricted descriptors, and the cookie that it finds. */
export const CLIENT = noise('client', 32);
export const COOKIE = noise('backend cookie', 16);
export const EXPIRY_HOURS = certExpiryHours(NOW);
export const INNER_EXPIRY_HOURS = innerCertExpiryHours(NOW);

/** A forgery, and a change of the finished text, which is not signed again. */
export interface Making extends Forgery {
  /** In and out: one character for each byte. */
  readonly editText?: (text: string) => string;
}

/**
 * A descriptor with one point, one client line and no padding, so that files are small; readers take it as well.
 * The forgery says how it differs.
 */
export function compact({ editText, ...forgery }: Making = {}): Bytes {
  const { text } = forge({
    at: NOW,
    points: 1,
    ...forgery,
    editMiddle: middle => {
      const short = forgery.clients === undefined ? oneClient(middle) : middle;
      return forgery.editMiddle?.(short) ?? short;
    },
    editPadded: padded => forgery.editPadded?.(padded) ?? withoutPadding(padded),
  });
  return editText === undefined ? text : latin1(editText(Buffer.from(text).toString('latin1')));
}

/** A file that holds a compact descriptor. */
export function described(
  group: Group,
  name: string,
  shows: string,
  making: Making,
  variation: Variation = {},
): CorpusFile {
  return fileOf(group, name, shows, compact(making), variation);
}

/** Replaces, and fails where there is nothing to replace. */
export function replaced(pattern: string | RegExp, by: string) {
  return (text: string): string => {
    const edited = text.replace(pattern, by);
    if (edited === text) throw new Error(`nothing to replace: ${String(pattern)}`);
    return edited;
  };
}

/** The point of a compact descriptor with some of it changed. */
export function pointWith(
  change: (point: CertifiedIntroductionPoint) => Partial<Record<keyof CertifiedIntroductionPoint, Bytes>>,
): Making {
  return { editPoint: point => ({ ...point, ...change(point) }) as CertifiedIntroductionPoint };
}

/** The point that a compact descriptor has. */
export const OWN_POINT = makePoint('backend point 0', DESC_SIGN, INNER_EXPIRY_HOURS);

/** A certificate of the descriptor signing key. */
export function certBy(
  signer: { readonly publicKey: Bytes; readonly sign: (message: Bytes) => Bytes },
  certType: (typeof CERT_TYPE)[keyof typeof CERT_TYPE],
  certifiedKey: Bytes,
  expiryHours = INNER_EXPIRY_HOURS,
): Bytes {
  const body = encodeCertBody({ certType, expiryHours, certifiedKey, signingKey: signer.publicKey });
  return assembleCert(body, signer.sign(body));
}

/** Puts another certificate into the outer document. */
export function withOuterCert(cert: Bytes): Making {
  return {
    editOuter: text =>
      text.replace(/(?<=BEGIN ED25519 CERT-----\n)[^-]+(?=-----END)/u, () => wrapBase64(cert)),
  };
}

/** Changes the encrypted layer that a document holds; in and out without its armour. */
export function inMessage(edit: (blob: Bytes) => Bytes) {
  return (text: string): string =>
    text.replace(/(?<=BEGIN MESSAGE-----\n)[^-]+(?=-----END)/u, body =>
      wrapBase64(edit(Buffer.from(body, 'base64'))),
    );
}

/** One byte changed. */
export const flipped = (bytes: Bytes, at: number): Bytes => bytes.with(at, (bytes[at] ?? 0) ^ 1);

/** Characters of one byte each as bytes. */
export const latin1 = (text: string): Bytes => new Uint8Array(Buffer.from(text, 'latin1'));

/** Text of plain ASCII as bytes. */
export const ascii = asciiBytes;

const oneClient = (text: string): string => text.replace(/(auth-client .*\n)+/u, '$1');

function withoutPadding(padded: Bytes): Bytes {
  const end = padded.indexOf(0);
  return end < 0 ? padded : padded.subarray(0, end);
}
