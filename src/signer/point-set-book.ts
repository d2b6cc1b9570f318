import { type NetworkProfile, PointSets, pointSetName } from '../descriptor/index.ts';
import type { Approved } from './policy/evaluate.ts';

/** CONTENT-CHURN of all services: which sets of points were signed lately. A restart forgets; the keyholder counts too. */
export class PointSetBook {
  readonly #profile: NetworkProfile;
  readonly #services = new Map<string, PointSets>();

  constructor(profile: NetworkProfile) {
    this.#profile = profile;
  }

  /** Of one service that policy names. */
  of(service: string): PointSets {
    const sets = this.#services.get(service) ?? new PointSets(this.#profile);
    this.#services.set(service, sets);
    return sets;
  }

  /** Counts what was reserved for at `now`, Unix seconds. */
  note({ service, introductionPoints }: Approved, now: number): void {
    this.of(service.service).note(pointSetName(introductionPoints), now);
  }
}
