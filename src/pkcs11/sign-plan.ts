// Which seconds of which periods may be signed for, judged by the keyholder's own clock.

import {
  type Bytes,
  INVARIANTS,
  type NetworkProfile,
  type TimePeriod,
  certExpiryHours,
  checkCounterCeiling,
  checkHorizon,
  checkOnePerSecond,
  checkPeriodWindow,
  checkRunway,
  checkVariant,
  timePeriod,
} from '../descriptor/index.ts';
import { refuse, refuseIf } from './denial.ts';
import { CustodyError } from './error.ts';
import type { SignTarget } from './keyholder-messages.ts';
import type { KeyholderList } from './list.ts';
import type { MarkLog } from './mark-log.ts';
import type { PeriodKey } from './period-keys.ts';

/** On a test network `ahead` means the next periods: days would be hundreds of them. */
const TEST_NETWORK_PERIODS = 3;
const PUBLIC_VOTING_INTERVAL = 3600;

/** One descriptor to be built: everything about it was checked, nothing is spent yet. */
export interface PlannedTarget {
  readonly target: SignTarget;
  readonly key: PeriodKey;
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
    const spent = {
      has: (second: number): boolean =>
        second <= rules.firstSecond || taken.has(name) || rules.marks.isSpent({ ...mark, second }),
    };
    refuseIf(checkOnePerSecond(spent, target.second));
    refuseIf(checkCounterCeiling(rules.list.profile, period, key.revisionCounterAt(target.second)));
    taken.add(name);
    return { target, key, certificate };
  });
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
