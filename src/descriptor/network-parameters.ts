import type { Consensus } from './consensus.ts';
import {
  DEFAULT_HSDIR_REPLICAS,
  DEFAULT_HSDIR_SPREAD_FETCH,
  DEFAULT_HSDIR_SPREAD_STORE,
} from './hsdir-ring.ts';
import { MAX_DESCRIPTOR_SIZE } from './outer-layer.ts';

/** What a consensus says about descriptors and rings, defaults filled in and clamped as tor clamps them. */
export interface NetworkParameters {
  /** V: fresh-until − valid-after, in seconds. */
  readonly votingIntervalSeconds: number;
  /** hsdir_interval, 5…14400; on a testing network 24·V, whatever the parameter says. */
  readonly periodLengthMinutes: number;
  /** hsdir_n_replicas, 1…16. */
  readonly replicas: number;
  /** hsdir_spread_store, 1…128: how many relays of a replica get a descriptor. */
  readonly spreadStore: number;
  /** hsdir_spread_fetch, 1…128: among how many of them a client chooses. */
  readonly spreadFetch: number;
  /** cc_sendme_inc, 1…254: what `flow-control` of a descriptor must say, give or take one. */
  readonly sendmeInc: number;
  /** HSV3MaxDescriptorSize, 1…2^31−1: a descriptor must have fewer bytes. */
  readonly maxDescriptorSize: number;
}

const DEFAULT_PERIOD_MINUTES = 1440;
const DEFAULT_SENDME_INC = 31;
const ROUNDS_PER_RUN = 24;

/**
 * The parameters of a consensus that concern onion services (param-spec §8), absent ones by their defaults, the others
 * clamped into their ranges. With `isTesting` (`TestingTorNetwork 1`) the time period is one run of the shared random
 * protocol in whole minutes, and hsdir_interval is not looked at. Does not throw.
 */
export function networkParameters(
  consensus: Pick<Consensus, 'validAfter' | 'freshUntil' | 'params'>,
  isTesting = false,
): NetworkParameters {
  const votingIntervalSeconds = consensus.freshUntil - consensus.validAfter;
  const read = (name: string, fallback: number, min: number, max: number): number =>
    Math.min(max, Math.max(min, consensus.params.get(name) ?? fallback));
  return {
    votingIntervalSeconds,
    periodLengthMinutes: isTesting
      ? Math.floor((ROUNDS_PER_RUN * votingIntervalSeconds) / 60)
      : read('hsdir_interval', DEFAULT_PERIOD_MINUTES, 5, 14_400),
    replicas: read('hsdir_n_replicas', DEFAULT_HSDIR_REPLICAS, 1, 16),
    spreadStore: read('hsdir_spread_store', DEFAULT_HSDIR_SPREAD_STORE, 1, 128),
    spreadFetch: read('hsdir_spread_fetch', DEFAULT_HSDIR_SPREAD_FETCH, 1, 128),
    sendmeInc: read('cc_sendme_inc', DEFAULT_SENDME_INC, 1, 254),
    maxDescriptorSize: read('HSV3MaxDescriptorSize', MAX_DESCRIPTOR_SIZE, 1, 2 ** 31 - 1),
  };
}
