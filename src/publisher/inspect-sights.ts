import {
  encodeBase64Unpadded,
  type Examination,
  type ExaminedPoint,
  type ExaminedText,
  type NetdocItem,
  type OuterLayer,
  parseLinkSpecifiers,
  toHex,
} from '../descriptor/index.ts';
import {
  type ClientSight,
  type HsDirSight,
  iso,
  type PointSight,
  type ReadableSight,
  shown,
} from './inspect-report.ts';

export const HOUR = 3600;
/** Salt and MAC around an encrypted layer. */
export const LAYER_OVERHEAD = 16 + 32;
const PADDING = 10_000;
const MAX_READABLE_LINES = 40;
const MAX_LINE = 120;

/** What any HSDir sees. */
export function hsdirSight(text: Uint8Array, outer: OuterLayer): HsDirSight {
  const plaintext = outer.superencrypted.length - LAYER_OVERHEAD;
  return {
    bytes: text.length,
    kpHsBlindId: encodeBase64Unpadded(outer.cert.signingKey),
    kpHsDescSign: encodeBase64Unpadded(outer.cert.certifiedKey),
    revisionCounter: outer.revisionCounter.toString(),
    lifetimeMinutes: outer.lifetimeMinutes,
    certExpires: iso(outer.cert.expiryHours * HOUR),
    superencryptedBytes: outer.superencrypted.length,
    paddedLikeTor: plaintext > 0 && plaintext % PADDING === 0,
    unknownLines: outer.unknown.length,
  };
}

/** What a client sees; undefined when the middle layer did not open. */
export function clientSight({ middle, inner, points, access, faults }: Examination): ClientSight | undefined {
  if (middle === undefined) return undefined;
  const { parsed } = middle;
  const head = inner?.parsed;
  const bad = new Set(faults.flatMap(({ point }) => (point === undefined ? [] : [point])));
  const { flowControl, powParams } = head ?? {};
  const authType = middle.items.find(({ keyword }) => keyword === 'desc-auth-type')?.args[0];
  return {
    ...(authType === undefined ? {} : { authType: shown(authType, MAX_LINE) }),
    authClientLines: middle.items.filter(({ keyword }) => keyword === 'auth-client').length,
    caaCritical: parsed?.caaCritical ?? false,
    restricted: access === 'closed' || access === 'client',
    opened: access === 'open' ? 'address' : access === 'client' ? 'client key' : 'no',
    points: points.map(each => pointSight(each, bad.has(each.index))),
    ...(flowControl === undefined ? {} : { flowControl }),
    ...(powParams === undefined
      ? {}
      : { pow: { suggestedEffort: powParams.suggestedEffort, expires: iso(powParams.expires) } }),
    singleOnionService: head?.singleOnionService ?? false,
    caa: (head?.caa ?? []).map(({ flags, tag, value }) => ({
      flags,
      tag: shown(tag, MAX_LINE),
      value: shown(value, MAX_LINE),
    })),
    unknownLines: (parsed?.unknown.length ?? 0) + (head?.unknown.length ?? 0),
  };
}

function pointSight({ index, point }: ExaminedPoint, dropped: boolean): PointSight {
  return {
    place: index + 1,
    link: parseLinkSpecifiers(point.linkSpecifiers).map(({ type, data }) => formatLink(type, data)),
    onionKey: encodeBase64Unpadded(point.onionKey),
    authKey: encodeBase64Unpadded(point.authKey),
    encKey: encodeBase64Unpadded(point.encKey),
    authCertExpires: iso(point.authCert.expiryHours * HOUR),
    encCertExpires: iso(point.encCert.expiryHours * HOUR),
    legacy: point.legacy !== undefined,
    dropped,
  };
}

function formatLink(type: number, data: Uint8Array): string {
  const port = (at: number): number => ((data[at] ?? 0) << 8) | (data[at + 1] ?? 0);
  if (type === 0) return `${[...data.subarray(0, 4)].join('.')}:${port(4)}`;
  if (type === 1) {
    const groups = toHex(data.subarray(0, 16)).match(/.{4}/gu) ?? [];
    return `[${groups.join(':')}]:${port(16)}`;
  }
  if (type === 2) return `$${toHex(data).toUpperCase()}`;
  return type === 3 ? `ed25519:${encodeBase64Unpadded(data)}` : `type ${type}, ${data.length} bytes`;
}

/** What could be read of each layer that is not well-formed. */
export function readableSights({ outer, middle, inner }: Examination): ReadableSight[] {
  return [
    ...readable('outer', outer),
    ...(middle === undefined ? [] : readable('middle', middle)),
    ...(inner === undefined ? [] : readable('inner', inner)),
  ];
}

function readable(layer: ReadableSight['layer'], { items, parsed }: ExaminedText<unknown>): ReadableSight[] {
  if (parsed !== undefined || items.length === 0) return [];
  const lines = items.slice(0, MAX_READABLE_LINES).map(describeItem);
  return [{ layer, lines, more: Math.max(0, items.length - lines.length) }];
}

function describeItem({ line, keyword, rest, object }: NetdocItem): string {
  const text = rest === '' ? keyword : `${keyword} ${rest}`;
  const after = object === undefined ? '' : ` [${shown(object.label, 20)}, ${object.bytes.length} bytes]`;
  return `${line}: ${shown(text, MAX_LINE)}${after}`;
}
