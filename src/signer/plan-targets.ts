import { publicationWindow, publishablePeriods, toHex } from '../descriptor/index.ts';
import type { Target } from './policy/rules.ts';
import type { ServicePolicy } from './policy/types.ts';
import type { JudgeCore } from './judge-request.ts';

/** A second is spent in steps of one voting interval, so the shelf skips at most this many spent ones. */
const MAX_SHELF_SKIP = 8;

/** What the keyholder can sign for, as its status says. */
export interface Custody {
  /** Unix seconds; see CustodyStatus. */
  readonly certifiedUntil: number;
  /** In force there: the policy that was applied, not the file that was changed since. */
  readonly runwaySeconds: number;
}

/**
 * A text for now and one for each voting interval up to the runway, for each period published at that second. The shelf
 * ends where the keyholder's runway and its period keys do: it must not cost the text for now.
 */
export function planTargets(
  core: JudgeCore,
  service: ServicePolicy,
  now: number,
  custody: Custody,
): Target[] {
  const targets: Target[] = [];
  const step = core.profile.votingIntervalSeconds;
  const runway = Math.min(core.runwaySeconds, custody.runwaySeconds);
  const end = Math.max(now, Math.min(now + runway, custody.certifiedUntil - 1));
  for (let useFrom = now; useFrom <= end; useFrom += step) {
    for (const period of publishablePeriods(core.profile, useFrom)) {
      const kpHsBlindId = core.blindedKeys.of(service.kpHsId, period);
      const { floor, lead } = core.journal.measures.inForce.floorOf(toHex(kpHsBlindId));
      // A period that has no counters above its fence yet.
      if (useFrom + lead < floor) continue;
      if (useFrom === now) {
        targets.push({ period, variant: 0, second: now });
        continue;
      }
      const second = core.journal.nextFreeSecond(kpHsBlindId, 0, useFrom + lead) - lead;
      // A second that moved on must still be one at which its period is published.
      const last = Math.min(end, publicationWindow(core.profile, period).to - 1);
      if (second - useFrom <= MAX_SHELF_SKIP && second <= last) {
        targets.push({ period, variant: 0, second });
      }
    }
  }
  return targets;
}
