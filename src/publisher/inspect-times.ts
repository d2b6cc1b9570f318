import {
  certTimeInterval,
  counterTimeInterval,
  DescriptorError,
  type Examination,
  type NetworkProfile,
  type OuterLayer,
  periodStart,
  publicationWindow,
  publishablePeriods,
  testNetwork,
  type TimeInterval,
  type TimePeriod,
  timePeriod,
  timePeriodAt,
  TOR_NETWORK,
} from '../descriptor/index.ts';
import { type ExpirySight, iso, type MadeSight, type PeriodSight, spanOf } from './inspect-report.ts';
import { HOUR } from './inspect-sights.ts';

const DAY = 24 * HOUR;
const STOCK_CERT_HOURS = 54;
const SEARCH_DAYS = 90;
const MAX_CANDIDATES = 1_000;
/** Intervals of test networks that people run: asked when a descriptor is of no period of the network given. */
const USUAL_INTERVALS = [10, 15, 20, 30, 60, 120, 300, 600];
const NEAR_CANDIDATES = 60;
/** The last period that has a number: certificates may end long after it where periods are short. */
const MAX_PERIOD_NUM = 2 ** 32 - 1;

/** The public network, or the test network with this voting interval. Throws BAD_PERIOD. */
export function profileOf(votingInterval: number | undefined): NetworkProfile {
  const isPublic = votingInterval === undefined || votingInterval === TOR_NETWORK.votingIntervalSeconds;
  return isPublic ? TOR_NETWORK : testNetwork('inspected', votingInterval);
}

/** Networks that a descriptor might be of, other than the one given. */
export function otherProfiles({ votingIntervalSeconds }: NetworkProfile): NetworkProfile[] {
  return [TOR_NETWORK.votingIntervalSeconds, ...USUAL_INTERVALS]
    .filter(each => each !== votingIntervalSeconds)
    .map(profileOf);
}

/**
 * Periods that a certificate with this expiry can be of: stock tor's lies 54 hours after the upload, others' may lie
 * further. Nearest first, with those of now.
 */
export function candidatePeriods(
  profile: NetworkProfile,
  expiryHours: number,
  now: number,
  max = MAX_CANDIDATES,
): TimePeriod[] {
  const numbers = new Set<number>();
  const length = profile.periodLengthMinutes * 60;
  const add = (at: number): void => {
    const moment = Math.min(Math.max(at, 2 * DAY), MAX_PERIOD_NUM * length);
    for (const { periodNum } of publishablePeriods(profile, moment)) numbers.add(periodNum);
  };
  const made = expiryHours * HOUR - STOCK_CERT_HOURS * HOUR;
  add(made);
  add(now);
  for (let step = length; step <= SEARCH_DAYS * DAY && numbers.size < max; step += length) {
    add(made - step);
    add(made + step);
    add(now - step);
  }
  return [...numbers].map(periodNum => timePeriod(profile, periodNum));
}

/** The nearest periods alone, for guesses. */
export function nearPeriods(profile: NetworkProfile, expiryHours: number, now: number): TimePeriod[] {
  return candidatePeriods(profile, expiryHours, now, NEAR_CANDIDATES);
}

/** Where the period stands at `now`. */
export function periodSight(profile: NetworkProfile, period: TimePeriod, now: number): PeriodSight {
  const window = publicationWindow(profile, period);
  const start = periodStart(period);
  // Of the two periods published at a time the older began before this run, the newer begins or began in it.
  const [first] = publishablePeriods(profile, now);
  const role =
    now < window.from
      ? 'ahead'
      : now >= window.to
        ? 'over'
        : first?.periodNum === period.periodNum
          ? 'first'
          : 'second';
  return {
    periodNum: period.periodNum,
    lengthMinutes: period.lengthMinutes,
    starts: iso(start),
    published: spanOf(window),
    role,
    askedFor: timePeriodAt(profile, now).periodNum === period.periodNum,
  };
}

/** What certificate and counter say of the making, in Unix seconds. */
export type Made = {
  readonly byCertificate: TimeInterval;
  /** Undefined without a period, and for a counter that no second of it has. */
  readonly byCounter: TimeInterval | undefined;
  readonly both: TimeInterval | undefined;
  readonly counterFault: DescriptorError | undefined;
};

export function madeOf(outer: OuterLayer, profile: NetworkProfile, period: TimePeriod | undefined): Made {
  const byCertificate = certTimeInterval(outer.cert.expiryHours);
  const nothing = { byCertificate, byCounter: undefined, both: undefined, counterFault: undefined };
  if (period === undefined) return nothing;
  try {
    const byCounter = counterTimeInterval(profile, period, outer.revisionCounter);
    const both = {
      from: Math.max(byCertificate.from, byCounter.from),
      to: Math.min(byCertificate.to, byCounter.to),
    };
    return { ...nothing, byCounter, both: both.from <= both.to ? both : undefined };
  } catch (thrown) {
    if (!(thrown instanceof DescriptorError)) throw thrown;
    return { ...nothing, counterFault: thrown };
  }
}

export function madeSight({ byCertificate, byCounter, both }: Made): MadeSight {
  return {
    byCertificate: spanOf(byCertificate),
    ...(byCounter === undefined ? {} : { byCounter: spanOf(byCounter) }),
    ...(both === undefined ? {} : { both: spanOf(both) }),
  };
}

/** What ends when, the soonest first. */
export function expirySights(
  examined: Examination,
  outer: OuterLayer,
  made: Made,
  now: number,
): ExpirySight[] {
  const cert = (what: ExpirySight['what'], hours: number, point?: number) => ({
    at: hours * HOUR,
    sight: {
      what,
      ...(point === undefined ? {} : { point }),
      to: iso(hours * HOUR),
      expired: hours * HOUR < now,
    },
  });
  const { from, to } = made.both ?? made.byCounter ?? made.byCertificate;
  const lifetime = outer.lifetimeMinutes * 60;
  const copy = { from: iso(from + lifetime), to: iso(to + lifetime), expired: to + lifetime < now };
  return [
    { at: to + lifetime, sight: { what: 'copy at an HSDir', ...copy } as const },
    cert('signing key', outer.cert.expiryHours),
    ...examined.points.flatMap(({ index, point: { authCert, encCert } }) => [
      cert('auth-key', authCert.expiryHours, index + 1),
      cert('enc-key', encCert.expiryHours, index + 1),
    ]),
  ]
    .sort((a, b) => a.at - b.at)
    .map(({ sight }) => sight);
}
