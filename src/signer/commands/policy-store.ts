import { askDaemon } from '../daemon-client.ts';
import { journalPath, type SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { parsePolicySnapshot } from '../policy/snapshot.ts';
import {
  approveStep,
  encodeApplication,
  type SignatureFile,
  type SignerIdentity,
} from '../policy/approval.ts';
import { EMPTY_POLICY, encodePolicy, type Policy } from '../policy/types.ts';

/** The policy in force, wherever its one writer is: the running daemon, or the journal itself when none runs. */
export interface PolicyStore {
  readonly serial: number;
  readonly policy: Policy;
  /** Whom a proposal for the next policy must name. */
  readonly signer: SignerIdentity;
  /**
   * Puts a policy in force under `serial`; the same again changes nothing. False when a running keyholder has not read its
   * list yet. SignerError POLICY_SERIAL, POLICY_SNAPSHOT, NOT_READY, and those of approveStep.
   */
  put(serial: number, next: Policy, signatures: readonly SignatureFile[]): Promise<boolean>;
  close(): void;
}

/** Opens the door to the policy in force. SignerError JOURNAL_*, POLICY_SNAPSHOT, NOT_READY. */
export async function openPolicyStore(config: SignerConfig): Promise<PolicyStore> {
  const answer = await askDaemon(config, 'GET', '/policy');
  if (answer === undefined) return offlineStore(config);
  if (answer.status !== 200)
    throw new SignerError('NOT_READY', 'the daemon refused to show its policy; see its log');
  return {
    serial: Number(answer.headers['policy-serial']),
    policy: parsePolicySnapshot(answer.body),
    signer: JSON.parse(String(answer.headers['policy-signer'])) as SignerIdentity,
    async put(serial, next, signatures) {
      const body = encodeApplication(encodePolicy(next), signatures);
      const done = await askDaemon(config, 'PUT', `/policy/${serial}`, body);
      if (done?.status !== 200)
        throw new SignerError('NOT_READY', 'the daemon did not take the policy; see its log');
      return (JSON.parse(done.body.toString('utf8')) as { settled: boolean }).settled;
    },
    close: () => undefined,
  };
}

function offlineStore(config: SignerConfig): PolicyStore {
  const journal: Journal = openJournal({
    path: journalPath(config),
    now: () => Math.floor(Date.now() / 1000),
  });
  try {
    const current = journal.currentPolicy();
    // What another version wrote is not read as if it were nothing: it may name administrators.
    const policy = current === undefined ? EMPTY_POLICY : parsePolicySnapshot(current.text);
    const { journalId, standing } = journal;
    const signer = { origin: standing.origin, journal: journalId, network: config.profile.name };
    return {
      serial: current?.serial ?? 0,
      policy,
      signer,
      put: async (serial, next, signatures) => {
        const approval = approveStep({ signer, before: policy, serial, after: next }, signatures);
        await journal.applyPolicy(serial, encodePolicy(next), approval);
        return true; // the keyholder reads its list when it starts
      },
      close: () => journal.close(),
    };
  } catch (error) {
    journal.close();
    throw error;
  }
}
