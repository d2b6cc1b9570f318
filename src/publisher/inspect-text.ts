import type { ClientSight, HsDirSight, InspectReport, PointSight } from './inspect.ts';

/** Text from a file as it may be shown: anything but printable ASCII is escaped. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, character => `\\u{${character.codePointAt(0)?.toString(16) ?? '?'}}`);
}

/** The report as text for people. Only decoded values stand in it, nothing of the input as it was. */
export function formatInspection({ hsdir, client, findings }: InspectReport): string {
  const lines = [
    ...(hsdir === undefined ? [] : formatHsDir(hsdir)),
    ...(client === undefined ? [] : formatClient(client)),
  ];
  for (const { code, line, offset, message } of findings) {
    const place =
      line === undefined ? (offset === undefined ? '' : ` at byte ${offset}`) : ` at line ${line}`;
    lines.push(`FAULT ${code}${place}: ${printable(message)}`);
  }
  if (findings.length === 0) lines.push('no fault found');
  return `${lines.join('\n')}\n`;
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

function formatClient(sight: ClientSight): string[] {
  const { period, made } = sight;
  const time = made === undefined ? 'unknown' : `${made.from} to ${made.to}`;
  return [
    'what a client sees',
    `  time period        ${period.periodNum} of ${period.lengthMinutes} min; by its counter made ${time}`,
    `  client lines       ${sight.authClientLines}${sight.caaCritical ? ', caa-critical' : ''}`,
    ...(sight.restricted
      ? ['  restricted discovery: the rest needs the key of a client']
      : formatInner(sight)),
    ...unknownLines(sight.unknownLines),
  ];
}

function formatInner(sight: ClientSight): string[] {
  const { flowControl, pow } = sight;
  return [
    `  flow control       ${flowControl === undefined ? 'none' : `${printable(flowControl.versions)}, sendme ${flowControl.sendmeInc}`}`,
    `  proof of work      ${pow === undefined ? 'none' : `effort ${pow.suggestedEffort}, until ${pow.expires}`}`,
    `  single onion       ${sight.singleOnionService ? 'yes' : 'no'}`,
    `  CAA records        ${sight.caaRecords}`,
    `  introduction points ${sight.points.length}`,
    ...sight.points.flatMap(formatPoint),
  ];
}

function formatPoint(point: PointSight, place: number): string[] {
  return [
    `  ${String(place + 1).padStart(2)} ${point.link.join(' ')}${point.legacy ? ' (legacy keys)' : ''}`,
    `     onion-key ${point.onionKey}`,
    `     auth-key  ${point.authKey}, certified until ${point.authCertExpires}`,
    `     enc-key   ${point.encKey}, certified until ${point.encCertExpires}`,
  ];
}

function unknownLines(count: number): string[] {
  return count === 0 ? [] : [`  unknown lines      ${count}`];
}
