import { type Bytes, concatSecret, equalBytes } from './bytes.ts';
import { openCookie } from './client-auth.ts';
import { CERT_TYPE, verifyCert, x25519ToEd25519 } from './ed25519-cert.ts';
import { DescriptorError } from './error.ts';
import {
  type ExaminedFault,
  type ExaminedPoint,
  type Examination,
  type ExamineOptions,
  tried,
} from './examination.ts';
import { MAX_INTRODUCTION_POINTS, parseInnerHead, splitInnerItems, tooManyPoints } from './inner-layer.ts';
import { type ParsedIntroductionPoint, parseIntroductionPoint } from './introduction-point.ts';
import type { KpHsBlindId, NHsSubcred } from './keys.ts';
import { INNER_CONSTANT, decryptLayer } from './layer-crypt.ts';
import type { ParsedMiddleLayer } from './middle-layer.ts';
import { type NetdocItem, parseNetdoc, readableItems } from './netdoc.ts';
import type { OuterLayer } from './outer-layer.ts';

/** What the layers of one descriptor open with. */
export interface LayerKeys {
  readonly outer: OuterLayer;
  readonly kpHsBlindId: KpHsBlindId;
  readonly subcredential: NHsSubcred;
}

type InnerExamination = Pick<Examination, 'inner' | 'points' | 'access'>;

/** The inner layer as far as it can be read: without a cookie, and with that of the client key if need be. */
export function examineInner(
  keys: LayerKeys,
  middle: ParsedMiddleLayer,
  options: ExamineOptions,
  faults: ExaminedFault[],
): InnerExamination {
  const place = { layer: 'inner', part: 'encryption' } as const;
  const open = tried(faults, place, () => decryptInner(keys, middle));
  if (open?.text !== undefined) return readInner(keys, open.text, 'open', options, faults);
  const { clientKey } = options;
  const nothing = {
    inner: undefined,
    points: [],
    access: open === undefined ? 'unknown' : 'closed',
  } as const;
  if (open === undefined || clientKey === undefined) return nothing;
  const text = tried(faults, { layer: 'inner', part: 'client' }, () => {
    const descriptorCookie = openCookie(clientKey, middle, keys.subcredential);
    if (descriptorCookie === undefined) {
      throw new DescriptorError('COOKIE_MISSING', 'no client line of the descriptor is for this key');
    }
    try {
      return decryptInner(keys, middle, descriptorCookie).text;
    } finally {
      descriptorCookie.fill(0);
    }
  });
  if (text !== undefined) return readInner(keys, text, 'client', options, faults);
  return nothing;
}

/** No text when its MAC is of other keys: then the service asks for a cookie, or for another one. */
function decryptInner(
  { outer, kpHsBlindId, subcredential }: LayerKeys,
  { encrypted }: ParsedMiddleLayer,
  descriptorCookie?: Bytes,
): { readonly text?: Bytes } {
  const secretData = concatSecret(kpHsBlindId, descriptorCookie ?? new Uint8Array());
  const { revisionCounter } = outer;
  try {
    const context = { secretData, subcredential, revisionCounter, constant: INNER_CONSTANT };
    return { text: decryptLayer(context, encrypted) };
  } catch (error) {
    if (error instanceof DescriptorError && error.code === 'BAD_MAC' && descriptorCookie === undefined)
      return {};
    throw error;
  } finally {
    secretData.fill(0);
  }
}

function readInner(
  keys: LayerKeys,
  text: Bytes,
  access: 'open' | 'client',
  { nowSeconds }: ExamineOptions,
  faults: ExaminedFault[],
): InnerExamination {
  const place = { layer: 'inner', part: 'text' } as const;
  const isWhole = tried(faults, place, () => parseNetdoc(text)) !== undefined;
  const items = readableItems(text);
  const { head, sections } = splitInnerItems(items);
  // A fault of the text cuts what it stands in: what is missing there is no fault of its own.
  const whole = isWhole ? sections : sections.slice(0, -1);
  const isHeadWhole = isWhole || sections.length > 0;
  const parsed = isHeadWhole ? tried(faults, place, () => parseInnerHead(head)) : undefined;
  if (sections.length > MAX_INTRODUCTION_POINTS) faults.push({ ...place, error: tooManyPoints() });
  const points = whole.flatMap((section, index) => {
    const point = readPoint(section, index, faults);
    if (point !== undefined) verifyPoint(keys, point, nowSeconds, faults);
    return point === undefined ? [] : [point];
  });
  return { inner: { text, items, parsed }, points, access };
}

function readPoint(
  section: readonly NetdocItem[],
  index: number,
  faults: ExaminedFault[],
): ExaminedPoint | undefined {
  const place = { layer: 'inner', part: 'point', point: index } as const;
  const point = tried(faults, place, () => parseIntroductionPoint(section));
  return point && { index, point };
}

/** Each certificate by itself. */
function verifyPoint(
  { outer }: LayerKeys,
  { index, point }: ExaminedPoint,
  nowSeconds: number | undefined,
  faults: ExaminedFault[],
): void {
  const signingKey = outer.cert.certifiedKey;
  tried(faults, { layer: 'inner', part: 'auth-key-cert', point: index }, () =>
    verifyCert(point.authCert, { certType: CERT_TYPE.authKey, signingKey, nowSeconds }),
  );
  tried(faults, { layer: 'inner', part: 'enc-key-cert', point: index }, () => {
    checkCertifiedEncKey(point);
    verifyCert(point.encCert, { certType: CERT_TYPE.encKey, signingKey, nowSeconds });
  });
}

function checkCertifiedEncKey({ encCert, encKey }: ParsedIntroductionPoint): void {
  if (equalBytes(encCert.certifiedKey, x25519ToEd25519(encKey))) return;
  throw new DescriptorError('WRONG_KEY', 'the certificate of an enc-key must certify that enc-key');
}
