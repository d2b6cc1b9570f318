import type { KeyholderList } from '../../pkcs11/list.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import type { PolicyStep } from '../policy/approval.ts';
import { type LoadOptions, loadPolicy } from '../policy/load.ts';
import type { Policy } from '../policy/types.ts';
import { heldAddresses } from './context.ts';
import { readKeyholderList } from './list-file.ts';
import type { PolicyStore } from './policy-store.ts';

/** The policy of the files. SignerError as loadPolicy. */
export const readPolicy = (config: SignerConfig): Policy => loadPolicy(config.policies, loadOptions(config));

/** What the files are judged with. */
export const loadOptions = (config: SignerConfig): LoadOptions => ({
  publishers: new Set(config.publishers.keys()),
  held: heldAddresses(config),
});

/** What comes into force next: its step from the policy in force, and the keyholder's list before. */
export function nextStep(
  config: SignerConfig,
  store: PolicyStore,
): PolicyStep & { readonly earlier: KeyholderList | undefined } {
  const after = readPolicy(config);
  const { signer, policy: before, names } = store;
  if (before.administrators !== undefined && signer.network !== config.profile.name) {
    throw new SignerError('CONFIG_NOT_APPLIED', 'stop the daemon: signer.yaml names another network');
  }
  // An application that was cut off may have left a list that the journal never heard of.
  const earlier = readKeyholderList(config);
  const serial = 1 + Math.max(store.serial, earlier?.serial ?? 0);
  return { signer, before, names, serial, after, earlier };
}
