import {
  checkEvidenceAge,
  DescriptorError,
  ed25519Verify,
  type Evidence,
  type KpHsId,
  type NetworkProfile,
  parseOnionAddress,
  pointKey,
  proveEvidence,
  publishablePeriods,
  toHex,
} from '../descriptor/index.ts';
import type { AvailablePoint } from './choose.ts';
import type { ControlPort } from './control/commands.ts';
import { fetchDescriptorText } from './hs-desc.ts';
import { fetchRing, type NetworkView } from './network-view.ts';
import type { Rng } from './choose.ts';

/** A backend's newest descriptor with its proof; the text as a request carries it, which is UTF-8. */
export type BackendDescriptor = { readonly evidence: Evidence; readonly text: string };

export type FetchResult =
  | { readonly ok: true; readonly descriptor: BackendDescriptor }
  | { readonly ok: false; readonly code: string };

/** Count, both kinds of address and both identities of a relay: what the signer's policy reckons for a point. */
const MAX_LINK_SPECIFIERS = 85;

/** Where and how one backend is read. */
export type FetchQuery = {
  readonly view: NetworkView;
  readonly profile: NetworkProfile;
  /** 62 characters, with `.onion`. */
  readonly address: string;
  readonly timeoutMs: number;
  readonly rng: Rng;
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Fetches a backend's descriptor of the period that clients ask for: HSFETCH at one responsible HSDir after another,
 * in random order, until one has it and it proves itself. Throws ControlError only when the connection to tor is over.
 */
export async function fetchBackend(tor: ControlPort, query: FetchQuery): Promise<FetchResult> {
  const kpHsId = parseOnionAddress(query.address);
  const servers = [...fetchRing(query.view, query.profile, kpHsId).hsdirs];
  let code = 'NO_HSDIR';
  while (servers.length > 0) {
    const [fingerprint = ''] = servers.splice(query.rng(servers.length), 1);
    const { address, timeoutMs, signal } = query;
    const fetched = await fetchDescriptorText(tor, { address, fingerprint, timeoutMs, signal });
    if (!fetched.ok) {
      code = fetched.code;
      continue;
    }
    const bytes = Buffer.from(fetched.text, 'latin1');
    try {
      // Proven first: what is not UTF-8 is refused, so that the text is these bytes and no others.
      const evidence = prove(bytes, kpHsId, query);
      return { ok: true, descriptor: { evidence, text: bytes.toString('utf8') } };
    } catch (thrown) {
      if (!(thrown instanceof DescriptorError)) throw thrown;
      code = thrown.code;
    }
  }
  return { ok: false, code };
}

/** The signer proves it again; this spares it what it would refuse. Throws DescriptorError. */
function prove(text: Uint8Array, backend: KpHsId, { profile, view, now }: FetchQuery): Evidence {
  const periods = publishablePeriods(profile, view.validAfter);
  const later = publishablePeriods(profile, now());
  const known = new Set(periods.map(period => period.periodNum));
  return proveEvidence(text, {
    backend,
    profile,
    periods: [...periods, ...later.filter(period => !known.has(period.periodNum))],
    verify: ed25519Verify,
  });
}

/** The newer of two descriptors of one backend: a later period, or a higher counter in the same period. */
export function newerDescriptor(
  before: BackendDescriptor | undefined,
  fetched: BackendDescriptor,
): BackendDescriptor {
  if (before === undefined) return fetched;
  const [old, fresh] = [before.evidence, fetched.evidence];
  if (old.period.periodNum !== fresh.period.periodNum) {
    return fresh.period.periodNum > old.period.periodNum ? fetched : before;
  }
  return fresh.revisionCounter > old.revisionCounter ? fetched : before;
}

/** Whether the signer would take this evidence now: undefined, or the code of the refusal. */
export function evidenceFault(
  { evidence }: BackendDescriptor,
  profile: NetworkProfile,
  now: number,
): string | undefined {
  try {
    checkEvidenceAge(evidence, profile, now);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof DescriptorError)) throw thrown;
    return thrown.code;
  }
}

/**
 * The points that a backend's descriptor offers for the choice. One with more link specifiers than relays have would
 * take the room of others: with it the signer refuses them all.
 */
export function availablePoints(backend: string, { evidence }: BackendDescriptor): AvailablePoint[] {
  return evidence.points.flatMap((point, index) =>
    point.linkSpecifiers.length > MAX_LINK_SPECIFIERS
      ? []
      : [
          {
            key: pointKey(point),
            authKey: toHex(point.authKey),
            backend,
            evidence: evidence.digest,
            index,
          },
        ],
  );
}
