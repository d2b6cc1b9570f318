import type { Mark, Origin, Software } from './inspect-origin.ts';
import {
  type ClientSight,
  type ExpirySight,
  type Finding,
  type HsDirSight,
  type InspectReport,
  type MadeSight,
  type NetworkSight,
  type PeriodSight,
  type PointSight,
  printable,
  type Span,
} from './inspect-report.ts';

const NAMES: Readonly<Record<Software | 'unknown', string>> = {
  tor: 'stock tor (onion-signer writes the same, on purpose)',
  arti: 'Arti',
  stem: 'stem or Onionbalance',
  unknown: 'no software that is known here',
};

const ROLES: Readonly<Record<PeriodSight['role'], string>> = {
  first: 'published now, as the first descriptor: on the ring of the older period',
  second: 'published now, as the second descriptor: on the ring of the newer period',
  over: 'no longer published',
  ahead: 'not published yet',
};

/** The report as text for people. Only decoded values stand in it; what is foreign is escaped and cut. */
export function formatInspection(report: InspectReport): string {
  const { network, hsdir, client, period, made, expires, origin, readable = [], findings, remarks } = report;
  const lines = [
    ...(network === undefined ? [] : formatNetwork(network)),
    ...(hsdir === undefined ? [] : formatHsDir(hsdir)),
    ...(period === undefined ? [] : formatPeriod(period)),
    ...(made === undefined ? [] : formatMade(made)),
    ...(expires === undefined ? [] : formatExpiries(expires)),
    ...(client === undefined ? [] : formatClient(client)),
    ...(origin === undefined ? [] : formatOrigin(origin)),
    ...readable.flatMap(({ layer, lines: read, more }) => [
      `what could be read of the ${layer} layer`,
      ...read.map(line => `  ${line}`),
      ...(more === 0 ? [] : [`  and ${more} lines more`]),
    ]),
    ...findings.flatMap(formatFinding),
    ...remarks.map(({ code, message }) => `REMARK ${code}: ${message}`),
    ...(findings.length === 0 ? ['no fault found'] : []),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

/** The report as JSON that a terminal can show too: all but printable ASCII is escaped. */
export function formatInspectionJson(report: InspectReport): string {
  const json = JSON.stringify(report, undefined, 2);
  return `${json.replace(/[^\x20-\x7e\n]/gu, escapeUnits)}\n`;
}

function escapeUnits(character: string): string {
  return [...Array(character.length).keys()]
    .map(at => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');
}

function formatNetwork({
  address,
  validAfter,
  periodNum,
  all,
  agree,
  hsdirs,
  shown,
}: NetworkSight): string[] {
  const served = hsdirs.filter(({ result }) => result === 'served').length;
  const verdict = served === 0 ? 'none serves it' : agree ? 'all that serve it agree' : 'THEY DIFFER';
  return [
    `${address}, period ${periodNum}, consensus of ${validAfter}`,
    `  ${all ? 'all responsible HSDirs' : 'HSDirs asked until one served'}: ${served} of ${hsdirs.length} serve it${all ? `, ${verdict}` : ''}`,
    ...hsdirs.map(({ fingerprint, askedByClients, code, bytes, revisionCounter, digest }) => {
      const who = askedByClients ? '' : ' (clients do not ask it)';
      if (digest === undefined) return `  ${fingerprint} ${code ?? 'FAILED'}${who}`;
      const isShown = digest === shown ? ', shown below' : '';
      return `  ${fingerprint} counter ${revisionCounter ?? '?'}, ${bytes} bytes, ${digest.slice(0, 16)}${isShown}${who}`;
    }),
  ];
}

function formatHsDir(sight: HsDirSight): string[] {
  return [
    'what an HSDir sees',
    `  size               ${sight.bytes} bytes, ${sight.superencryptedBytes} of them encrypted, ` +
      (sight.paddedLikeTor ? 'padded as stock tor does' : 'NOT padded as stock tor does'),
    `  blinded key        ${sight.kpHsBlindId}`,
    `  signing key        ${sight.kpHsDescSign}, certified until ${sight.certExpires}`,
    `  revision counter   ${sight.revisionCounter}`,
    `  lifetime           ${sight.lifetimeMinutes} min`,
    ...unknownLines(sight.unknownLines),
  ];
}

function formatPeriod({ periodNum, lengthMinutes, published, role, askedFor }: PeriodSight): string[] {
  return [
    'where it belongs',
    `  time period        ${periodNum} of ${lengthMinutes} min, published ${formatSpan(published)}`,
    `  now                ${ROLES[role]}${askedFor ? '; clients ask for it' : '; clients do not ask for it'}`,
  ];
}

function formatMade({ byCertificate, byCounter, both }: MadeSight): string[] {
  return [
    'when it was made, if by the habits of stock tor',
    `  by certificate     ${formatSpan(byCertificate)}`,
    ...(byCounter === undefined ? [] : [`  by counter         ${formatSpan(byCounter)}`]),
    ...(both === undefined ? [] : [`  by both            ${formatSpan(both)}`]),
  ];
}

/** Certificates of one kind and hour share a line. */
function formatExpiries(expiries: readonly ExpirySight[]): string[] {
  const grouped = new Map<string, { sight: ExpirySight; points: number[] }>();
  for (const sight of expiries) {
    const key = `${sight.what} ${sight.to}`;
    const group = grouped.get(key) ?? { sight, points: [] };
    grouped.set(key, group);
    if (sight.point !== undefined) group.points.push(sight.point);
  }
  return [
    'what ends when',
    ...[...grouped.values()].map(({ sight: { what, from, to, expired }, points }) => {
      const of = points.length === 0 ? '' : ` of point ${points.join(', ')}`;
      const time = from === undefined ? to : `between ${from} and ${to}`;
      return `  ${what.padEnd(18)} ${time}${of}${expired ? ', OVER' : ''}`;
    }),
  ];
}

function formatClient(sight: ClientSight): string[] {
  const { opened, restricted, authType = 'unknown' } = sight;
  return [
    'what a client sees',
    `  client lines       ${sight.authClientLines}, authorization ${authType}${sight.caaCritical ? ', caa-critical' : ''}`,
    ...(restricted && opened === 'no'
      ? ['  restricted discovery: the rest needs the key of a client']
      : formatInner(sight)),
    ...unknownLines(sight.unknownLines),
  ];
}

function formatInner(sight: ClientSight): string[] {
  const { flowControl, pow } = sight;
  return [
    ...(sight.opened === 'client key' ? ['  restricted discovery: opened with the client key'] : []),
    `  flow control       ${flowControl === undefined ? 'none' : `${flowControl.versions}, sendme ${flowControl.sendmeInc}`}`,
    `  proof of work      ${pow === undefined ? 'none' : `effort ${pow.suggestedEffort}, until ${pow.expires}`}`,
    `  single onion       ${sight.singleOnionService ? 'yes' : 'no'}`,
    `  CAA records        ${sight.caa.length}`,
    ...sight.caa.map(({ flags, tag, value }) => `     ${flags} ${tag} "${value}"`),
    `  introduction points ${sight.points.length}`,
    ...sight.points.flatMap(formatPoint),
  ];
}

function formatPoint(point: PointSight): string[] {
  const { place, link, legacy, dropped } = point;
  return [
    `  ${String(place).padStart(2)} ${link.join(' ')}${legacy ? ' (legacy keys)' : ''}${dropped ? ' DROPPED by clients' : ''}`,
    `     onion-key ${point.onionKey}`,
    `     auth-key  ${point.authKey}, certified until ${point.authCertExpires}`,
    `     enc-key   ${point.encKey}, certified until ${point.encCertExpires}`,
  ];
}

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function formatOrigin({ looksLike, confidence, marks }: Origin): string[] {
  const speaks = ({ speaksFor }: Mark): boolean => looksLike !== 'unknown' && speaksFor.includes(looksLike);
  const against = marks.filter(mark => !speaks(mark)).length;
  return [
    'who made it',
    `  looks like         ${NAMES[looksLike]}`,
    `  confidence         ${confidence}: ${countOf(marks.length - against, 'mark')} for it, ${against} against`,
    ...marks.map(mark => {
      const { speaksFor } = mark;
      const whose = speaksFor.length === 0 ? 'nobody known' : speaksFor.join(', ');
      return `    ${speaks(mark) ? '+' : '-'} ${mark.mark}: ${mark.seen} (${whose})`;
    }),
  ];
}

function formatFinding({
  code,
  layer,
  point,
  part,
  line,
  offset,
  message,
  advice,
  reason,
}: Finding): string[] {
  const places = [
    ...(layer === undefined ? [] : [`${layer} layer`]),
    ...(point === undefined ? [] : [`point ${point}`]),
    ...(part === undefined || part === 'text' || part === 'point' ? [] : [part]),
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(offset === undefined ? [] : [`byte ${offset}`]),
  ];
  const place = places.length === 0 ? '' : ` (${places.join(', ')})`;
  return [`FAULT ${code}${place}: ${message}`, `  ${reason}: ${advice}`];
}

function formatSpan({ from, to }: Span): string {
  return `${from} to ${to}`;
}

function unknownLines(count: number): string[] {
  return count === 0 ? [] : [`  unknown lines      ${count}`];
}
