import { type Bytes, asciiBytes, toHex, u64be } from './bytes.ts';
import { DescriptorError } from './error.ts';
import type { KpHsBlindId, RelayEd25519Id, RelayFingerprint, SharedRandomValue } from './keys.ts';
import { sha3_256 } from './primitives.ts';
import { type NetworkProfile, type TimePeriod, firstPeriodNum } from './time.ts';

const STORE_AT_IDX = asciiBytes('store-at-idx');
const NODE_IDX = asciiBytes('node-idx');
const SHARED_RANDOM_DISASTER = asciiBytes('shared-random-disaster');

/** hsdir_n_replicas of the public network where its consensus names none (param-spec §8). */
export const DEFAULT_HSDIR_REPLICAS = 2;
/** hsdir_spread_store of the public network where its consensus names none (param-spec §8). */
export const DEFAULT_HSDIR_SPREAD_STORE = 4;
/** hsdir_spread_fetch of the public network where its consensus names none (param-spec §8). */
export const DEFAULT_HSDIR_SPREAD_FETCH = 3;

/** A relay that may store descriptors: listed with HSDir, HSDir=2 and an Ed25519 identity. */
export interface HsDirNode {
  readonly fingerprint: RelayFingerprint;
  readonly ed25519Id: RelayEd25519Id;
}

/** What decides who stores one descriptor. */
export interface RingQuery {
  readonly nodes: readonly HsDirNode[];
  readonly kpHsBlindId: KpHsBlindId;
  readonly period: TimePeriod;
  readonly srv: SharedRandomValue;
  /** hsdir_n_replicas, 1…16. */
  readonly replicas: number;
  /** hsdir_spread_store or hsdir_spread_fetch, 1…128. */
  readonly spread: number;
}

/** What a consensus says about shared randomness. `validAfter` is Unix time in seconds. */
export interface RingConsensus {
  readonly validAfter: number;
  readonly srvCurrent?: SharedRandomValue | undefined;
  readonly srvPrevious?: SharedRandomValue | undefined;
  readonly profile: NetworkProfile;
}

/**
 * hs_index of a replica counted from 1, 32 bytes (rend-spec-v3 §2.2.3): period length before number. Throws
 * BAD_INTEGER for what is not whole or negative.
 */
export function hsIndex(kpHsBlindId: KpHsBlindId, replica: number, period: TimePeriod): Bytes {
  return sha3_256(
    STORE_AT_IDX,
    kpHsBlindId,
    u64be(replica),
    u64be(period.lengthMinutes),
    u64be(period.periodNum),
  );
}

/**
 * hsdir_index of a relay, 32 bytes (rend-spec-v3 §2.2.3): period number before length. Throws BAD_INTEGER for what
 * is not whole or negative.
 */
export function hsdirIndex(ed25519Id: RelayEd25519Id, srv: SharedRandomValue, period: TimePeriod): Bytes {
  return sha3_256(NODE_IDX, ed25519Id, srv, u64be(period.periodNum), u64be(period.lengthMinutes));
}

/**
 * What stands in for a shared random value that the consensus lacks, 32 bytes (rend-spec-v3 §2.3.1). Throws
 * BAD_INTEGER for what is not whole or negative.
 */
export function disasterSrv(period: TimePeriod): SharedRandomValue {
  return sha3_256(
    SHARED_RANDOM_DISASTER,
    u64be(period.lengthMinutes),
    u64be(period.periodNum),
  ) as SharedRandomValue;
}

/**
 * The shared random value of the ring on which the period's descriptor is stored under this consensus
 * (rend-spec-v3 §2.2.4): the previous value for the first descriptor, the current one for the second,
 * the disaster value where the consensus has none. Throws WRONG_PERIOD for a period not published at `validAfter`.
 */
export function ringSrvFor(period: TimePeriod, consensus: RingConsensus): SharedRandomValue {
  const first = firstPeriodNum(consensus.profile, consensus.validAfter);
  if (period.periodNum === first) return consensus.srvPrevious ?? disasterSrv(period);
  if (period.periodNum === first + 1) return consensus.srvCurrent ?? disasterSrv(period);
  throw new DescriptorError(
    'WRONG_PERIOD',
    'no descriptor of this time period is stored under this consensus',
  );
}

/**
 * The relays that store the descriptor, replica by replica, at most replicas·spread of them and none twice
 * (rend-spec-v3 §2.2.3). On a ring too small for all of them every relay comes once. Throws BAD_INTEGER for replicas
 * or spread outside their ranges.
 */
export function responsibleHsDirs(query: RingQuery): RelayFingerprint[] {
  checkParameter(query.replicas, 16, 'hsdir_n_replicas');
  checkParameter(query.spread, 128, 'hsdir_spread');
  const ring = sortedRing(query);
  const chosen = new Map<string, RelayFingerprint>();
  for (let replica = 1; replica <= query.replicas; replica++) {
    const index = toHex(hsIndex(query.kpHsBlindId, replica, query.period));
    const found = ring.findIndex(place => place.index >= index);
    const start = found === -1 ? 0 : found;
    const turn = [...ring.slice(start), ...ring.slice(0, start)];
    let added = 0;
    for (const { id, fingerprint } of turn) {
      if (added === query.spread) break;
      if (chosen.has(id)) continue;
      chosen.set(id, fingerprint);
      added++;
    }
  }
  return [...chosen.values()];
}

interface RingPlace {
  readonly index: string;
  readonly id: string;
  readonly fingerprint: RelayFingerprint;
}

function sortedRing({ nodes, period, srv }: RingQuery): RingPlace[] {
  const ring = nodes.map(({ fingerprint, ed25519Id }) => ({
    index: toHex(hsdirIndex(ed25519Id, srv, period)),
    id: toHex(fingerprint),
    fingerprint,
  }));
  return ring.sort((a, b) => (a.index < b.index ? -1 : Number(a.index > b.index)));
}

function checkParameter(value: number, max: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new DescriptorError('BAD_INTEGER', `${name} must be a whole number from 1 to ${max}`);
  }
}
