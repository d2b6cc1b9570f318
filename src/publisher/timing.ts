import type { NetworkProfile } from '../descriptor/index.ts';

/** Every duration of the publisher, in seconds. */
export type Timing = {
  /** Re-upload after a random time in [min, max), as stock tor does (60 to 120 minutes). */
  readonly reuploadMin: number;
  readonly reuploadMax: number;
  /** How often a backend's descriptor is fetched. */
  readonly fetchInterval: number;
  /** Limit for one HSDir to answer a fetch. */
  readonly fetchTimeout: number;
  /** Limit for one HSDir to confirm an upload. */
  readonly uploadTimeout: number;
  /** First pause after a failure; it doubles up to `retryMax`. */
  readonly retryMin: number;
  readonly retryMax: number;
  /** Pause before the same text is offered again to an HSDir that refused it. */
  readonly rejectedPause: number;
  /** How often `GET /v1/services` is read. */
  readonly serviceRefresh: number;
  /** How often tor's consensus is looked at, besides its events. */
  readonly consensusPoll: number;
  /** Shortest time between two requests to sign for one service. */
  readonly signGap: number;
  /** How long the first choice waits for backends that could not be read yet. */
  readonly startGrace: number;
  /** How long a due upload waits for the signer before the shelf is used. */
  readonly shelfGrace: number;
};

/** How long HSDirs keep a descriptor: its lifetime of 180 minutes, whatever the network. */
export const HSDIR_KEEPS_SECONDS = 180 * 60;

const TOR_VOTING_INTERVAL = 3600;

/** Timing of a network: the public network's, scaled by the voting interval on test networks, with floors. */
export function timingOf(profile: NetworkProfile): Timing {
  const scale = profile.votingIntervalSeconds / TOR_VOTING_INTERVAL;
  const scaled = (seconds: number, floor: number): number => Math.max(floor, seconds * scale);
  return {
    reuploadMin: scaled(3600, 5),
    reuploadMax: scaled(7200, 10),
    fetchInterval: scaled(600, 5),
    fetchTimeout: scaled(30, 10),
    uploadTimeout: scaled(60, 15),
    retryMin: scaled(30, 1),
    retryMax: scaled(900, 5),
    rejectedPause: scaled(1200, 5),
    serviceRefresh: scaled(300, 5),
    consensusPoll: scaled(60, 2),
    signGap: scaled(60, 2),
    startGrace: scaled(120, 5),
    shelfGrace: scaled(300, 2),
  };
}

/** Pause after the `failures`-th failure in a row (from 1): doubling, bounded, ± 25 % by `random` in [0, 1). */
export function backOff(timing: Timing, failures: number, random: number): number {
  const pause = Math.min(timing.retryMax, timing.retryMin * 2 ** Math.min(failures - 1, 20));
  return pause * (0.75 + random / 2);
}
