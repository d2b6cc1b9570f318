import {
  counterTimeInterval,
  DescriptorError,
  encodeBase64Unpadded,
  type NetworkProfile,
  openDescriptor,
  type OpenedDescriptor,
  openWithBlindedKey,
  type OuterLayer,
  parseDescriptor,
  parseLinkSpecifiers,
  parseOnionAddress,
  type ParsedIntroductionPoint,
  publishablePeriods,
  testNetwork,
  type TimePeriod,
  timePeriod,
  toHex,
  TOR_NETWORK,
} from '../descriptor/index.ts';

export type InspectOptions = {
  /** Onion address; with it the layers are opened as a client would. */
  readonly address?: string | undefined;
  /** Voting interval of a test network in seconds; the public network's unless given. */
  readonly votingInterval?: number | undefined;
  /** Unix seconds. */
  readonly now: number;
};

/** Something wrong with the text: a code of the descriptor library, where, and what was expected. */
export type Finding = {
  readonly code: string;
  readonly line?: number;
  readonly offset?: number;
  readonly message: string;
};

/** What any HSDir sees. Keys in base64, times in ISO 8601. */
export type HsDirSight = {
  readonly bytes: number;
  readonly kpHsBlindId: string;
  readonly kpHsDescSign: string;
  readonly revisionCounter: string;
  readonly lifetimeMinutes: number;
  readonly certExpires: string;
  readonly superencryptedBytes: number;
  /** Whether the padding is stock tor's: a multiple of 10,000 bytes. */
  readonly paddedLikeTor: boolean;
  readonly unknownLines: number;
};

export type PointSight = {
  readonly link: readonly string[];
  readonly onionKey: string;
  readonly authKey: string;
  readonly encKey: string;
  readonly authCertExpires: string;
  readonly encCertExpires: string;
  readonly legacy: boolean;
};

/** What a client that knows the address sees besides. */
export type ClientSight = {
  readonly period: TimePeriod;
  /** When it was made, by its revision counter as stock tor counts. */
  readonly made?: { readonly from: string; readonly to: string };
  readonly authClientLines: number;
  readonly caaCritical: boolean;
  /** The inner layer does not open without a client's key. */
  readonly restricted: boolean;
  readonly points: readonly PointSight[];
  readonly flowControl?: { readonly versions: string; readonly sendmeInc: number };
  readonly pow?: { readonly suggestedEffort: number; readonly expires: string };
  readonly singleOnionService: boolean;
  readonly caaRecords: number;
  readonly unknownLines: number;
};

export type InspectReport = {
  readonly hsdir?: HsDirSight;
  readonly client?: ClientSight;
  /** Empty when nothing is wrong. */
  readonly findings: readonly Finding[];
  /** 0 well, 1 readable but wrong, 2 not readable. */
  readonly exitCode: 0 | 1 | 2;
};

const PADDING = 10_000;
/** Salt and MAC around an encrypted layer. */
const LAYER_OVERHEAD = 16 + 32;
const HOUR = 3600;
const DAY = 24 * HOUR;
const STOCK_CERT_HOURS = 54;
const SEARCH_DAYS = 90;
const MAX_CANDIDATES = 1_000;

/** Decodes any v3 descriptor. Never throws for what stands in it: faults are findings. */
export function inspectDescriptor(text: Uint8Array, options: InspectOptions): InspectReport {
  let outer: OuterLayer;
  try {
    outer = parseDescriptor(text);
  } catch (thrown) {
    return { findings: [findingOf(thrown)], exitCode: 2 };
  }
  const findings: Finding[] = [];
  const hsdir = hsdirSight(text, outer);
  attempt(findings, () => openWithBlindedKey(text));
  if (outer.cert.expiryHours * HOUR <= options.now) {
    findings.push({ code: 'CERT_EXPIRED', message: 'the certificate of the signing key has expired' });
  }
  const client = options.address === undefined ? undefined : clientSight(text, outer, options, findings);
  const sights = client === undefined ? { hsdir } : { hsdir, client };
  return { ...sights, findings, exitCode: findings.length === 0 ? 0 : 1 };
}

function hsdirSight(text: Uint8Array, outer: OuterLayer): HsDirSight {
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

function clientSight(
  text: Uint8Array,
  outer: OuterLayer,
  { address = '', votingInterval, now }: InspectOptions,
  findings: Finding[],
): ClientSight | undefined {
  return attempt(findings, () => {
    const kpHsId = parseOnionAddress(address);
    const profile = votingInterval === undefined ? TOR_NETWORK : testNetwork('inspected', votingInterval);
    const periods = candidatePeriods(profile, outer.cert.expiryHours, now);
    const opened = openDescriptor(text, { kpHsId, periods, strictCerts: false });
    for (const { index, code } of opened.dropped) {
      findings.push({
        code,
        message: `a certificate of introduction point ${index + 1} is bad; clients skip the point`,
      });
    }
    return describeOpened(opened, profile, findings);
  });
}

function describeOpened(opened: OpenedDescriptor, profile: NetworkProfile, findings: Finding[]): ClientSight {
  const { inner, middle, outer, period } = opened;
  const made = attempt(findings, () => counterTimeInterval(profile, period, outer.revisionCounter));
  return {
    period,
    ...(made === undefined ? {} : { made: { from: iso(made.from), to: iso(made.to) } }),
    authClientLines: middle.authClients.length,
    caaCritical: middle.caaCritical,
    restricted: inner === undefined,
    points: (inner?.introductionPoints ?? []).map(describePoint),
    ...(inner?.flowControl === undefined ? {} : { flowControl: inner.flowControl }),
    ...(inner?.powParams === undefined
      ? {}
      : { pow: { suggestedEffort: inner.powParams.suggestedEffort, expires: iso(inner.powParams.expires) } }),
    singleOnionService: inner?.singleOnionService ?? false,
    caaRecords: inner?.caa.length ?? 0,
    unknownLines: middle.unknown.length + (inner?.unknown.length ?? 0),
  };
}

function describePoint(point: ParsedIntroductionPoint): PointSight {
  return {
    link: parseLinkSpecifiers(point.linkSpecifiers).map(({ type, data }) => formatLink(type, data)),
    onionKey: encodeBase64Unpadded(point.onionKey),
    authKey: encodeBase64Unpadded(point.authKey),
    encKey: encodeBase64Unpadded(point.encKey),
    authCertExpires: iso(point.authCert.expiryHours * HOUR),
    encCertExpires: iso(point.encCert.expiryHours * HOUR),
    legacy: point.legacy !== undefined,
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

/**
 * Periods that a certificate with this expiry can be of: stock tor's lies 54 hours after the upload, others' may lie
 * further. Nearest first, with those of now.
 */
function candidatePeriods(profile: NetworkProfile, expiryHours: number, now: number): TimePeriod[] {
  const numbers = new Set<number>();
  const add = (at: number): void => {
    for (const { periodNum } of publishablePeriods(profile, Math.max(at, 2 * DAY))) numbers.add(periodNum);
  };
  const made = expiryHours * HOUR - STOCK_CERT_HOURS * HOUR;
  const length = profile.periodLengthMinutes * 60;
  add(made);
  add(now);
  for (let step = length; step <= SEARCH_DAYS * DAY && numbers.size < MAX_CANDIDATES; step += length) {
    add(made - step);
    add(made + step);
    add(now - step);
  }
  return [...numbers].map(periodNum => timePeriod(profile, periodNum));
}

function attempt<T>(findings: Finding[], work: () => T): T | undefined {
  try {
    return work();
  } catch (thrown) {
    const finding = findingOf(thrown);
    const known = findings.some(({ code, message }) => code === finding.code && message === finding.message);
    if (!known) findings.push(finding);
    return undefined;
  }
}

function findingOf(thrown: unknown): Finding {
  if (!(thrown instanceof DescriptorError)) throw thrown;
  const { code, line, offset, message } = thrown;
  return {
    code,
    ...(line === undefined ? {} : { line }),
    ...(offset === undefined ? {} : { offset }),
    message,
  };
}

function iso(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? 'out of range' : `${date.toISOString().slice(0, 19)}Z`;
}
