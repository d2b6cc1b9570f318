import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { encodeList } from '../../pkcs11/list.ts';
import { keyholderListPath, type SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { compileKeyholderList } from '../policy/compile.ts';
import { difference, formatDifference } from '../policy/difference.ts';
import { loadPolicy } from '../policy/load.ts';
import { encodePolicy, type Policy, policyDigest } from '../policy/types.ts';
import { writeDurably } from '../program/durable-file.ts';
import { type CommandContext, envelopePath, heldAddresses } from './context.ts';
import { openPolicyStore } from './policy-store.ts';

/** `policy check`, `policy apply`. */
export function addPolicyCommands(program: Command, context: CommandContext): void {
  const policy = program.command('policy').description('the only list of services, backends and limits');
  policy
    .command('check')
    .description('read every policy file and say what is wrong; changes nothing')
    .action(() => {
      const config = context.config();
      const loaded = readPolicy(config);
      context.print(`${loaded.services.length} services, digest ${policyDigest(loaded)}: nothing wrong\n`);
    });
  policy
    .command('apply')
    .description('show what changes and put the files in force under a new serial')
    .option('--yes', 'do not ask')
    .action(async (options: { yes?: boolean }) => {
      await applyPolicy(context, context.config(), options.yes === true);
    });
}

export function readPolicy(config: SignerConfig): Policy {
  return loadPolicy(config.policies, {
    publishers: new Set(config.publishers.keys()),
    held: heldAddresses(config),
  });
}

async function applyPolicy(context: CommandContext, config: SignerConfig, yes: boolean): Promise<void> {
  const next = readPolicy(config);
  const store = await openPolicyStore(config);
  try {
    context.print(formatDifference(difference(store.policy, next)));
    if (!yes && !(await confirmed())) throw new SignerError('DENIED', 'nothing was changed');
    const serial = store.serial + 1;
    // The list first: the daemon tells the keyholder to read it when it takes the policy.
    writeKeyholderList(config, next, serial);
    await store.put(serial, encodePolicy(next));
    context.print(`policy ${serial} is in force, digest ${policyDigest(next)}\n`);
  } finally {
    store.close();
  }
}

/** Compiles and writes the keyholder's canonical list, mode 0644: it holds nothing secret. */
export function writeKeyholderList(config: SignerConfig, policy: Policy, serial: number): void {
  const list = compileKeyholderList(policy, {
    serial,
    profile: config.profile,
    aheadSeconds: config.aheadSeconds,
    runwaySeconds: config.runwaySeconds,
    deadlineMs: config.deadlineMs,
    tokens: config.tokens.map(uri => ({ uri, modulePath: '' })),
    pinSource: config.pin,
    envelopePath: service => envelopePath(config, service),
  });
  writeDurably(keyholderListPath(config), encodeList(list), 0o644);
}

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw new SignerError('DENIED', 'confirm with --yes where nobody can answer');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question('Put this in force? Type yes: ')) === 'yes';
  } finally {
    lines.close();
  }
}
