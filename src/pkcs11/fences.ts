// Fences as a core orders them: of one service, and of all at a recovery.

import { INVARIANTS, MAX_T, type TimePeriod, deriveKpHsBlindId } from '../descriptor/index.ts';
import { refuse } from './denial.ts';
import type { CustodyDenial } from './error.ts';
import { LIST_LIMITS } from './list.ts';
import type { MarkLog } from './mark-log.ts';
import type { ServiceSlot } from './service-slot.ts';
import { type PlannedTarget, type PlanRules, fenceAt } from './sign-plan.ts';

/** HORIZON for a floor above everything that can have been spent: such a one would only be an outage without an end. */
export function checkFloor(second: number, nowSeconds: number): CustodyDenial | undefined {
  const seconds = second - nowSeconds;
  const most = LIST_LIMITS.runwaySeconds + MAX_T;
  if (seconds <= most) return undefined;
  return { rule: INVARIANTS.horizon, observed: `${seconds} s ahead`, limit: `${most} s` };
}

/**
 * Raises the fence of each blinded key that spent something, of `wanted` periods and of those whose keys are held: texts
 * are out under it whether its period key is here or not. @throws CustodyError STATE_WRITE, STATE_FULL
 */
export function raiseFences(
  { kpHsId, periods }: ServiceSlot,
  wanted: readonly TimePeriod[],
  rules: Omit<PlanRules, 'firstSecond'>,
): void {
  const absent = wanted
    .filter(({ periodNum }) => !periods.has(periodNum))
    .map(period => ({ period, kpHsBlindId: deriveKpHsBlindId(kpHsId, period) }));
  for (const key of [...periods.values(), ...absent]) {
    const fence = fenceAt(key, rules);
    if (fence !== undefined) rules.marks.raiseFence(key.kpHsBlindId, fence);
  }
}

/** Whether what was planned still holds. @throws CustodyError KEYHOLDER_REFUSED (ONE-PER-SECOND) after a fence meanwhile */
export function checkLeads(plans: readonly PlannedTarget[], marks: MarkLog): void {
  const fenced = plans.find(({ key, lead, spentSecond }) => {
    const fence = marks.fenceOf(key.kpHsBlindId);
    return fence.lead !== lead || fence.floor > spentSecond;
  });
  if (fenced !== undefined) throw refuse('ONE-PER-SECOND', 'a fence was raised meanwhile', 'another second');
}
