import { SignerError } from '../contract/problems.ts';
import type { PolicyEntry } from '../journal/entries.ts';
import { approveStep } from '../policy/approval.ts';
import type { ServiceNames } from '../policy/service-names.ts';
import type { Policy } from '../policy/types.ts';
import type { AuditSource } from './source.ts';

/** What was in force around an entry. */
interface Around {
  readonly before: Policy | undefined;
  readonly after: Policy | undefined;
  readonly names: ServiceNames;
  readonly origin: string;
  readonly journalId: string;
}

/**
 * Judges the step to a policy again, from the archived signatures alone: the proposal is made anew, words and all, and must
 * be the archived one, so that a signer that showed administrators other words is found out. SignerError JOURNAL_TORN, and those of approveStep.
 */
export async function checkApproval(
  source: AuditSource,
  entry: PolicyEntry,
  { before, after, names, origin, journalId }: Around,
): Promise<void> {
  if (before === undefined || after === undefined) throw broken('the text of a policy is missing');
  const archived = entry.proposal === null ? undefined : await textOf(source, entry.proposal);
  // The one line that the log may not know: for which network the signer was set up then.
  const network = /^network ([!-~]{1,63})$/m.exec(archived ?? '')?.[1] ?? '';
  const files = await Promise.all(
    entry.signatures.map(async ({ administrator, digest }) => ({
      name: administrator,
      text: await textOf(source, digest),
    })),
  );
  const signer = { origin, journal: journalId, network };
  const approval = approveStep({ signer, before, names, serial: entry.serial, after }, files);
  const proposal = approval && Buffer.from(approval.proposal).toString('utf8');
  const signers = approval?.signatures.map(({ administrator }) => administrator) ?? [];
  const isSame = proposal === archived && signers.join() === files.map(({ name }) => name).join();
  if (!isSame) throw broken('a policy was applied under another proposal than its entry names');
}

async function textOf(source: AuditSource, digest: string): Promise<string> {
  const text = await source.text(digest);
  if (text === undefined) throw broken('a proposal or signature is missing');
  return Buffer.from(text).toString('utf8');
}

const broken = (message: string): SignerError => new SignerError('JOURNAL_TORN', message);
