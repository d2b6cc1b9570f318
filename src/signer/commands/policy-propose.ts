import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { SignerError } from '../contract/problems.ts';
import {
  checkStep,
  encodeProposal,
  SIGNATURE_NAMESPACE,
  type SignatureFile,
  signaturesNeeded,
} from '../policy/approval.ts';
import { checkNewNames } from '../policy/service-names.ts';
import { writeNew } from '../program/durable-file.ts';
import { readConfigFile } from '../program/read-file.ts';
import { type CommandContext, heldIdentities } from './context.ts';
import { nextStep } from './policy-step.ts';
import { openPolicyStore } from './policy-store.ts';

const MAX_SIGNATURE_BYTES = 8_192;

/** `policy propose`: what administrators sign. It changes nothing. */
export function addProposeCommand(policy: Command, context: CommandContext): void {
  policy
    .command('propose')
    .description('write the text that administrators sign before the files can be applied; changes nothing')
    .option('--out <file>', 'a new file; standard output when not given')
    .action(async ({ out }: { out?: string }) => {
      if (out !== undefined && existsSync(out))
        throw new SignerError('BAD_VALUE', `${out}: name a file that does not exist`);
      const config = context.config();
      const store = await openPolicyStore(config);
      try {
        const step = nextStep(config, store);
        checkStep(step);
        checkNewNames(step.names, step.after, heldIdentities(config));
        const proposal = encodeProposal(step);
        if (out === undefined) context.print(Buffer.from(proposal).toString('utf8'));
        else writeNew(out, proposal, 0o644);
        process.stderr.write(adviceFor(signaturesNeeded(step), out ?? 'PROPOSAL'));
      } finally {
        store.close();
      }
    });
}

function adviceFor(needed: number, file: string): string {
  if (needed === 0) return 'No administrators are in force: `policy apply` needs no signature.\n';
  return (
    `${needed} of the administrators in force read and sign it, each with their own key:\n` +
    `  ssh-keygen -Y sign -n ${SIGNATURE_NAMESPACE} -f KEY ${file}\n` +
    'then run `policy apply --signature FILE.sig …` with what that wrote.\n'
  );
}

/** SignerError FILE_UNREADABLE. */
export const readSignatures = (paths: readonly string[]): SignatureFile[] =>
  paths.map(name => ({ name, text: readConfigFile(name, MAX_SIGNATURE_BYTES) }));
