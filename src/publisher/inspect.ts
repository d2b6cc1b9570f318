import {
  deriveKpHsBlindId,
  DescriptorError,
  equalBytes,
  type ExaminedFault,
  type Examination,
  examineDescriptor,
  type KpHsId,
  type NetworkProfile,
  type OuterLayer,
  parseOnionAddress,
} from '../descriptor/index.ts';
import { adviceFor, type DiagnosisReason, isInCertificate, placeOf, reasonOf } from './inspect-diagnosis.ts';
import { originOf } from './inspect-origin.ts';
import { remarksOf } from './inspect-remarks.ts';
import type { Finding, FindingCode, InspectReport, PeriodSight } from './inspect-report.ts';
import { clientSight, hsdirSight, readableSights } from './inspect-sights.ts';
import {
  candidatePeriods,
  expirySights,
  type Made,
  madeOf,
  madeSight,
  nearPeriods,
  otherProfiles,
  periodSight,
  profileOf,
} from './inspect-times.ts';

export type InspectOptions = {
  /** Onion address; with it the layers are opened as a client would. */
  readonly address?: string | undefined;
  /** Voting interval of a test network in seconds; the public network's unless given. */
  readonly votingInterval?: number | undefined;
  /** Private key of a client (32 bytes, secret, left as it is), to open a restricted descriptor. */
  readonly clientKey?: Uint8Array | undefined;
  /** Unix seconds. */
  readonly now: number;
  /** The moment whose two periods count as published: valid-after of a consensus; `now` unless given. */
  readonly publishedAt?: number | undefined;
};

/** Decodes any v3 descriptor. Never throws for what stands in it: faults are findings. */
export function inspectDescriptor(text: Uint8Array, options: InspectOptions): InspectReport {
  const findings: Finding[] = [];
  const kpHsId = attempt(findings, 'BAD_ADDRESS', () => addressOf(options.address));
  const profile = attempt(findings, 'BAD_VALUE', () => profileOf(options.votingInterval));
  const isAsked = findings.length === 0;
  const examined = examine(text, kpHsId, profile ?? profileOf(undefined), options);
  findings.push(...mergeFaults(examined).map(fault => findingOf(fault, examined)));
  const { parsed } = examined.outer;
  if (parsed === undefined) {
    return { format: 1, readable: readableSights(examined), findings, remarks: [], exitCode: 2 };
  }
  const network = profile ?? profileOf(undefined);
  const report = describe(text, parsed, examined, { options, network, findings, kpHsId });
  const exitCode = isAsked ? (findings.length === 0 ? 0 : 1) : 2;
  return { ...report, exitCode };
}

/** The report about an address that is none; undefined for one that is. */
export function inspectBadAddress(address: string): InspectReport | undefined {
  const findings: Finding[] = [];
  attempt(findings, 'BAD_ADDRESS', () => addressOf(address));
  return findings.length === 0 ? undefined : { format: 1, findings, remarks: [], exitCode: 2 };
}

function addressOf(address: string | undefined): KpHsId | undefined {
  return address === undefined ? undefined : parseOnionAddress(address);
}

function examine(
  text: Uint8Array,
  kpHsId: KpHsId | undefined,
  profile: NetworkProfile,
  { now, clientKey }: InspectOptions,
): Examination {
  const bare = examineDescriptor(text, { nowSeconds: now });
  const { parsed } = bare.outer;
  if (kpHsId === undefined || parsed === undefined) return bare;
  const periods = candidatePeriods(profile, parsed.cert.expiryHours, now);
  return examineDescriptor(text, { kpHsId, periods, nowSeconds: now, clientKey });
}

type Inspection = {
  readonly options: InspectOptions;
  readonly network: NetworkProfile;
  readonly findings: Finding[];
  readonly kpHsId: KpHsId | undefined;
};

function describe(
  text: Uint8Array,
  outer: OuterLayer,
  examined: Examination,
  { options, network, findings, kpHsId }: Inspection,
): InspectReport {
  const { now } = options;
  const { period } = examined;
  const client = clientSight(examined);
  const made = madeOf(outer, network, period);
  const readable = readableSights(examined);
  const sight = period === undefined ? undefined : periodSight(network, period, options.publishedAt ?? now);
  const guess = guessNetwork(outer, examined, network, kpHsId, now);
  // Better known than that it is of no period of this network.
  if (guess !== undefined)
    findings.splice(
      findings.findIndex(({ part }) => part === 'period'),
      1,
      guess,
    );
  findings.push(...timeFindings(made, sight));
  if (client !== undefined && client.opened !== 'no' && client.points.every(({ dropped }) => dropped)) {
    findings.push(make('POINT_COUNT', 'no introduction point is left that clients use', 'NO_POINTS'));
  }
  return {
    format: 1,
    hsdir: hsdirSight(text, outer),
    ...(client === undefined ? {} : { client }),
    ...(sight === undefined ? {} : { period: sight }),
    made: madeSight(made),
    expires: expirySights(examined, outer, made, now),
    origin: originOf(text, outer, examined, made),
    ...(readable.length === 0 ? {} : { readable }),
    findings,
    remarks: remarksOf(examined, made, options),
    exitCode: 0,
  };
}

/** A middle layer that does not open follows from an address that is another one: one finding for both. */
function mergeFaults({ faults, middle }: Examination): readonly ExaminedFault[] {
  const isOther = middle === undefined && faults.some(({ part }) => part === 'period');
  return isOther
    ? faults.filter(({ layer, part }) => !(layer === 'middle' && part === 'encryption'))
    : faults;
}

function findingOf(fault: ExaminedFault, examined: Examination): Finding {
  const { layer, part, point, error } = fault;
  const isOfText = part === 'text' || part === 'point';
  const reason = reasonOf(fault, examined);
  return {
    code: error.code,
    layer,
    part: part === 'text' && isInCertificate(error) ? 'certificate' : part,
    ...(point === undefined ? {} : { point: point + 1 }),
    ...placeOf(fault, isOfText ? examined[layer]?.text : undefined),
    message: error.message,
    reason,
    advice: adviceFor(reason),
  };
}

/** For an address that opens the layers but is of no period here: the network whose period fits, if there is one. */
function guessNetwork(
  { cert }: OuterLayer,
  { period, middle }: Examination,
  network: NetworkProfile,
  kpHsId: KpHsId | undefined,
  now: number,
): Finding | undefined {
  if (kpHsId === undefined || period !== undefined || middle === undefined) return undefined;
  for (const other of otherProfiles(network)) {
    const fits = nearPeriods(other, cert.expiryHours, now).find(each =>
      equalBytes(deriveKpHsBlindId(kpHsId, each), cert.signingKey),
    );
    if (fits === undefined) continue;
    const message = `it is of period ${fits.periodNum} of the network with --voting-interval ${other.votingIntervalSeconds}`;
    return make('WRONG_PERIOD', message, 'OTHER_NETWORK');
  }
  return undefined;
}

function timeFindings({ counterFault }: Made, sight: PeriodSight | undefined): Finding[] {
  return [
    ...(counterFault === undefined ? [] : [make(counterFault.code, counterFault.message, 'OTHER_COUNTER')]),
    ...(sight?.role === 'over'
      ? [
          make(
            'PERIOD_OVER',
            `period ${sight.periodNum} was published until ${sight.published.to}`,
            'PERIOD_OVER',
          ),
        ]
      : []),
    ...(sight?.role === 'ahead'
      ? [
          make(
            'PERIOD_AHEAD',
            `period ${sight.periodNum} is published from ${sight.published.from}`,
            'PERIOD_AHEAD',
          ),
        ]
      : []),
  ];
}

/** A finding of ours about the whole. */
export function make(code: FindingCode, message: string, reason: DiagnosisReason): Finding {
  return { code, message, reason, advice: adviceFor(reason) };
}

function attempt<T>(findings: Finding[], reason: DiagnosisReason, work: () => T): T | undefined {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof DescriptorError)) throw thrown;
    findings.push(make(thrown.code, thrown.message, reason));
    return undefined;
  }
}
