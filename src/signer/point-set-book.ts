import { type NetworkProfile, PointSets, pointSetName } from '../descriptor/index.ts';
import type { Approved } from './policy/evaluate.ts';

/**
 * CONTENT-CHURN of each publisher and service: which sets of points were signed lately. What one publisher used up is
 * nobody else's, before its eviction and after. A restart forgets; the keyholder counts too.
 */
export class PointSetBook {
  readonly #profile: NetworkProfile;
  readonly #pairs = new Map<string, PointSets>();

  constructor(profile: NetworkProfile) {
    this.#profile = profile;
  }

  /** Of one publisher for one service, a pair that policy names. */
  of(publisher: string, service: string): PointSets {
    const pair = `${publisher} ${service}`;
    const sets = this.#pairs.get(pair) ?? new PointSets(this.#profile);
    this.#pairs.set(pair, sets);
    return sets;
  }

  /** Counts what was reserved for at `now`, Unix seconds. */
  note({ publisher, service, introductionPoints }: Approved, now: number): void {
    this.of(publisher, service.service).note(pointSetName(introductionPoints), now);
  }
}
