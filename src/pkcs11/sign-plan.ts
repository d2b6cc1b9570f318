// Which seconds of which periods may be signed for, judged by the keyholder's own clock.

import {
  type Bytes,
  INVARIANTS,
  MAX_T,
  type NetworkProfile,
  type TimePeriod,
  certExpiryHours,
  checkCounterCeiling,
  checkHorizon,
  checkOnePerSecond,
  checkPeriodWindow,
  checkRunway,
  checkVariant,
  publicationWindow,
  timePeriod,
} from '../descriptor/index.ts';
import { refuse, refuseIf } from './denial.ts';
import { CustodyError } from './error.ts';
import type { SignTarget } from './keyholder-messages.ts';
import type { KeyholderList } from './list.ts';
import type { Fence, MarkLog } from './mark-log.ts';
import type { PeriodKey } from './period-keys.ts';

/** As late as RUNWAY lets a second be. */
const MARGIN_SECONDS = 2;
/** On a test network `ahead` means the next periods: days would be hundreds of them. */
const TEST_NETWORK_PERIODS = 3;
const PUBLIC_VOTING_INTERVAL = 3600;

/** One descriptor to be built: everything about it was checked, nothing is spent yet. */
export interface PlannedTarget {
  readonly target: SignTarget;
  readonly key: PeriodKey;
  /** How far its revision counter runs ahead of its use, seconds: 0 but after a fence. */
  readonly lead: number;
  /** The second that is spent: that of its use, and the lead. */
  readonly spentSecond: number;
  /** Type 08 for this second, 140 bytes. */
  readonly certificate: Bytes;
}

/** What the plan is judged by. */
export interface PlanRules {
  readonly list: KeyholderList;
  readonly nowSeconds: number;
  /** Nothing is signed up to this second: the first that this process saw. */
  readonly firstSecond: number;
  readonly marks: MarkLog;
}

/** `ahead` in force, seconds: the list's, on a network with short periods between one and three of them. */
export function aheadSeconds({ profile, aheadSeconds: ahead }: KeyholderList): number {
  if (profile.votingIntervalSeconds >= PUBLIC_VOTING_INTERVAL) return ahead;
  const periodSeconds = profile.periodLengthMinutes * 60;
  return Math.max(periodSeconds, Math.min(ahead, TEST_NETWORK_PERIODS * periodSeconds));
}

/** `runway` in force, seconds: never beyond `ahead`. */
export function runwaySeconds(list: KeyholderList): number {
  return Math.min(list.runwaySeconds, aheadSeconds(list));
}

/**
 * Checks each target and finds its key and certificate.
 * @throws CustodyError KEYHOLDER_REFUSED: VARIANT, HORIZON, PERIOD-WINDOW, RUNWAY, ONE-PER-SECOND, COUNTER-CEILING;
 *   PERIOD_UNPREPARED
 */
export function planTargets(
  targets: readonly SignTarget[],
  periods: ReadonlyMap<number, PeriodKey>,
  rules: PlanRules,
): PlannedTarget[] {
  const taken = new Set<string>();
  return targets.map(target => {
    const period = checkTime(target, rules);
    const key = periods.get(period.periodNum);
    const certificate = key?.certificate(certExpiryHours(target.second));
    if (key === undefined || certificate === undefined) throw new CustodyError('PERIOD_UNPREPARED');
    const name = `${target.periodNum}/${target.variant}/${target.second}`;
    const mark = { kpHsBlindId: key.kpHsBlindId, variant: target.variant };
    const { lead } = rules.marks.fenceOf(key.kpHsBlindId);
    const spentSecond = target.second + lead;
    const spent = {
      has: (second: number): boolean =>
        second <= rules.firstSecond ||
        taken.has(name) ||
        rules.marks.isSpent({ ...mark, second: second + lead }),
    };
    refuseIf(checkOnePerSecond(spent, target.second));
    const counter = key.revisionCounterAt(spentSecond);
    refuseIf(checkCounterCeiling(rules.list.profile, period, counter, lead));
    taken.add(name);
    return { target, key, certificate, lead, spentSecond };
  });
}

/**
 * The fence of a period's key at this moment: above everything that was spent for it. What is used from now on spends
 * seconds above it, as far as the period has counters; see docs/adr/0026. Undefined for a key that spent nothing.
 */
export function fenceAt(
  { kpHsBlindId, period }: Pick<PeriodKey, 'kpHsBlindId' | 'period'>,
  { list: { profile }, nowSeconds, marks }: Omit<PlanRules, 'firstSecond'>,
): Fence | undefined {
  const before = marks.fenceOf(kpHsBlindId);
  const floor = Math.max(before.floor, marks.lastSpent({ kpHsBlindId, variant: 0 }) + 1);
  if (floor <= 1) return undefined;
  const { from, to } = publicationWindow(profile, period);
  // A text for a second that is just over must lie above the floor as well.
  const wanted = Math.max(before.lead, floor - nowSeconds + MARGIN_SECONDS);
  return { floor, lead: Math.min(wanted, MAX_T - (to - from)) };
}

function checkTime({ periodNum, variant, second }: SignTarget, { list, nowSeconds }: PlanRules): TimePeriod {
  const { profile } = list;
  refuseIf(checkVariant(variant));
  const period = periodOf(profile, periodNum);
  refuseIf(checkHorizon(profile, nowSeconds, aheadSeconds(list), period));
  refuseIf(checkPeriodWindow(profile, period, second));
  refuseIf(checkRunway(second, nowSeconds, runwaySeconds(list)));
  return period;
}

function periodOf(profile: NetworkProfile, periodNum: number): TimePeriod {
  try {
    return timePeriod(profile, periodNum);
  } catch (cause) {
    throw refuse(INVARIANTS.horizon, `period ${periodNum}`, 'a period that can be', cause);
  }
}
