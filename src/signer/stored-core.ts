import { sha256, toHex } from '../descriptor/index.ts';
import { BlindedKeys } from './blinded-keys.ts';
import type { SignerConfig } from './config.ts';
import { SignerError } from './contract/problems.ts';
import type { SignRequest } from './contract/requests.ts';
import { EvidenceStore } from './evidence-store.ts';
import type { Journal } from './journal/journal.ts';
import type { JudgeCore } from './judge-request.ts';
import { PointSetBook } from './point-set-book.ts';
import { parsePolicySnapshot } from './policy/snapshot.ts';
import { findService } from './policy/types.ts';

/** What only a running daemon knows. */
export const ONLY_RUNNING: readonly string[] = [
  'custody: the keyholder does not run, and is taken to have a key for now',
  'which publisher showed the archived evidence that it names',
  'CONTENT-CHURN and a latched service: both are kept in memory',
];

/**
 * The judge of a stopped signer: the policy in force, and what its journal keeps of marks, measures and archived evidence.
 * SignerError POLICY_EMPTY, POLICY_SNAPSHOT, JOURNAL_TORN.
 */
export function storedCore(
  { profile, runwaySeconds }: Pick<SignerConfig, 'profile' | 'runwaySeconds'>,
  journal: Journal,
  request: SignRequest,
): JudgeCore {
  const stored = journal.policies.current();
  if (stored === undefined) throw new SignerError('POLICY_EMPTY', 'run `policy apply` first');
  const policy = parsePolicySnapshot(stored.text);
  const blindedKeys = new BlindedKeys();
  const services = policy.services.map(({ service }) => ({ alias: service, certifiedUntil: Infinity }));
  const evidence = new EvidenceStore(profile, blindedKeys);
  const core: JudgeCore = {
    profile,
    runwaySeconds,
    policy: () => policy,
    policySerial: () => stored.serial,
    journal,
    keyholder: {
      prove: async (_, text) => ({ digest: toHex(sha256(text)) }),
      status: async () => ({ runwaySeconds, services }),
    },
    evidence: { of: () => evidence },
    blindedKeys,
    pointSets: new PointSetBook(profile),
    latched: new Set(),
    now: () => Math.floor(Date.now() / 1000),
  };
  recallEvidence(core, evidence, request);
  return core;
}

/** Evidence that is named only is looked for in the archive; what no longer proves itself there stays unknown. */
function recallEvidence(
  { policy, journal, now }: JudgeCore,
  evidence: EvidenceStore,
  request: SignRequest,
): void {
  const service = findService(policy(), request.service);
  if (service === undefined) return;
  for (const digest of new Set(request.points.map(point => point.evidence))) {
    const text = journal.archive.text(digest);
    if (text === undefined) continue;
    try {
      evidence.prove(service, text, now());
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
    }
  }
}
