import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { formatOnionAddress } from '../../descriptor/index.ts';
import { TokenClient } from '../../pkcs11/token-client.ts';
import type { SealSource } from '../../pkcs11/token-messages.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import { writeNew } from '../program/durable-file.ts';
import { type CommandContext, envelopePath, heldIdentities } from './context.ts';

const IMPORT_HINT =
  'The imported file still is this service: stop its old tor, and destroy every open copy once the new way is proven.\n';

interface SealOptions {
  readonly recipient?: readonly string[];
  readonly singleCustodian?: boolean;
}

/** `key new`, `key import`, `key list`. */
export function addKeyCommands(program: Command, context: CommandContext): void {
  const key = program.command('key').description('identities, sealed to tokens');
  sealing(key.command('new'))
    .description('make a new onion identity; it exists in clear in locked memory only')
    .argument('<service>', 'name of the service, as in its policy', checkName)
    .action(async (service: string, options: SealOptions) => {
      await seal(context, service, { kind: 'new' }, options);
    });
  sealing(key.command('import'))
    .description('seal the key of a running service; the file itself stays where it is')
    .argument('<service>', 'name of the service, as in its policy', checkName)
    .argument('<file>', 'hs_ed25519_secret_key of tor or the PEM key of Onionbalance; - for standard input')
    .action(async (service: string, file: string, options: SealOptions) => {
      await seal(context, service, { kind: 'import', path: file === '-' ? '' : resolve(file) }, options);
    });
  key
    .command('list')
    .description('what is sealed, as the headers of the envelopes say')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => {
      const held = heldIdentities(context.config());
      if (options.json === true) context.print(`${JSON.stringify(held)}\n`);
      else
        for (const { service, address, origin } of held) context.print(`${service}\t${address}\t${origin}\n`);
    });
}

function sealing(command: Command): Command {
  return command
    .option(
      '--recipient <age1…>',
      'a paper key of the stock age program that can open the envelope too (repeatable)',
      collect,
    )
    .option('--single-custodian', 'accept that the loss of the one token is the loss of the address');
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

function checkName(name: string): string {
  if (!new RegExp(NAME_PATTERN).test(name))
    throw new InvalidArgumentError('use lower-case letters, digits and hyphens');
  return name;
}

async function seal(
  context: CommandContext,
  service: string,
  source: SealSource,
  options: SealOptions,
): Promise<void> {
  const config = context.config();
  checkRecipients(config, options);
  const path = envelopePath(config, service);
  // Asked before the token is: an identity that cannot be stored must not be made.
  if (existsSync(path))
    throw new SignerError('BAD_VALUE', `${path}: this service has an identity; choose another name`);
  mkdirSync(config.envelopes, { recursive: true, mode: 0o700 });
  const client = new TokenClient({ deadlineMs: Math.max(config.deadlineMs, 30_000) });
  const sealed = await client.seal({
    tokens: config.tokens.map(uri => ({ uri, modulePath: '', pinSource: config.pin })),
    ageRecipients: options.recipient ?? [],
    source,
  });
  writeNew(path, sealed.envelope, 0o600);
  const address = formatOnionAddress(sealed.kpHsId);
  if (source.kind === 'import') process.stderr.write(IMPORT_HINT);
  context.print(`${address}\n`);
  const policy = join(config.policies, `${service}.yaml`);
  if (!existsSync(policy)) process.stderr.write(policyHint(config, service, address, policy));
}

/** One recipient is one accident away from no address. */
function checkRecipients(config: SignerConfig, options: SealOptions): void {
  if (config.tokens.length + (options.recipient?.length ?? 0) > 1 || options.singleCustodian === true) return;
  throw new SignerError(
    'BAD_VALUE',
    'name a second recipient: a spare token in signer.yaml or --recipient age1…; or accept --single-custodian',
  );
}

function policyHint(config: SignerConfig, service: string, address: string, path: string): string {
  const publishers = [...config.publishers.keys()].join(', ');
  return [
    `Write ${path}, then run: onion-signer policy apply`,
    `service: ${service}`,
    `address: ${address}`,
    `publishers: [${publishers}]`,
    'backends:',
    '  NAME: <56 characters>.onion   # read at the backend itself',
    '',
  ].join('\n');
}
