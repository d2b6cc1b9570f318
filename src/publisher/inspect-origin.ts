import {
  equalBytes,
  type Examination,
  LINK_SPECIFIER,
  type NetdocItem,
  type OuterLayer,
  parseLinkSpecifiers,
} from '../descriptor/index.ts';
import { HOUR, LAYER_OVERHEAD } from './inspect-sights.ts';
import type { Made } from './inspect-times.ts';

/** Whose hand a descriptor can show: stock tor's (onion-signer writes like it), Arti's, that of stem and Onionbalance. */
export const SOFTWARE = ['tor', 'arti', 'stem'] as const;
export type Software = (typeof SOFTWARE)[number];

/** One habit of writers, what this text has, and whose habit that is; nobody's when the list is empty. */
export type Mark = { readonly mark: string; readonly seen: string; readonly speaksFor: readonly Software[] };

export type Origin = {
  readonly looksLike: Software | 'unknown';
  readonly confidence: 'none' | 'low' | 'medium' | 'high';
  /** Marks that tell writers apart; those that all of them share are left out. */
  readonly marks: readonly Mark[];
};

const ALL: readonly Software[] = SOFTWARE;
const TOR_PADDING = 10_000;
const ARTI_PADDING = 10_240;
/** Arti once wrote these; later versions and everybody else write 180. */
const ARTI_LIFETIMES = [30, 720];
const USUAL_LIFETIME = 180;
const CLIENT_MULTIPLE = 16;
/** Five or more points are in the order of their keys by chance once in 120. */
const TELLING_ORDER = 5;
const STOCK_HOURS = 54;
const LF = 0x0a;

/** Which software made a descriptor like this, with the reasons for and against. */
export function originOf(text: Uint8Array, outer: OuterLayer, examined: Examination, made: Made): Origin {
  const marks = [
    ...outerMarks(text, outer, examined),
    ...timeMarks(outer, made),
    ...middleMarks(examined),
    ...innerMarks(examined),
    ...pointMarks(outer, examined),
  ].filter(({ speaksFor }) => speaksFor.length < ALL.length);
  return { ...judge(marks), marks };
}

function judge(marks: readonly Mark[]): Pick<Origin, 'looksLike' | 'confidence'> {
  const scores = SOFTWARE.map(software => {
    const agree = marks.filter(({ speaksFor }) => speaksFor.includes(software)).length;
    return { software, agree, against: marks.length - agree };
  }).sort((a, b) => a.against - b.against);
  const [best, next] = scores;
  const isClear = best !== undefined && best.against !== next?.against && best.agree > best.against;
  if (!isClear) return { looksLike: 'unknown', confidence: 'none' };
  const { software, agree, against } = best;
  const confidence = agree >= 5 && against === 0 ? 'high' : agree >= 3 && against <= 1 ? 'medium' : 'low';
  return { looksLike: software, confidence };
}

function outerMarks(text: Uint8Array, outer: OuterLayer, { middle, outer: { items } }: Examination): Mark[] {
  const { lifetimeMinutes, superencrypted } = outer;
  const length = superencrypted.length - LAYER_OVERHEAD;
  const order = items.map(({ keyword }) => keyword).join(' ');
  const usual =
    'hs-descriptor descriptor-lifetime descriptor-signing-key-cert revision-counter superencrypted signature';
  return [
    {
      mark: 'lifetime',
      seen: `${lifetimeMinutes} min`,
      speaksFor:
        lifetimeMinutes === USUAL_LIFETIME ? ALL : only('arti', ARTI_LIFETIMES.includes(lifetimeMinutes)),
    },
    paddingMark(length, middle?.text),
    {
      mark: 'end of the text',
      seen: text.at(-1) === LF ? 'with LF' : 'without LF',
      // A control port adds the LF that stem leaves out.
      speaksFor: text.at(-1) === LF ? ALL : ['stem'],
    },
    {
      mark: 'outer lines',
      seen: order === usual ? 'in the usual order' : 'others, or in another order',
      speaksFor: order === usual ? ALL : [],
    },
  ];
}

/** stem's rule is odd: it adds as many NULs as the text is longer than a multiple of 10,000. */
function paddingMark(length: number, padded: Uint8Array | undefined): Mark {
  const seen = `${length} bytes padded`;
  const mark = 'padding';
  if (length % TOR_PADDING === 0) return { mark, seen: `${seen}, a multiple of 10,000`, speaksFor: ['tor'] };
  if (length % ARTI_PADDING === 0)
    return { mark, seen: `${seen}, a multiple of 10,240`, speaksFor: ['arti'] };
  if (padded === undefined) return { mark, seen: `${seen}, a multiple of neither`, speaksFor: ['stem'] };
  const end = padded.indexOf(0);
  const bare = end < 0 ? length : end;
  const isStems = length - bare === bare % TOR_PADDING;
  return { mark, seen: `${seen}, ${length - bare} of them NULs`, speaksFor: only('stem', isStems) };
}

/** Whether the expiry of certificate 08 was rounded up or down, where the counter tells when it was made. */
function timeMarks({ cert, revisionCounter }: OuterLayer, { byCounter, byCertificate }: Made): Mark[] {
  const counter = Number(revisionCounter);
  const isUnixTime = counter >= byCertificate.from && counter <= byCertificate.to + HOUR;
  if (isUnixTime) {
    return [{ mark: 'revision counter', seen: 'the Unix time of its making', speaksFor: ['stem'] }];
  }
  if (byCounter === undefined) return [];
  const hour = (cert.expiryHours - STOCK_HOURS) * HOUR;
  const up = byCounter.to > hour - HOUR && byCounter.from <= hour;
  const down = byCounter.to >= hour && byCounter.from < hour + HOUR;
  const mark = 'expiry of the signing key';
  if (up && down) return [{ mark, seen: 'too near the hour to tell', speaksFor: ALL }];
  if (up) return [{ mark, seen: '54 h after its making, rounded up', speaksFor: ['tor', 'arti'] }];
  if (down) return [{ mark, seen: '54 h after its making, rounded down', speaksFor: ['stem'] }];
  return [{ mark, seen: 'not 54 h after its making', speaksFor: [] }];
}

function middleMarks({ middle, access }: Examination): Mark[] {
  if (middle?.parsed === undefined) return [];
  const { text, items } = middle;
  const end = text.indexOf(0);
  const endsWithLf = (end < 0 ? text : text.subarray(0, end)).at(-1) === LF;
  const lines = items.filter(({ keyword }) => keyword === 'auth-client');
  const isPadded = lines.some(({ rest }) => rest.includes('='));
  const isMultiple = lines.length % CLIENT_MULTIPLE === 0;
  return [
    {
      mark: 'end of the middle layer',
      seen: endsWithLf ? 'with LF' : 'without LF',
      speaksFor: endsWithLf ? ['arti'] : ['tor', 'stem'],
    },
    {
      mark: 'fields of client lines',
      seen: isPadded ? 'with = at their end' : 'without = at their end',
      speaksFor: isPadded ? ['arti'] : ['tor', 'stem'],
    },
    {
      mark: 'number of client lines',
      seen: `${lines.length}`,
      speaksFor: isMultiple
        ? access === 'open'
          ? ['tor', 'stem']
          : ['tor', 'arti']
        : only('arti', lines.length === 1 || access !== 'open'),
    },
    ...unknownMarks(middle.parsed.unknown, 'middle'),
    ...(middle.parsed.caaCritical ? [caaMark('caa-critical')] : []),
  ];
}

function innerMarks({ inner }: Examination): Mark[] {
  const head = inner?.parsed;
  if (inner === undefined || head === undefined) return [];
  const endsWithLf = inner.text.at(-1) === LF;
  const hasProto = head.unknown.some(({ keyword }) => keyword === 'proto');
  return [
    {
      mark: 'end of the inner layer',
      seen: endsWithLf ? 'with LF' : 'without LF',
      speaksFor: endsWithLf ? ['tor', 'arti'] : ['stem'],
    },
    {
      mark: 'flow-control',
      seen: head.flowControl === undefined ? 'none (nor in tor before 0.4.7)' : 'there',
      speaksFor: head.flowControl === undefined ? ['arti', 'stem'] : ['tor'],
    },
    ...(hasProto ? [{ mark: 'proto', seen: 'there', speaksFor: ['arti'] } as const] : []),
    ...(head.singleOnionService
      ? [{ mark: 'single-onion-service', seen: 'there', speaksFor: ['tor'] } as const]
      : []),
    ...(head.powParams === undefined
      ? []
      : [{ mark: 'pow-params', seen: 'there', speaksFor: ['tor', 'arti'] } as const]),
    ...unknownMarks(
      head.unknown.filter(({ keyword }) => keyword !== 'proto'),
      'inner',
    ),
    ...(head.caa.length === 0 ? [] : [caaMark('caa')]),
  ];
}

function pointMarks(outer: OuterLayer, { points }: Examination): Mark[] {
  const [first] = points;
  if (first === undefined) return [];
  const keys = points.map(({ point }) => Buffer.from(point.onionKey));
  const isSorted = keys.every((key, at) => at === 0 || Buffer.compare(keys[at - 1] ?? key, key) <= 0);
  const hours = new Set(
    points.flatMap(({ point }) => [point.authCert, point.encCert]).map(({ expiryHours }) => expiryHours),
  );
  const beyond = outer.cert.expiryHours - first.point.authCert.expiryHours;
  const isOne = hours.size === 1 && (beyond === 0 || beyond === 1);
  const authCertified = points.some(({ point }) => equalBytes(point.encCert.certifiedKey, point.authKey));
  const hasLegacy = points.some(({ point }) => point.legacy !== undefined);
  return [
    {
      mark: 'order of the points',
      seen: isSorted ? `the ${keys.length} by their onion-key` : 'not by their onion-key',
      speaksFor: isSorted ? (keys.length < TELLING_ORDER ? ALL : ['arti']) : ['tor', 'stem'],
    },
    {
      mark: 'expiry of the points',
      seen: isOne
        ? `${beyond} h before that of the signing key`
        : 'neither one hour for all nor that of the signing key',
      speaksFor: isOne ? (beyond === 0 ? ['arti', 'stem'] : ['tor', 'stem']) : ['stem'],
    },
    ...addressOrderMark(points.map(({ point }) => point.linkSpecifiers)),
    ...(authCertified
      ? [
          {
            mark: 'enc-key-cert',
            seen: 'certifies the auth-key, a fault of stem',
            speaksFor: ['stem'],
          } as const,
        ]
      : []),
    ...(hasLegacy ? [{ mark: 'legacy-key', seen: 'there', speaksFor: ['tor'] } as const] : []),
  ];
}

/** tor writes an IPv6 address behind the identities, Arti before them; Onionbalance copies. */
function addressOrderMark(blocks: readonly Uint8Array[]): Mark[] {
  const types = blocks.map(block => parseLinkSpecifiers(block).map(({ type }) => type));
  const withIpv6 = types.find(each => each.includes(LINK_SPECIFIER.ipv6));
  if (withIpv6 === undefined) return [];
  const isBefore = withIpv6.indexOf(LINK_SPECIFIER.ipv6) < withIpv6.indexOf(LINK_SPECIFIER.rsaId);
  return [
    {
      mark: 'IPv6 addresses',
      seen: isBefore ? 'before the identities' : 'behind the identities',
      speaksFor: isBefore ? ['arti'] : ['tor', 'stem'],
    },
  ];
}

function unknownMarks(unknown: readonly NetdocItem[], layer: string): Mark[] {
  return unknown.length === 0
    ? []
    : [{ mark: `lines of the ${layer} layer`, seen: 'some that none of them writes', speaksFor: [] }];
}

/** RFC 9799: onion-signer writes these where its policy says so, the three do not. */
function caaMark(mark: string): Mark {
  return { mark, seen: 'there; onion-signer writes it where policy says so', speaksFor: [] };
}

function only(software: Software, isIts: boolean): Software[] {
  return isIts ? [software] : [];
}
