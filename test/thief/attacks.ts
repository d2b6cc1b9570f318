import type { Attack } from './attack.ts';
import { bankedTexts } from './attacks/banked-texts.ts';
import { clocks, rollback } from './attacks/clocks.ts';
import { counterRace } from './attacks/counter-race.ts';
import { eviction } from './attacks/eviction.ts';
import { falseConsensus } from './attacks/false-consensus.ts';
import { falseCounter } from './attacks/false-counter.ts';
import { flood, signRate, smuggling } from './attacks/flood.ts';
import { mixedBlock } from './attacks/mixed-block.ts';
import { ownKey } from './attacks/own-key.ts';
import { ownPoint } from './attacks/own-point.ts';
import { partition } from './attacks/partition.ts';
import { policyDoors } from './attacks/policy-doors.ts';
import { search } from './attacks/search.ts';
import { shelfReplay } from './attacks/shelf-replay.ts';
import { steering } from './attacks/steering.ts';
import { tenants } from './attacks/tenants.ts';

/** All of them, in the order in which they are tried: the first meets a publisher that runs. */
export const ATTACKS: readonly Attack[] = [
  search,
  tenants,
  ownPoint,
  mixedBlock,
  ownKey,
  steering,
  falseConsensus,
  falseCounter,
  counterRace,
  partition,
  shelfReplay,
  bankedTexts,
  smuggling,
  flood,
  signRate,
  policyDoors,
  eviction,
  clocks,
  rollback,
];
