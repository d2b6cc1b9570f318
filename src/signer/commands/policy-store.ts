import { askDaemon } from '../daemon-client.ts';
import { journalPath, type SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { parsePolicySnapshot } from '../policy/snapshot.ts';
import type { Policy } from '../policy/types.ts';

/** The policy in force, wherever its one writer is: the running daemon, or the journal itself when none runs. */
export interface PolicyStore {
  readonly serial: number;
  readonly policy: Policy;
  /**
   * Puts the canonical policy in force under `serial`; the same again changes nothing. False when a running keyholder
   * has not read its list yet. SignerError POLICY_SERIAL, POLICY_SNAPSHOT, NOT_READY.
   */
  put(serial: number, text: Uint8Array): Promise<boolean>;
  close(): void;
}

/** Opens the door to the policy in force. SignerError JOURNAL_*, NOT_READY. */
export async function openPolicyStore(config: SignerConfig): Promise<PolicyStore> {
  const answer = await askDaemon(config, 'GET', '/policy');
  if (answer === undefined) return offlineStore(config);
  if (answer.status !== 200)
    throw new SignerError('NOT_READY', 'the daemon refused to show its policy; see its log');
  return {
    serial: Number(answer.headers['policy-serial']),
    policy: parsePolicySnapshot(answer.body),
    async put(serial, text) {
      const done = await askDaemon(config, 'PUT', `/policy/${serial}`, text);
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
    return {
      serial: current?.serial ?? 0,
      policy: current === undefined ? { services: [] } : readEarlier(current.text),
      put: async (serial, text) => {
        await journal.applyPolicy(serial, text);
        return true; // the keyholder reads its list when it starts
      },
      close: () => journal.close(),
    };
  } catch (error) {
    journal.close();
    throw error;
  }
}

/** What cannot be read (an older release wrote it) is as if there were none: `policy apply` shows everything as new. */
function readEarlier(text: Uint8Array): Policy {
  try {
    return parsePolicySnapshot(text);
  } catch (error) {
    if (error instanceof SignerError && error.code === 'POLICY_SNAPSHOT') return { services: [] };
    throw error;
  }
}
