import {
  type Consensus,
  deriveKpHsBlindId,
  DescriptorError,
  hsDirCandidates,
  type HsDirNode,
  hsDirNodes,
  type KpHsId,
  networkParameters,
  type NetworkProfile,
  parseConsensus,
  parseMicrodescriptors,
  publishablePeriods,
  type RelayEd25519Id,
  responsibleHsDirs,
  ringSrvFor,
  type SharedRandomValue,
  type TimePeriod,
  timePeriodAt,
  toHex,
} from '../descriptor/index.ts';
import { PublisherError } from './error.ts';

/** What one consensus says, as far as onion services need it. Times in Unix seconds. */
export type NetworkView = {
  readonly validAfter: number;
  readonly freshUntil: number;
  readonly validUntil: number;
  readonly srvCurrent: SharedRandomValue | undefined;
  readonly srvPrevious: SharedRandomValue | undefined;
  readonly params: ReadonlyMap<string, number>;
  readonly hsdirs: readonly HsDirNode[];
  /** HSDirs that the consensus lists, those included whose microdescriptor tor does not have yet. */
  readonly candidates: number;
};

/** One descriptor's place in the network: its period and who stores it (fingerprints, 40 hex digits, upper case). */
export type PeriodRing = { readonly period: TimePeriod; readonly hsdirs: readonly string[] };

/** The part of tor's control port that is read here. */
export type InfoSource = { getInfo(keys: readonly string[]): Promise<Record<string, string>> };

const CONSENSUS = 'dir/status-vote/current/consensus-microdesc';
const MICRODESCRIPTORS = 'md/all';
/** A consensus is usable for a day after its end, as tor itself holds it (REASONABLY_LIVE_TIME). */
const REASONABLY_LIVE_SECONDS = 86_400;

/** Reads tor's consensus and microdescriptors. Throws PublisherError CONSENSUS_SYNTAX and what getInfo throws. */
export async function readNetworkView(tor: InfoSource): Promise<NetworkView> {
  const { [CONSENSUS]: consensus = '', [MICRODESCRIPTORS]: microdescriptors = '' } = await tor.getInfo([
    CONSENSUS,
    MICRODESCRIPTORS,
  ]);
  try {
    return networkViewOf(parseConsensus(consensus), parseMicrodescriptors(microdescriptors));
  } catch (cause) {
    if (!(cause instanceof DescriptorError)) throw cause;
    throw new PublisherError('CONSENSUS_SYNTAX', cause.message, { cause });
  }
}

/** `valid-after` of the consensus that tor has now, Unix seconds: a cheap look for something new. */
export async function readValidAfter(tor: InfoSource): Promise<number> {
  const { 'consensus/valid-after': text = '' } = await tor.getInfo(['consensus/valid-after']);
  const seconds = Date.parse(`${text.trim().replace(' ', 'T')}Z`) / 1000;
  if (Number.isNaN(seconds)) throw new PublisherError('CONSENSUS_MISSING');
  return seconds;
}

/** Joins consensus and microdescriptors: candidates have HSDir, HSDir=2 and an Ed25519 identity (rend-spec-v3 §2.2.3). */
export function networkViewOf(
  consensus: Consensus,
  identities: ReadonlyMap<string, RelayEd25519Id>,
): NetworkView {
  const { relays: _, ...header } = consensus;
  const hsdirs = hsDirNodes(consensus, identities);
  return { ...header, hsdirs, candidates: hsDirCandidates(consensus).length };
}

/** Whether tor itself would still use this consensus at `now`. */
export function isReasonablyLive(view: NetworkView, now: number): boolean {
  return view.validAfter - REASONABLY_LIVE_SECONDS <= now && now <= view.validUntil + REASONABLY_LIVE_SECONDS;
}

/** Whether enough microdescriptors are there for rings that are mostly everybody's. */
export function isMostlyComplete(view: NetworkView): boolean {
  return view.hsdirs.length > 0 && view.hsdirs.length >= 0.8 * view.candidates;
}

/**
 * The rings on which the service's descriptors stand under this consensus, one per published period, the period that
 * clients ask for first.
 */
export function publicationRings(view: NetworkView, profile: NetworkProfile, kpHsId: KpHsId): PeriodRing[] {
  const asked = timePeriodAt(profile, view.validAfter).periodNum;
  return publishablePeriods(profile, view.validAfter)
    .sort((a, b) => Number(b.periodNum === asked) - Number(a.periodNum === asked))
    .map(period => ({ period, hsdirs: ringOf(view, profile, kpHsId, period, 'spreadStore') }));
}

/** Where clients fetch the service's descriptor now: the only one that HSFETCH can fetch. */
export function fetchRing(view: NetworkView, profile: NetworkProfile, kpHsId: KpHsId): PeriodRing {
  const period = timePeriodAt(profile, view.validAfter);
  return { period, hsdirs: ringOf(view, profile, kpHsId, period, 'spreadFetch') };
}

function ringOf(
  view: NetworkView,
  profile: NetworkProfile,
  kpHsId: KpHsId,
  period: TimePeriod,
  spread: 'spreadStore' | 'spreadFetch',
): string[] {
  const parameters = networkParameters(view);
  return responsibleHsDirs({
    nodes: view.hsdirs,
    kpHsBlindId: deriveKpHsBlindId(kpHsId, period),
    period,
    srv: ringSrvFor(period, { ...view, profile }),
    replicas: parameters.replicas,
    spread: parameters[spread],
  }).map(fingerprint => toHex(fingerprint).toUpperCase());
}

/** What the consensus and the signer's policy disagree on: nothing when the service's network is this one. */
export function networkMismatch(view: NetworkView, profile: NetworkProfile): string | undefined {
  const votingInterval = view.freshUntil - view.validAfter;
  if (votingInterval !== profile.votingIntervalSeconds) {
    return `voting interval: consensus ${votingInterval} s, policy ${profile.votingIntervalSeconds} s`;
  }
  // Test networks of stock tor derive the length from the voting interval and ignore the parameter.
  const length = networkParameters(view, votingInterval !== 3600).periodLengthMinutes;
  if (length !== profile.periodLengthMinutes) {
    return `time period: consensus ${length} min, policy ${profile.periodLengthMinutes} min`;
  }
  return undefined;
}
