import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { CustodyError } from '../../pkcs11/error.ts';
import { lockState, type StateLock } from '../../pkcs11/state-lock.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { allFaults } from '../policy/all-faults.ts';
import { approveStep } from '../policy/approval.ts';
import { difference, formatDifference } from '../policy/difference.ts';
import { lonelyNotices } from '../policy/explain-words.ts';
import { mistakableNames } from '../policy/load.ts';
import { unknownCaaTags } from '../policy/read-access.ts';
import { checkNewNames } from '../policy/service-names.ts';
import { type Policy, policyDigest } from '../policy/types.ts';
import { type CommandContext, heldIdentities } from './context.ts';
import { addExplainCommand } from './explain.ts';
import { encodeKeyholderList, readListBytes, writeKeyholderList } from './list-file.ts';
import { addProposeCommand, readSignatures } from './policy-propose.ts';
import { loadOptions, nextStep, readPolicy } from './policy-step.ts';
import { checkRunningMemory } from './running-memory.ts';
import { openPolicyStore, type PolicyStore } from './policy-store.ts';

/** `policy check`, `policy propose`, `policy apply`, `policy explain`. */
export function addPolicyCommands(program: Command, context: CommandContext): void {
  const policy = program.command('policy').description('the only list of services, backends and limits');
  policy
    .command('check')
    .description('read every policy file and say all that is wrong; exit 2 if refused; changes nothing')
    .action(() => {
      const config = context.config();
      if (showFaults(config)) return;
      const loaded = readPolicy(config);
      // What the keyholder would not take is found here, not after the policy was put in force.
      encodeKeyholderList(config, loaded, 1);
      const missing = withoutIdentity(config, loaded);
      const found = missing.length === 0 ? 'nothing wrong' : 'not complete';
      context.print(`services: ${loaded.services.length}, digest ${policyDigest(loaded)}: ${found}\n`);
      if (missing.length > 0) process.exitCode = 1;
      const notices = [...swapNotices(config), ...unknownTags(loaded), ...lonelyNotices(loaded.services)];
      process.stderr.write([...missing, ...notices].join(''));
    });
  addExplainCommand(policy, context);
  addProposeCommand(policy, context);
  policy
    .command('apply')
    .description('show what changes and put the files in force under a new serial')
    .option('--yes', 'do not ask')
    .option('--signature <files...>', 'of administrators, on what `policy propose` wrote')
    .action(async (options: ApplyOptions) => {
      await applyPolicy(context, context.config(), options);
    });
}

/** Whether there are any: a line each, and of files that are not read. SignerError FILE_UNREADABLE. */
function showFaults(config: SignerConfig): boolean {
  const faults = allFaults(config.policies, loadOptions(config));
  const notices = mistakableNames(config.policies).map(
    name => `${name}: not read; its name must end in .yaml`,
  );
  const lines = [...notices, ...faults.map(({ code, message }) => `${code}: ${message}`)];
  process.stderr.write(lines.map(line => `${line}\n`).join(''));
  if (faults.length > 0) process.exitCode = 2;
  return faults.length > 0;
}

interface ApplyOptions {
  readonly yes?: boolean;
  readonly signature?: readonly string[];
}

/** One line for each enabled service whose identity is not sealed here, or is of another address. */
function withoutIdentity(config: SignerConfig, { services }: Policy): string[] {
  const held = new Map(heldIdentities(config).map(({ service, address }) => [service, address]));
  return services
    .filter(({ service, address, enabled }) => enabled && held.get(service) !== address)
    .map(({ service }) => {
      return held.has(service)
        ? `${service}: its identity is of another address; correct \`address\`: \`key list\` shows it\n`
        : `${service}: no identity of this name is sealed here; correct the name: \`key list\` shows those that are; or make one: \`key new ${service}\`\n`;
    });
}

/** What signer.yaml accepts and no policy file shows. */
const swapNotices = (config: SignerConfig): string[] =>
  config.isSwapAccepted
    ? ['notice: `locked_memory: swap-accepted`: where no memory can be locked, secrets can reach swap\n']
    : [];

/** One line for each CAA tag that authorities may not know. */
const unknownTags = ({ services }: Policy): string[] =>
  services.flatMap(({ service, caa }) =>
    unknownCaaTags(caa).map(
      tag => `${service}: no registry that we know has the CAA tag ${tag}; check its spelling\n`,
    ),
  );

async function applyPolicy(
  context: CommandContext,
  config: SignerConfig,
  { yes, signature }: ApplyOptions,
): Promise<void> {
  // Two at the same time would write one list, and each could put back what the other one replaced.
  const lock = await lockPolicies(config);
  let store: PolicyStore | undefined;
  try {
    store = await openPolicyStore(config);
    const step = nextStep(config, store);
    const { serial, after: next } = step;
    checkNewNames(step.names, next, heldIdentities(config));
    const list = encodeKeyholderList(config, next, serial, step.earlier);
    await checkRunningMemory(config);
    context.print(formatDifference(difference(store.policy, next)));
    const signatures = readSignatures(signature ?? []);
    // Judged before anything is written, and once more by whoever writes the journal.
    const approval = approveStep(step, signatures);
    if (approval !== undefined)
      context.print(
        `signed by ${approval.signatures.map(({ administrator }) => administrator).join(', ')}\n`,
      );
    process.stderr.write(swapNotices(config).join(''));
    if (yes !== true && !(await confirmed('Put this in force?')))
      throw new SignerError('DENIED', 'nothing was changed');
    // The list first: the daemon tells the keyholder to read it when it takes the policy.
    const there = readListBytes(config);
    writeKeyholderList(config, list);
    const settled = await store.put(serial, next, signatures).catch((error: unknown) => {
      if (isRefusal(error) && there !== undefined) writeKeyholderList(config, there);
      throw error;
    });
    context.print(`policy ${serial} is in force, digest ${policyDigest(next)}\n`);
    if (settled) return;
    process.stderr.write('The keyholder has not read its list yet; the daemon tries again: see `status`.\n');
    process.exitCode = 1;
  } finally {
    store?.close();
    await lock.release();
  }
}

/** Whether the policy is surely not in force: an answer that never came says nothing. */
const isRefusal = (error: unknown): boolean =>
  error instanceof SignerError && error.code !== 'NOT_READY' && error.code !== 'INTERNAL';

async function lockPolicies({ state }: SignerConfig): Promise<StateLock> {
  try {
    return await lockState(state);
  } catch (cause) {
    if (!(cause instanceof CustodyError && cause.code === 'STATE_LOCKED')) throw cause;
    throw new SignerError('POLICY_SERIAL', 'another `policy apply` runs; wait for its end', { cause });
  }
}

/** Asks on the terminal. SignerError DENIED where nobody can answer. */
export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new SignerError('DENIED', 'confirm with --yes where nobody can answer');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(`${question} Type yes: `)) === 'yes';
  } finally {
    lines.close();
  }
}
