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
} from '../descriptor/index.ts';
import type { AvailablePoint } from './choose.ts';
import type { ControlPort } from './control/commands.ts';
import { fetchDescriptorText } from './hs-desc.ts';
import { fetchRing, type NetworkView } from './network-view.ts';
import type { Rng } from './choose.ts';

/** A backend's newest descriptor with its proof. */
export type BackendDescriptor = { readonly evidence: Evidence; readonly text: string };

export type FetchResult =
  | { readonly ok: true; readonly descriptor: BackendDescriptor }
  | { readonly ok: false; readonly code: string };

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
    const { text } = fetched;
    try {
      return { ok: true, descriptor: { evidence: prove(text, kpHsId, query), text } };
    } catch (thrown) {
      if (!(thrown instanceof DescriptorError)) throw thrown;
      code = thrown.code;
    }
  }
  return { ok: false, code };
}

/** The signer proves it again; this spares it what it would refuse. Throws DescriptorError. */
function prove(text: string, backend: KpHsId, { profile, view, now }: FetchQuery): Evidence {
  const periods = publishablePeriods(profile, view.validAfter);
  const later = publishablePeriods(profile, now());
  const known = new Set(periods.map(period => period.periodNum));
  return proveEvidence(Buffer.from(text, 'latin1'), {
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

/** The points that a backend's descriptor offers for the choice. */
export function availablePoints(backend: string, { evidence }: BackendDescriptor): AvailablePoint[] {
  return evidence.points.map((point, index) => ({
    key: pointKey(point),
    backend,
    evidence: evidence.digest,
    index,
  }));
}
