import type { StoredEvidence } from './evidence-store.ts';
import type { Approved } from './policy/evaluate.ts';
import type { Keyholder, SignedTarget, SignTarget } from './ports.ts';
import type { SignerCore } from './sign-descriptor.ts';
import { wipeCookies } from './verify-output.ts';

/** Most targets that the keyholder takes in one message. */
const MAX_TARGETS_PER_ORDER = 16;

/**
 * Has every approved target signed, by the `evidence` that its points stand in, in as many messages as that takes, in the targets' order. A refusal of one is the
 * refusal of all. The cookies in the result are the caller's to wipe. SignerError KEYHOLDER_*, CUSTODY_UNAVAILABLE, SERVICE_LATCHED.
 */
export async function orderSignatures(
  core: SignerCore,
  approved: Approved,
  evidence: readonly StoredEvidence[],
): ReturnType<Keyholder['sign']> {
  const targets = approved.targets.map(({ period: { periodNum }, variant, second }) => ({
    periodNum,
    variant,
    second,
  }));
  const signed: SignedTarget[] = [];
  let complete = false;
  try {
    for (let from = 0; from < targets.length; from += MAX_TARGETS_PER_ORDER) {
      const answer = await orderSome(
        core,
        { approved, evidence },
        targets.slice(from, from + MAX_TARGETS_PER_ORDER),
      );
      if ('refused' in answer) return answer;
      signed.push(...answer.signed);
    }
    complete = true;
    return { signed };
  } finally {
    if (!complete) wipeCookies(signed);
  }
}

/** A keyholder that restarted knows no evidence: it is given all of it once more before its word is final. */
async function orderSome(
  core: SignerCore,
  { approved, evidence }: { readonly approved: Approved; readonly evidence: readonly StoredEvidence[] },
  targets: SignTarget[],
): ReturnType<Keyholder['sign']> {
  const order = {
    kpHsId: approved.service.kpHsId,
    listSerial: approved.policySerial,
    points: approved.points,
    targets,
  };
  const first = await core.keyholder.sign(order);
  if (!('refused' in first) || first.refused.rule !== 'INTRO-PROVENANCE') return first;
  for (const { text } of evidence) {
    const answer = await core.keyholder.prove(approved.service.kpHsId, text);
    if ('refused' in answer) return answer;
  }
  return core.keyholder.sign(order);
}
