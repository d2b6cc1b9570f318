import { type AdminAnswer, askDaemon } from '../daemon-client.ts';
import { journalPath, type SignerConfig } from '../config.ts';
import { type ProblemCode, PROBLEMS, SignerError } from '../contract/problems.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { readServiceNames, ServiceNames } from '../policy/service-names.ts';
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
  /** Of all policies that were in force. */
  readonly names: ServiceNames;
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
  const named = await askDaemon(config, 'GET', '/policy/names');
  if (answer.status !== 200 || named?.status !== 200)
    throw new SignerError('NOT_READY', 'the daemon refused to show its policy; see its log');
  const names = new ServiceNames();
  names.take({ services: JSON.parse(named.body.toString('utf8')) as ServiceNames['all'] });
  return {
    names,
    serial: Number(answer.headers['policy-serial']),
    policy: parsePolicySnapshot(answer.body),
    signer: JSON.parse(String(answer.headers['policy-signer'])) as SignerIdentity,
    async put(serial, next, signatures) {
      const body = encodeApplication(encodePolicy(next), signatures);
      const done = await askDaemon(config, 'PUT', `/policy/${serial}`, body);
      if (done?.status !== 200) throw refusalOf(done);
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
    const current = journal.policies.current();
    // What another version wrote is not read as if it were nothing: it may name administrators.
    const policy = current === undefined ? EMPTY_POLICY : parsePolicySnapshot(current.text);
    const { journalId, standing } = journal;
    const names = readServiceNames(journal.policies);
    const signer = { origin: standing.origin, journal: journalId, network: config.profile.name };
    return {
      serial: current?.serial ?? 0,
      policy,
      signer,
      names,
      put: async (serial, next, signatures) => {
        const approval = approveStep({ signer, before: policy, names, serial, after: next }, signatures);
        await journal.policies.apply(serial, encodePolicy(next), approval);
        return true; // the keyholder reads its list when it starts
      },
      close: () => journal.close(),
    };
  } catch (error) {
    journal.close();
    throw error;
  }
}

/** What the daemon said; NOT_READY when it did not answer at all, and may have taken the policy. */
function refusalOf(answer: AdminAnswer | undefined): SignerError {
  const message = 'the daemon did not take the policy; see its log';
  const { code } =
    answer === undefined ? {} : (JSON.parse(answer.body.toString('utf8')) as { code?: unknown });
  return new SignerError(
    typeof code === 'string' && Object.hasOwn(PROBLEMS, code) ? (code as ProblemCode) : 'NOT_READY',
    message,
  );
}
