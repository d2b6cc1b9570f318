import { deriveKpHsBlindId, deriveSubcredential } from './blinding.ts';
import { type Bytes, equalBytes } from './bytes.ts';
import { CERT_TYPE, verifyCert } from './ed25519-cert.ts';
import {
  type ExaminedFault,
  type ExaminedLayer,
  type ExaminedText,
  type Examination,
  type ExamineOptions,
  faultOf,
  tried,
} from './examination.ts';
import { type LayerKeys, examineInner } from './examine-inner.ts';
import { parseKpHsBlindId } from './keys.ts';
import { MIDDLE_CONSTANT, decryptLayer, unpadMiddle } from './layer-crypt.ts';
import { type ParsedMiddleLayer, parseMiddleLayer } from './middle-layer.ts';
import { readableItems } from './netdoc.ts';
import { type OuterLayer, descriptorSignedMessage, parseOuterLayer } from './outer-layer.ts';
import { ed25519Verify } from './primitives.ts';

/**
 * Reads a descriptor for diagnosis (rend-spec-v3 §2.4 to §2.5.2): all that can be read is read, whatever is wrong with
 * it, so nothing in the result is proven unless `faults` is empty. Layers are decrypted for the address with the
 * blinded key that the text names, so that a wrong period and a wrong address can be told apart: with the right
 * address they open, and only the fault of the period is left. Does not throw.
 */
export function examineDescriptor(text: Bytes, options: ExamineOptions = {}): Examination {
  const faults: ExaminedFault[] = [];
  const outer = readText(text, parseOuterLayer, 'outer', faults);
  const unopened = { middle: undefined, inner: undefined, points: [], access: 'unknown' } as const;
  if (outer.parsed === undefined) return { ...unopened, outer, period: undefined, faults };
  verifyOuter(outer.parsed, options, faults);
  const keys = keysOf(outer.parsed, options, faults);
  if (keys === undefined) return { ...unopened, outer, period: undefined, faults };
  const { period } = keys;
  const padded = tried(faults, { layer: 'middle', part: 'encryption' }, () => decryptMiddle(keys));
  if (padded === undefined) return { ...unopened, outer, period, faults };
  const middle = readText(padded, parsePadded, 'middle', faults);
  if (middle.parsed === undefined) return { ...unopened, outer, period, middle, faults };
  return { outer, period, middle, ...examineInner(keys, middle.parsed, options, faults), faults };
}

/** Certificate and signature apart, so that one bad of them does not hide the other. */
function verifyOuter(outer: OuterLayer, { nowSeconds }: ExamineOptions, faults: ExaminedFault[]): void {
  const { cert, signedPart, signature } = outer;
  const expected = { certType: CERT_TYPE.descSigning, signingKey: cert.signingKey, nowSeconds };
  tried(faults, { layer: 'outer', part: 'certificate' }, () => verifyCert(cert, expected));
  if (!ed25519Verify(descriptorSignedMessage(signedPart), signature, cert.certifiedKey)) {
    const message = 'the signature of the descriptor does not verify';
    faults.push(faultOf({ layer: 'outer', part: 'signature' }, 'BAD_SIGNATURE', message));
  }
}

/** What the layers open with, for an address; undefined without one, and for a blinded key that is none. */
function keysOf(
  outer: OuterLayer,
  { kpHsId, periods = [] }: ExamineOptions,
  faults: ExaminedFault[],
): (LayerKeys & Pick<Examination, 'period'>) | undefined {
  if (kpHsId === undefined) return undefined;
  const named = outer.cert.signingKey;
  const kpHsBlindId = tried(faults, { layer: 'outer', part: 'certificate' }, () => parseKpHsBlindId(named));
  if (kpHsBlindId === undefined) return undefined;
  const period = periods.find(each => equalBytes(deriveKpHsBlindId(kpHsId, each), kpHsBlindId));
  if (period === undefined) {
    const message = 'the descriptor is not of this service in one of these periods';
    faults.push(faultOf({ layer: 'outer', part: 'period' }, 'WRONG_PERIOD', message));
  }
  return { outer, kpHsBlindId, subcredential: deriveSubcredential(kpHsId, kpHsBlindId), period };
}

function decryptMiddle({ outer, kpHsBlindId, subcredential }: LayerKeys): Bytes {
  const { revisionCounter, superencrypted } = outer;
  const context = { secretData: kpHsBlindId, subcredential, revisionCounter, constant: MIDDLE_CONSTANT };
  return decryptLayer(context, superencrypted);
}

function parsePadded(padded: Bytes): ParsedMiddleLayer {
  return parseMiddleLayer(unpadMiddle(padded));
}

function readText<T>(
  text: Bytes,
  parse: (text: Bytes) => T,
  layer: ExaminedLayer,
  faults: ExaminedFault[],
): ExaminedText<T> {
  const parsed = tried(faults, { layer, part: 'text' }, () => parse(text));
  const padding = text.indexOf(0);
  return { text, parsed, items: readableItems(padding < 0 ? text : text.subarray(0, padding)) };
}
