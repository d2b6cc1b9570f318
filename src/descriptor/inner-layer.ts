import { type Bytes, asciiBytes, decodeBase64 } from './bytes.ts';
import { DescriptorError } from './error.ts';
import {
  type CertifiedIntroductionPoint,
  type ParsedIntroductionPoint,
  encodeIntroductionPoint,
  parseIntroductionPoint,
} from './introduction-point.ts';
import {
  type KeywordRules,
  type NetdocItem,
  argOf,
  atItem,
  checkItems,
  parseDecimal,
  parseNetdoc,
  where,
} from './netdoc.ts';

/** `flow-control`: the service takes part in congestion control (proposal 324). */
export interface FlowControl {
  /** Versions of the FlowCtrl subprotocol, such as `1-2`. */
  readonly versions: string;
  /** The network's cc_sendme_inc, 1…255. */
  readonly sendmeInc: number;
}

/** `pow-params v1`: a puzzle that binds to the service's own key; read, never written. */
export interface PowParams {
  readonly type: 'v1';
  /** 32 bytes. */
  readonly seed: Bytes;
  readonly suggestedEffort: number;
  /** Unix seconds. */
  readonly expires: number;
}

/** `caa`: which certificate authority may certify the address (RFC 9799, fields as in RFC 8659). */
export interface CaaRecord {
  readonly flags: number;
  readonly tag: string;
  /** Printable ASCII without quotation mark and backslash. */
  readonly value: string;
}

/** The inner layer as it is written (rend-spec-v3 §2.5.2.2). */
export interface InnerLayer {
  /** Each 0…65535, 2 (ntor) among them. */
  readonly create2Formats: readonly number[];
  /** Read, never written: no client implements it. */
  readonly introAuthRequired?: undefined;
  readonly singleOnionService: boolean;
  readonly flowControl?: FlowControl | undefined;
  /** Read, never written: it binds to the key of one service. */
  readonly powParams?: undefined;
  readonly caa: readonly CaaRecord[];
  readonly introductionPoints: readonly CertifiedIntroductionPoint[];
}

/** The inner layer as read, with the certificates taken apart and the lines that nobody here knows. */
export interface ParsedInnerLayer extends Omit<InnerLayer, 'introAuthRequired' | 'powParams'> {
  readonly introAuthRequired?: readonly string[] | undefined;
  readonly powParams?: PowParams | undefined;
  readonly introductionPoints: readonly ParsedIntroductionPoint[];
  readonly unknown: readonly NetdocItem[];
}

/** The inner layer without its introduction points. */
export type InnerHead = Omit<ParsedInnerLayer, 'introductionPoints'>;

/** tor's clients refuse a descriptor with more. */
export const MAX_INTRODUCTION_POINTS = 20;

const NTOR = 2;
const MAX_FORMAT = 0xffff;
const INTRO_AUTH_TYPES = new Set(['ed25519']);
const POW_SEED_LENGTH = 32;
const VERSIONS = /^[0-9]{1,3}(?:-[0-9]{1,3})?(?:,[0-9]{1,3}(?:-[0-9]{1,3})?)*$/;
const CAA_LINE = /^([0-9]+) ([A-Za-z0-9]{1,255}) (?:"([^"\\]*)"|([^ "\\]+))$/;
const CAA_VALUE = /^[ !#-[\]-~]*$/;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/;

type Keyword =
  | 'create2-formats'
  | 'intro-auth-required'
  | 'single-onion-service'
  | 'flow-control'
  | 'pow-params'
  | 'caa'
  | 'onion-key'
  | 'auth-key'
  | 'enc-key'
  | 'enc-key-cert';

const HEAD_RULES: KeywordRules<Keyword> = {
  'create2-formats': { count: 'one', place: 'first', args: { min: 1 } },
  'intro-auth-required': { count: 'optional', args: { min: 1 } },
  'single-onion-service': { count: 'optional', args: {} },
  'flow-control': { count: 'optional', args: { min: 2 } },
  'pow-params': { count: 'any', args: { min: 1 } },
  caa: { count: 'any', args: { min: 3 } },
  'onion-key': { count: 'elsewhere' },
  'auth-key': { count: 'elsewhere' },
  'enc-key': { count: 'elsewhere' },
  'enc-key-cert': { count: 'elsewhere' },
};

/**
 * Reads the inner layer: a head, then 0…20 sections of introduction points. Stricter than tor, which drops a bad
 * section: one bad section refuses the layer. Certificates are not verified here.
 * Throws the codes of the reader and of the sections, BAD_LAYER for a service that speaks nothing we know, POINT_COUNT.
 */
export function parseInnerLayer(text: Bytes): ParsedInnerLayer {
  const { head, sections } = splitInnerItems(parseNetdoc(text));
  if (sections.length > MAX_INTRODUCTION_POINTS) throw tooManyPoints();
  return { ...parseInnerHead(head), introductionPoints: sections.map(parseIntroductionPoint) };
}

/** Items before the first introduction point, and those of each. */
export function splitInnerItems(items: readonly NetdocItem[]): {
  head: readonly NetdocItem[];
  sections: readonly (readonly NetdocItem[])[];
} {
  const starts = items.flatMap((item, at) => (item.keyword === 'introduction-point' ? [at] : []));
  return {
    head: items.slice(0, starts[0] ?? items.length),
    sections: starts.map((start, i) => items.slice(start, starts[i + 1])),
  };
}

/** Reads what stands before the introduction points. Throws what {@link parseInnerLayer} throws for it. */
export function parseInnerHead(items: readonly NetdocItem[]): InnerHead {
  const head = checkItems(items, HEAD_RULES);
  const auth = head.optional('intro-auth-required');
  // NOTE: tor looks at the first kind alone.
  if (auth !== undefined && !INTRO_AUTH_TYPES.has(argOf(auth, 0))) {
    throw new DescriptorError(
      'BAD_LAYER',
      'the service asks for an unknown kind of authentication',
      where(auth),
    );
  }
  return {
    create2Formats: parseCreate2Formats(head.one('create2-formats')),
    introAuthRequired: auth?.args,
    singleOnionService: head.optional('single-onion-service') !== undefined,
    flowControl: parseFlowControl(head.optional('flow-control')),
    powParams: parsePowParams(head.all('pow-params')),
    caa: head.all('caa').map(parseCaa),
    unknown: head.unknown,
  };
}

/**
 * The text of an inner layer as tor writes it, ended by LF. `pow-params` and `intro-auth-required` are never
 * written: the first binds to another service's key, the second no client implements.
 * Throws BAD_LAYER for these, POINT_COUNT outside 1…20 points, BAD_SYNTAX for values that would not be read back.
 */
export function encodeInnerLayer(inner: InnerLayer): Bytes {
  if (inner.powParams !== undefined || inner.introAuthRequired !== undefined) {
    throw new DescriptorError('BAD_LAYER', 'pow-params and intro-auth-required must not be written');
  }
  const { length } = inner.introductionPoints;
  if (length === 0 || length > MAX_INTRODUCTION_POINTS) throw tooManyPoints();
  const text =
    encodeCreate2Formats(inner.create2Formats) +
    (inner.singleOnionService ? 'single-onion-service\n' : '') +
    (inner.flowControl === undefined ? '' : encodeFlowControl(inner.flowControl)) +
    inner.caa.map(encodeCaa).join('') +
    inner.introductionPoints.map(encodeIntroductionPoint).join('');
  return asciiBytes(text);
}

function encodeCreate2Formats(formats: readonly number[]): string {
  if (!formats.includes(NTOR)) throw noNtor();
  if (formats.every(format => Number.isInteger(format) && format >= 0 && format <= MAX_FORMAT)) {
    return `create2-formats ${formats.join(' ')}\n`;
  }
  throw new DescriptorError('BAD_SYNTAX', `the numbers of create2-formats must be 0 to ${MAX_FORMAT}`);
}

function parseCreate2Formats(item: NetdocItem): number[] {
  const formats = item.args.map(arg => Number(parseDecimal(arg, BigInt(MAX_FORMAT), item)));
  if (!formats.includes(NTOR)) throw noNtor(item);
  return formats;
}

function parseFlowControl(item: NetdocItem | undefined): FlowControl | undefined {
  if (item === undefined) return undefined;
  const versions = argOf(item, 0);
  const sendmeInc = Number(parseDecimal(argOf(item, 1), 255n, item));
  return checkFlowControl({ versions, sendmeInc }, item);
}

function encodeFlowControl(flowControl: FlowControl): string {
  const { versions, sendmeInc } = checkFlowControl(flowControl);
  return `flow-control ${versions} ${sendmeInc}\n`;
}

function checkFlowControl(flowControl: FlowControl, item?: NetdocItem): FlowControl {
  const { versions, sendmeInc } = flowControl;
  if (!VERSIONS.test(versions) || !Number.isInteger(sendmeInc) || sendmeInc < 1 || sendmeInc > 255) {
    throw new DescriptorError(
      'BAD_SYNTAX',
      'flow-control must have version ranges and 1 to 255',
      where(item),
    );
  }
  return flowControl;
}

function parsePowParams(items: readonly NetdocItem[]): PowParams | undefined {
  const known = items.filter(item => item.args[0] === 'v1');
  const [item] = known;
  if (item === undefined) return undefined;
  if (known.length > 1) {
    throw new DescriptorError('DUPLICATE_ITEM', 'pow-params v1 must not be repeated', where(item));
  }
  const seed = atItem(item, () => decodeBase64(argOf(item, 1), 'either'));
  const time = atItem(item, () => argOf(item, 3));
  const expires = ISO_TIME.test(time) ? Date.parse(`${time}Z`) : Number.NaN;
  const isCalendarTime = !Number.isNaN(expires) && new Date(expires).toISOString() === `${time}.000Z`;
  if (seed.length !== POW_SEED_LENGTH || !isCalendarTime) {
    throw new DescriptorError(
      'BAD_SYNTAX',
      'pow-params v1 must have a seed of 32 bytes and a time',
      where(item),
    );
  }
  const suggestedEffort = Number(parseDecimal(argOf(item, 2), 0xffff_ffffn, item));
  return { type: 'v1', seed, suggestedEffort, expires: expires / 1000 };
}

function parseCaa(item: NetdocItem): CaaRecord {
  const [, flags = '', tag = '', quoted, bare = ''] = CAA_LINE.exec(item.rest) ?? [];
  const value = quoted ?? bare;
  if (tag === '' || !CAA_VALUE.test(value)) {
    throw new DescriptorError('BAD_SYNTAX', 'caa must have flags, tag and a value', where(item));
  }
  return { flags: Number(parseDecimal(flags, 255n, item)), tag, value };
}

function encodeCaa({ flags, tag, value }: CaaRecord): string {
  const line = `${flags} ${tag} "${value}"`;
  if (!CAA_LINE.test(line) || !CAA_VALUE.test(value) || flags > 255) {
    throw new DescriptorError(
      'BAD_SYNTAX',
      'a CAA record must have flags to 255, an alphanumeric tag, plain ASCII',
    );
  }
  return `caa ${line}\n`;
}

function noNtor(item?: NetdocItem): DescriptorError {
  return new DescriptorError('BAD_LAYER', 'create2-formats must have 2, the ntor handshake', where(item));
}

/** The refusal of a number of points that no descriptor has. */
export function tooManyPoints(): DescriptorError {
  return new DescriptorError(
    'POINT_COUNT',
    `a descriptor has 1 to ${MAX_INTRODUCTION_POINTS} introduction points`,
  );
}
