import { formerFindings } from '../seeds.ts';
import type { Target } from '../target.ts';
import { DESCRIPTOR_FILES } from './descriptor-files.ts';
import { DESCRIPTOR_LAYERS } from './descriptor-layers.ts';
import { DESCRIPTOR_OPEN } from './descriptor-open.ts';
import { DESCRIPTOR_PARTS } from './descriptor-parts.ts';
import { PKCS11_ENVELOPES } from './pkcs11-envelopes.ts';
import { PKCS11_MESSAGES } from './pkcs11-messages.ts';
import { PKCS11_PROBE } from './pkcs11-probe.ts';
import { PKCS11_SIGNING } from './pkcs11-signing.ts';
import { PKCS11_STATES } from './pkcs11-states.ts';
import { PUBLISHER } from './publisher.ts';
import { SIGNER_NOTES } from './signer-notes.ts';
import { SIGNER_SSH } from './signer-ssh.ts';
import { SIGNER } from './signer.ts';

/** Every target; what was a finding once is a seed of its target for ever. */
export const TARGETS: readonly Target[] = [
  ...DESCRIPTOR_PARTS,
  ...DESCRIPTOR_FILES,
  ...DESCRIPTOR_LAYERS,
  ...DESCRIPTOR_OPEN,
  ...PKCS11_MESSAGES,
  ...PKCS11_ENVELOPES,
  ...PKCS11_PROBE,
  ...PKCS11_SIGNING,
  ...PKCS11_STATES,
  ...SIGNER,
  ...SIGNER_NOTES,
  ...SIGNER_SSH,
  ...PUBLISHER,
].map(target => ({ ...target, seeds: () => [...target.seeds(), ...formerFindings(target.name)] }));
