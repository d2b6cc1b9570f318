import {
  createCachingVerify,
  equalBytes,
  evidenceAgeFault,
  type IntroductionPoint,
  type NetworkProfile,
  openDescriptor,
  publishablePeriods,
  samePoint,
  toHex,
} from '../../descriptor/index.ts';
import { BlindedKeys } from '../blinded-keys.ts';
import { SignerError } from '../contract/problems.ts';
import { EvidenceStore, type StoredEvidence } from '../evidence-store.ts';
import type { EntrySecond, ReleasedEntry } from '../journal/entries.ts';
import type { ServicePolicy } from '../policy/types.ts';
import type { OpenReservation } from './fold.ts';
import { KeptTexts } from './kept-texts.ts';
import type { AuditSource } from './source.ts';

/** What was found of the texts of releases. */
export interface TextCounts {
  /** Opened by address, each point found in a backend's own descriptor. */
  proven: number;
  /** Taken by retention, or resting on evidence that was; their digests stand in the log. */
  pruned: number;
  /** Opened as far as one can who is not a client of a restricted service. */
  restricted: number;
}

const wrong = (message: string): SignerError => new SignerError('AUDIT_TEXT', message);

/** Between the judgement of evidence and the entry that reserves. */
const SLACK_SECONDS = 60;

/** What a text must be of. */
interface Expected {
  readonly service: ServicePolicy;
  readonly profile: NetworkProfile;
  /** Undefined when some of the evidence is not kept. */
  readonly points: readonly IntroductionPoint[] | undefined;
}

/** A release and the place of its entry. */
type Release = ReleasedEntry & { readonly index: number };

/** Opens released texts again as a client would, and proves their points again from the archived evidence. */
export class ReleaseCheck {
  readonly counts: TextCounts = { proven: 0, pruned: 0, restricted: 0 };
  readonly texts: KeptTexts;
  readonly #blindedKeys = new BlindedKeys();
  readonly #verify = createCachingVerify();
  /** By the name of the network. */
  readonly #evidence = new Map<string, EvidenceStore>();

  constructor(source: AuditSource) {
    this.texts = new KeptTexts(source);
  }

  /** Throws what is wrong with the texts of the release that is entry `index`: DescriptorError, SignerError EVIDENCE_INVALID or AUDIT_TEXT. */
  async check(index: number, released: ReleasedEntry, reservation: OpenReservation): Promise<void> {
    const release = { index, ...released };
    const { services, profile } = reservation;
    if (profile === undefined) throw wrong('the signer did not say for which network');
    const [service, former] = services;
    if (service === undefined) throw wrong('the policy of then does not have this service');
    let found: (keyof TextCounts)[];
    try {
      found = await this.#checkTexts(release, reservation, service, profile);
    } catch (error) {
      if (former === undefined) throw error;
      found = await this.#checkTexts(release, reservation, former, profile);
    }
    for (const each of found) this.counts[each] += 1;
  }

  async #checkTexts(
    release: Release,
    { entry, uses }: OpenReservation,
    service: ServicePolicy,
    profile: NetworkProfile,
  ): Promise<(keyof TextCounts)[]> {
    if (!service.publishers.includes(entry.publisher)) throw wrong('this publisher was not allowed to ask');
    const points = await this.#provenPoints(release, service, profile, entry.at);
    const found: (keyof TextCounts)[] = [];
    for (const [i, digest] of release.texts.entries()) {
      const [text, spent, use] = [await this.texts.text(digest, release), entry.seconds[i], uses[i]];
      const isKept = text !== undefined && spent !== undefined && use !== undefined;
      found.push(
        isKept ? this.#checkText(text, { ...spent, second: use }, { service, profile, points }) : 'pruned',
      );
    }
    return found;
  }

  /** Undefined when some of the evidence is not kept. */
  async #provenPoints(
    release: Release,
    service: ServicePolicy,
    profile: NetworkProfile,
    at: number,
  ): Promise<readonly IntroductionPoint[] | undefined> {
    const points: IntroductionPoint[] = [];
    for (const digest of release.evidence) {
      const text = await this.texts.text(digest, release);
      if (text === undefined) return undefined;
      const { evidence } = this.#prove(service, text, profile, at);
      // What was proven once is remembered, also when policy dropped its backend since.
      const isNamed = service.backends.some(
        each => each.enabled && equalBytes(each.kpHsId, evidence.backend),
      );
      if (!isNamed) throw wrong('evidence of a backend that policy did not name');
      const fault = [at, at - SLACK_SECONDS].every(now => evidenceAgeFault(evidence, profile, now));
      if (fault) throw wrong('evidence was not of its time');
      points.push(...evidence.points);
    }
    return points;
  }

  /** The request was judged a little before its reservation: a period may have ended in between. */
  #prove(service: ServicePolicy, text: Uint8Array, profile: NetworkProfile, at: number): StoredEvidence {
    const store = this.#storeOf(profile);
    try {
      return store.prove(service, text, at);
    } catch {
      return store.prove(service, text, at - SLACK_SECONDS);
    }
  }

  #storeOf(profile: NetworkProfile): EvidenceStore {
    const key = `${profile.name} ${profile.votingIntervalSeconds}`;
    const store = this.#evidence.get(key) ?? new EvidenceStore(profile, this.#blindedKeys);
    this.#evidence.set(key, store);
    return store;
  }

  #checkText(
    text: Uint8Array,
    { kpHsBlindId, second }: EntrySecond,
    { service: { kpHsId }, profile, points: proven }: Expected,
  ): keyof TextCounts {
    const periods = publishablePeriods(profile, second).filter(
      period => toHex(this.#blindedKeys.of(kpHsId, period)) === kpHsBlindId,
    );
    const { inner } = openDescriptor(text, { kpHsId, periods, nowSeconds: second, verify: this.#verify });
    if (inner === undefined) return 'restricted';
    if (proven === undefined) return 'pruned';
    const isProven = inner.introductionPoints.every(point => proven.some(each => samePoint(each, point)));
    if (!isProven) throw wrong('a point stands in no evidence');
    return 'proven';
  }
}
