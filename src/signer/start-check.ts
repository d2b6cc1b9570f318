import type { NetworkProfile } from '../descriptor/index.ts';
import { SignerError } from './contract/problems.ts';
import { parseNoteVerifier } from './contract/signed-note.ts';
import type { Keyholder, KeyholderState } from './ports.ts';
import type { RouteContext } from './routes.ts';

/** What of the keyholder's list on disk is compared at the start. */
export interface ListOnDisk {
  readonly serial: number;
  readonly profile: NetworkProfile;
}

/**
 * Configuration, journal, keyholder and its list (undefined when the core cannot read it) are of one signer and one
 * day, and the keyholder has the fence of the last recovery. SignerError CONFIG_NOT_APPLIED, JOURNAL_FOREIGN, POLICY_SERIAL, CHECKPOINT_FORK, KEYHOLDER_*. A journal that is
 * halted passes: the daemon then says so and signs nothing.
 */
export async function checkStart(
  { core, checkpoints }: RouteContext,
  list: ListOnDisk | undefined,
): Promise<void> {
  const { checkpointKey, listSerial, network } = await statusInStep(core.keyholder, core.policySerial());
  if (
    network !== core.profile.name ||
    (list?.serial === listSerial && !sameTimes(list.profile, core.profile))
  ) {
    throw new SignerError('CONFIG_NOT_APPLIED', 'signer.yaml names another network: run `policy apply`');
  }
  if (parseNoteVerifier(checkpointKey).name !== core.journal.standing.origin) {
    throw new SignerError(
      'JOURNAL_FOREIGN',
      'journal and keyholder state are of two signers; restore the state directory, or run `init --recover`',
    );
  }
  if (listSerial !== core.policySerial()) {
    const which = listSerial > core.policySerial() ? 'newer' : 'older';
    throw new SignerError(
      'POLICY_SERIAL',
      `the keyholder’s list is ${which} than the policy in the journal; run \`policy apply\` again`,
    );
  }
  // A keyholder that cannot be told does not sign: the daemon ends here. What it has is told again for nothing.
  const { fence } = core.journal.standing;
  if (fence > 0) await core.keyholder.raiseFloor(fence);
  // The keyholder signs no head that is older than its last.
  if (checkpoints.halted === undefined) await checkpoints.newest();
}

/** A keyholder of its own process may have started before the policy was applied: it reads its list again. */
async function statusInStep(keyholder: Keyholder, policySerial: number): Promise<KeyholderState> {
  const status = await keyholder.status();
  if (status.listSerial >= policySerial) return status;
  await keyholder.reload();
  return await keyholder.status();
}

/** Period numbers and windows follow from these two. */
const sameTimes = (one: NetworkProfile, other: NetworkProfile): boolean =>
  one.votingIntervalSeconds === other.votingIntervalSeconds &&
  one.periodLengthMinutes === other.periodLengthMinutes;
