import { DescriptorError } from './error.ts';

/**
 * What a network fixes for all of its services. Who signs has it from configuration, never from a consensus that an online
 * host relayed, and `periodLengthMinutes`·60 = 24·`votingIntervalSeconds` ({@link checkNetworkProfile}). Who reads and
 * places descriptors may have any length ({@link ringNetwork}). Seconds and minutes are whole.
 */
export interface NetworkProfile {
  readonly name: string;
  readonly votingIntervalSeconds: number;
  readonly periodLengthMinutes: number;
  /** How old a backend's descriptor may be when it is signed for. */
  readonly evidenceMaxAgeSeconds: number;
  /** How far in the future it may seem to lie. */
  readonly evidenceMaxSkewSeconds: number;
}

/** One time period (rend-spec-v3 §2.2.1): it starts at `periodNum`·`lengthMinutes`·60 + `offsetSeconds`, Unix time. */
export interface TimePeriod {
  readonly periodNum: number;
  readonly lengthMinutes: number;
  readonly offsetSeconds: number;
}

/** A span of Unix time in seconds. Each function says which of its ends belong to it. */
export interface TimeInterval {
  readonly from: number;
  readonly to: number;
}

/** Certificates of a descriptor live for 54 hours: the 48 of the publication window and a margin of 6. */
export const CERT_LIFETIME_HOURS = 54;

const HOUR = 3600;
const ROUNDS_PER_PHASE = 12;
const ROUNDS_PER_RUN = 24;
const MAX_PERIOD_NUM = 0xffff_ffff;
const MIN_PERIOD_MINUTES = 4;
const MAX_PERIOD_MINUTES = 14_400;

/** The public Tor network. */
export const TOR_NETWORK: NetworkProfile = Object.freeze({
  name: 'tor',
  votingIntervalSeconds: 3600,
  periodLengthMinutes: 1440,
  evidenceMaxAgeSeconds: 10_800,
  evidenceMaxSkewSeconds: 300,
});

/**
 * A private network with `TestingTorNetwork 1`: its period is one run of the shared random protocol, as tor's code
 * and no specification has it.
 * `votingIntervalSeconds` is a multiple of 5 between 10 and 3600. Throws BAD_PERIOD.
 */
export function testNetwork(name: string, votingIntervalSeconds: number): NetworkProfile {
  if (!Number.isSafeInteger(votingIntervalSeconds)) throw badProfile();
  return checkNetworkProfile({
    ...TOR_NETWORK,
    name,
    votingIntervalSeconds,
    periodLengthMinutes: Math.floor((ROUNDS_PER_RUN * votingIntervalSeconds) / 60),
  });
}

/**
 * A network whose descriptors are read and placed but not signed: its time period (rend-spec-v3 §2.2.1) may have any
 * length from 4 to 14,400 whole minutes, its voting interval is a multiple of 5 between 10 and 3600 seconds. Publication
 * windows and what is counted from them it has not. Throws BAD_PERIOD.
 */
export function ringNetwork(
  name: string,
  votingIntervalSeconds: number,
  periodLengthMinutes: number,
): NetworkProfile {
  const profile = { ...TOR_NETWORK, name, votingIntervalSeconds, periodLengthMinutes };
  const isLengthFit = periodLengthMinutes >= MIN_PERIOD_MINUTES && periodLengthMinutes <= MAX_PERIOD_MINUTES;
  if (isIntervalFit(profile) && Number.isSafeInteger(periodLengthMinutes) && isLengthFit) return profile;
  throw new DescriptorError(
    'BAD_PERIOD',
    'the voting interval must be a multiple of 5 between 10 and 3600 seconds, the time period 4 to 14,400 minutes',
  );
}

/**
 * Returns the profile when one can sign for its network: time periods (rend-spec-v3 §2.2.1) and runs of the shared random
 * protocol have one length, without which no period has one publication window; and its limits, which are ours, are whole
 * and not negative. Throws BAD_PERIOD.
 */
export function checkNetworkProfile(profile: NetworkProfile): NetworkProfile {
  const { evidenceMaxAgeSeconds: age, evidenceMaxSkewSeconds: skew } = profile;
  if (!isIntervalFit(profile) || !hasOneWindow(profile)) throw badProfile();
  if (!Number.isSafeInteger(age) || age < 0 || !Number.isSafeInteger(skew) || skew < 0) throw badProfile();
  return profile;
}

function isIntervalFit({ votingIntervalSeconds: v }: NetworkProfile): boolean {
  return Number.isSafeInteger(v) && v >= 10 && v <= HOUR && v % 5 === 0;
}

function hasOneWindow(profile: NetworkProfile): boolean {
  return profile.periodLengthMinutes * 60 === runLength(profile);
}

function runLength({ votingIntervalSeconds }: NetworkProfile): number {
  return ROUNDS_PER_RUN * votingIntervalSeconds;
}

function badProfile(): DescriptorError {
  return new DescriptorError(
    'BAD_PERIOD',
    'the voting interval must be a multiple of 5 between 10 and 3600 seconds, the time period 24 of them, ' +
      'and the limits of evidence whole seconds',
  );
}

/** The period with number `periodNum`, 0…2^32−1 (rend-spec-v3 §2.2.1). Throws BAD_PERIOD. */
export function timePeriod(profile: NetworkProfile, periodNum: number): TimePeriod {
  if (!Number.isSafeInteger(periodNum) || periodNum < 0 || periodNum > MAX_PERIOD_NUM) {
    throw new DescriptorError('BAD_PERIOD', 'the number of a time period must be whole, from 0 to 2^32-1');
  }
  return {
    periodNum,
    lengthMinutes: profile.periodLengthMinutes,
    offsetSeconds: ROUNDS_PER_PHASE * profile.votingIntervalSeconds,
  };
}

/**
 * The period that contains a moment: TP of rend-spec-v3 §2.2.1. Throws BAD_PERIOD for a moment before period 0 and
 * for what is no number.
 */
export function timePeriodAt(profile: NetworkProfile, unixSeconds: number): TimePeriod {
  return timePeriod(profile, periodNumAt(profile, unixSeconds));
}

function periodNumAt(profile: NetworkProfile, unixSeconds: number): number {
  const offset = ROUNDS_PER_PHASE * profile.votingIntervalSeconds;
  return Math.floor((unixSeconds - offset) / (profile.periodLengthMinutes * 60));
}

/** P_n: the Unix time in seconds at which the period starts (rend-spec-v3 §2.2.1). Does not throw. */
export function periodStart(period: TimePeriod): number {
  return period.periodNum * period.lengthMinutes * 60 + period.offsetSeconds;
}

/**
 * When descriptors of this period are published: [P_n − 12·V, P_n + length + 12·V), Unix seconds, `to` excluded
 * (rend-spec-v3 §2.2.4). 48 hours on the public network, of which the first half as the "next" descriptor.
 * Throws BAD_PERIOD for a network whose periods have no such window because they are not 24·V long.
 */
export function publicationWindow(profile: NetworkProfile, period: TimePeriod): TimeInterval {
  if (!hasOneWindow(profile)) throw badProfile();
  const start = periodStart(period);
  const phase = ROUNDS_PER_PHASE * profile.votingIntervalSeconds;
  return { from: start - phase, to: start + period.lengthMinutes * 60 + phase };
}

/** Start of the shared random run that contains a consensus' valid-after, Unix seconds (srv-spec). Does not throw. */
export function currentRunStart(profile: NetworkProfile, validAfter: number): number {
  return validAfter - (validAfter % runLength(profile));
}

/**
 * The number of the period whose descriptor a consensus valid after `unixSeconds` calls the first; the second is of the
 * next period (rend-spec-v3 §2.2.4). -1 when the second is of period 0. Does not throw.
 */
export function firstPeriodNum(profile: NetworkProfile, unixSeconds: number): number {
  const present = periodNumAt(profile, unixSeconds);
  const run = currentRunStart(profile, unixSeconds);
  const nextStart = periodStart({ ...timePeriod(profile, 0), periodNum: periodNumAt(profile, run) + 1 });
  // From the start of a run to that of the next period clients ask for the first descriptor, otherwise for the second.
  return unixSeconds < nextStart ? present : present - 1;
}

/**
 * The periods that are published under a consensus valid after `unixSeconds`, ascending: two of them, the first and the
 * second descriptor's (rend-spec-v3 §2.2.4), but no number below 0. Throws BAD_PERIOD.
 */
export function publishablePeriods(profile: NetworkProfile, unixSeconds: number): TimePeriod[] {
  timePeriodAt(profile, unixSeconds);
  const first = firstPeriodNum(profile, unixSeconds);
  return [first, first + 1].filter(n => n >= 0 && n <= MAX_PERIOD_NUM).map(n => timePeriod(profile, n));
}

/**
 * The start of the shared random run that belongs to the period, Unix seconds: the origin of T in the revision
 * counter (rend-spec-v3 appendix F.2). It is the first second of the publication window. Throws BAD_PERIOD as
 * {@link publicationWindow}.
 */
export function srvRunStart(profile: NetworkProfile, period: TimePeriod): number {
  return publicationWindow(profile, period).from;
}

/**
 * Expiry of a certificate of type 08 made at `atSeconds` (Unix time), as stock tor sets it and no specification says:
 * 54 hours on, rounded up; hours since 1970. Does not throw.
 */
export function certExpiryHours(atSeconds: number): number {
  return Math.ceil(atSeconds / HOUR) + CERT_LIFETIME_HOURS;
}

/**
 * Expiry of the certificates 09 and 0B made at `atSeconds` (Unix time), as stock tor sets it and no specification
 * says: the hour begun and 54; hours since 1970. Does not throw.
 */
export function innerCertExpiryHours(atSeconds: number): number {
  return Math.floor(atSeconds / HOUR) + CERT_LIFETIME_HOURS;
}

/**
 * Every expiry that stock tor could write into a certificate of type 08 during the period's publication window,
 * ascending, hours since 1970: 49 values on the public network. Ours; no specification has it. Throws BAD_PERIOD as
 * {@link publicationWindow}.
 */
export function ladderHours(profile: NetworkProfile, period: TimePeriod): number[] {
  const { from, to } = publicationWindow(profile, period);
  const first = certExpiryHours(from);
  const last = certExpiryHours(to - 1);
  return Array.from({ length: last - first + 1 }, (_, rung) => first + rung);
}
