import { asciiBytes } from './bytes.ts';
import { type IntroductionPoint, pointKey } from './introduction-point.ts';
import { type Denial, LIMIT_RULES } from './invariants.ts';
import { sha256Hex } from './primitives.ts';
import type { NetworkProfile } from './time.ts';

/** The name of a set of introduction points, whatever their order: 64 hexadecimal digits. Ours. Does not throw. */
export function pointSetName(points: readonly IntroductionPoint[]): string {
  return sha256Hex(asciiBytes(points.map(pointKey).sort().join('\n')));
}

/**
 * The different sets of points of one service that were signed lately: in an hour, on a test network in one voting
 * interval. In memory; it has no clock, and one that steps back forgets what lies ahead of it.
 */
export class PointSets {
  readonly #spanSeconds: number;
  /** When each was signed last, Unix seconds. */
  readonly #signed = new Map<string, number>();

  constructor({ votingIntervalSeconds }: Pick<NetworkProfile, 'votingIntervalSeconds'>) {
    this.#spanSeconds = votingIntervalSeconds;
  }

  /** CONTENT-CHURN: whether this set may be signed now; one of those signed lately always may. Ours. Does not throw. */
  check(name: string, limit: number, nowSeconds: number): Denial | undefined {
    for (const [set, at] of this.#signed) {
      if (at <= nowSeconds - this.#spanSeconds || at > nowSeconds) this.#signed.delete(set);
    }
    if (this.#signed.has(name) || this.#signed.size < limit) return undefined;
    return {
      rule: LIMIT_RULES.contentChurn,
      observed: `${this.#signed.size + 1} sets of points in the last hour`,
      limit: `${limit}/h`,
    };
  }

  /** Remembers a set that is being signed. Does not throw. */
  note(name: string, nowSeconds: number): void {
    this.#signed.set(name, nowSeconds);
  }
}
