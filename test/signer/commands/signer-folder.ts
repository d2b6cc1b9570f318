import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type SignerConfig } from '../../../src/signer/config.ts';

/** The configuration of a signer below a new folder, with two publishers and an empty folder of policies. */
export function signerFolder(): { readonly folder: string; readonly config: SignerConfig } {
  const folder = mkdtempSync(join(tmpdir(), 'signer-'));
  const lines = [
    'tokens: [ "pkcs11:token=a?module-name=softhsm2" ]',
    'pin: tty',
    'publishers: { vps1: unix, vps2: unix }',
    `state: ${folder}`,
    `run: ${folder}`,
    `policies: ${join(folder, 'policies')}`,
  ];
  const config = parseConfig(`${lines.join('\n')}\n`, join(folder, 'signer.yaml'));
  mkdirSync(config.policies);
  return { folder, config };
}
