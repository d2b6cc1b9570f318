import type { CaaRecord, Examination, NetdocItem } from '../descriptor/index.ts';
import { type Remark, type RemarkCode, shown } from './inspect-report.ts';
import type { Made } from './inspect-times.ts';

/** Tags of the IANA registry "Certification Authority Restriction Properties". */
const CAA_TAGS = new Set([
  'issue',
  'issuewild',
  'issuemail',
  'issuevmc',
  'iodef',
  'contactemail',
  'contactphone',
]);
const CAA_CRITICAL = 128;
const MAX_NAMES = 5;
const MAX_NAME = 40;
/** Certificate and counter of one making lie at most the rounding of both apart. */
const USUAL_GAP = 3600;

/** What is worth knowing beside the faults. */
export function remarksOf(
  examined: Examination,
  made: Made,
  { clientKey, now }: { readonly clientKey?: Uint8Array | undefined; readonly now: number },
): Remark[] {
  const { access, inner, middle, outer } = examined;
  const copyEnds =
    (made.both ?? made.byCounter ?? made.byCertificate).to + (outer.parsed?.lifetimeMinutes ?? 0) * 60;
  return [
    ...when(
      access === 'closed' && clientKey === undefined,
      'RESTRICTED',
      () => 'restricted discovery: the points need the key of a client (--client-key)',
    ),
    ...when(
      access === 'open' && clientKey !== undefined,
      'CLIENT_KEY_NOT_NEEDED',
      () => 'the service is not restricted: the client key was not needed',
    ),
    ...(inner?.parsed?.caa ?? []).flatMap(caaRemarks),
    ...unknownRemarks('outer', outer.parsed?.unknown),
    ...unknownRemarks('middle', middle?.parsed?.unknown),
    ...unknownRemarks('inner', inner?.parsed?.unknown),
    ...when(
      isApart(made),
      'TIMES_DIFFER',
      () =>
        'certificate and counter name different times: its counter is not of its time, as with other software',
    ),
    ...when(copyEnds < now, 'COPY_OLD', () => 'HSDirs that got it when it was made have dropped it by now'),
  ];
}

function when(holds: boolean, code: RemarkCode, message: () => string): Remark[] {
  return holds ? [{ code, message: message() }] : [];
}

function caaRemarks({ flags, tag }: CaaRecord): Remark[] {
  if (CAA_TAGS.has(tag.toLowerCase())) return [];
  const isCritical = (flags & CAA_CRITICAL) !== 0;
  const name = shown(tag, MAX_NAME);
  return isCritical
    ? [
        {
          code: 'CAA_UNKNOWN_CRITICAL',
          message: `no CAA tag is called ${name}; being critical it forbids all certificates`,
        },
      ]
    : [
        {
          code: 'CAA_UNKNOWN_TAG',
          message: `no CAA tag is called ${name}; certificate authorities pass over it`,
        },
      ];
}

function unknownRemarks(layer: string, unknown: readonly NetdocItem[] | undefined): Remark[] {
  if (unknown === undefined || unknown.length === 0) return [];
  const names = unknown.slice(0, MAX_NAMES).map(({ keyword }) => shown(keyword, MAX_NAME));
  const more = unknown.length > MAX_NAMES ? ` and ${unknown.length - MAX_NAMES} more` : '';
  return [
    {
      code: 'UNKNOWN_LINES',
      message: `lines of the ${layer} layer that are not known: ${names.join(', ')}${more}`,
    },
  ];
}

function isApart({ byCertificate, byCounter }: Made): boolean {
  if (byCounter === undefined) return false;
  return byCounter.from > byCertificate.to + USUAL_GAP || byCounter.to < byCertificate.from - USUAL_GAP;
}
