import type { Bytes } from './bytes.ts';
import { DescriptorError, type DescriptorErrorCode } from './error.ts';
import type { InnerHead } from './inner-layer.ts';
import type { ParsedIntroductionPoint } from './introduction-point.ts';
import type { KpHsId } from './keys.ts';
import type { ParsedMiddleLayer } from './middle-layer.ts';
import type { NetdocItem } from './netdoc.ts';
import type { OuterLayer } from './outer-layer.ts';
import type { TimePeriod } from './time.ts';

/** One of the three texts of a descriptor, from the outside in. */
export type ExaminedLayer = 'outer' | 'middle' | 'inner';

/** Which part of a layer is at fault; `encryption` is that of the layer, `client` what belongs to client lines. */
export type ExaminedPart =
  | 'text'
  | 'certificate'
  | 'signature'
  | 'period'
  | 'encryption'
  | 'client'
  | 'point'
  | 'auth-key-cert'
  | 'enc-key-cert';

/** Something wrong in a descriptor. Line and offset of `error` count within the layer's own text. */
export interface ExaminedFault {
  readonly layer: ExaminedLayer;
  readonly part: ExaminedPart;
  /** Which introduction point, from 0. */
  readonly point?: number;
  readonly error: DescriptorError;
}

/** One layer as far as it could be read. */
export interface ExaminedText<T> {
  /** The text itself; that of the middle layer with its padding. */
  readonly text: Bytes;
  /** Items before the first fault of the text. */
  readonly items: readonly NetdocItem[];
  /** Undefined when the layer is not well-formed. */
  readonly parsed: T | undefined;
}

/** An introduction point that is well-formed, whatever its certificates. */
export interface ExaminedPoint {
  /** Place in the inner layer, from 0. */
  readonly index: number;
  readonly point: ParsedIntroductionPoint;
}

/** A descriptor as far as it could be read, and everything that is wrong with it. */
export interface Examination {
  readonly outer: ExaminedText<OuterLayer>;
  /** The period among those asked for whose blinded key signed; undefined without one, or without an address. */
  readonly period: TimePeriod | undefined;
  readonly middle: ExaminedText<ParsedMiddleLayer> | undefined;
  readonly inner: ExaminedText<InnerHead> | undefined;
  readonly points: readonly ExaminedPoint[];
  /**
   * How the inner layer opened: without a cookie, with that of the client key, or not at all. `unknown` when the
   * middle layer was not read.
   */
  readonly access: 'open' | 'client' | 'closed' | 'unknown';
  /** In the order of the layers. Empty when a strict opening would have succeeded. */
  readonly faults: readonly ExaminedFault[];
}

/** What an examination may be told. */
export interface ExamineOptions {
  /** Whose descriptor it should be; without it only the outer document is read. */
  readonly kpHsId?: KpHsId | undefined;
  /** The periods that it may be of. */
  readonly periods?: readonly TimePeriod[] | undefined;
  /** Unix seconds; without it no expiry is judged. */
  readonly nowSeconds?: number | undefined;
  /** X25519 private key of a client (32 bytes, secret), for a restricted service. */
  readonly clientKey?: Bytes | undefined;
}

/** Does the work; a refusal becomes a fault, and the result undefined. */
export function tried<T>(
  faults: ExaminedFault[],
  place: Omit<ExaminedFault, 'error'>,
  work: () => T,
): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DescriptorError)) throw error;
    faults.push({ ...place, error });
    return undefined;
  }
}

/** A fault of ours about a part as a whole. */
export function faultOf(
  place: Omit<ExaminedFault, 'error'>,
  code: DescriptorErrorCode,
  message: string,
): ExaminedFault {
  return { ...place, error: new DescriptorError(code, message) };
}
