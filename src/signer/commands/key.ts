import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { formatOnionAddress } from '../../descriptor/index.ts';
import type { BackupKey } from '../../pkcs11/backup.ts';
import type { SealSource } from '../../pkcs11/seal-messages.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { writeNew } from '../program/durable-file.ts';
import { addBackupCommands } from './backup.ts';
import { type CommandContext, envelopePath, heldIdentities } from './context.ts';
import { accessOf, checkCustodians, operatorClient, readHeld, setAside } from './held-envelope.ts';
import { checkServiceName, collect } from './key-options.ts';
import { readPolicy } from './policy-step.ts';
import { addRecipientCommands } from './recipients.ts';

const IMPORT_HINT =
  'The imported file still is this service: stop its old tor, and destroy every open copy once the new way is proven.\n';

interface SealOptions {
  readonly recipient?: readonly string[];
  readonly singleCustodian?: boolean;
}

interface ImportOptions extends SealOptions {
  readonly identityFile?: string;
  readonly passphrase?: string;
}

/** `key new`, `key import`, `key list`, `key retire`, and those for recipients and backups. */
export function addKeyCommands(program: Command, context: CommandContext): void {
  const key = program.command('key').description('identities, sealed to tokens');
  sealing(key.command('new'))
    .description('make a new onion identity; it exists in clear in locked memory only')
    .argument('<service>', 'name of the service, as in its policy', checkServiceName)
    .action(async (service: string, options: SealOptions) => {
      await seal(context, service, { kind: 'new' }, options);
    });
  sealing(key.command('import'))
    .description('seal the key of a running service; the file itself stays where it is')
    .argument('<service>', 'name of the service, as in its policy', checkServiceName)
    .argument(
      '<file>',
      'hs_ed25519_secret_key of tor or the PEM key of Onionbalance (- for standard input), or a backup: an age file',
    )
    .option('--identity-file <file>', 'FILE is an age file, such as an envelope, and this paper key opens it')
    .option(
      '--passphrase <source>',
      'FILE is a passphrase copy; tty or file:/path, never the passphrase itself',
    )
    .action(async (service: string, file: string, options: ImportOptions) => {
      await seal(context, service, sourceOf(file, options), options);
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
  key
    .command('retire')
    .description('move the sealed identity of a service that is over out of the way; destroys nothing')
    .argument('<service>', 'name of the service', checkServiceName)
    .requiredOption('--address <address>', 'the address, written out: so that the right one is retired')
    .action((service: string, options: { address: string }) => {
      retire(context, service, options.address);
    });
  addRecipientCommands(key, context);
  addBackupCommands(key, context);
}

function isServed(config: SignerConfig, address: string): boolean {
  if (!existsSync(config.policies)) return false;
  try {
    return readPolicy(config).services.some(service => service.address === address);
  } catch (error) {
    if (error instanceof SignerError && error.code === 'POLICY_EMPTY') return false;
    throw error;
  }
}

function sourceOf(file: string, { identityFile, passphrase }: ImportOptions): SealSource {
  if (identityFile === undefined && passphrase === undefined)
    return { kind: 'import', path: file === '-' ? '' : resolve(file) };
  if (identityFile !== undefined && passphrase !== undefined)
    throw new SignerError('BAD_VALUE', 'give --identity-file or --passphrase, not both');
  const key: BackupKey =
    identityFile === undefined
      ? { kind: 'passphrase', source: passphrase ?? '' }
      : { kind: 'paper', path: resolve(identityFile) };
  return { kind: 'backup', file: readFileSync(file), key };
}

/** Policy is asked first: a service that is still signed for would be down when its periods end. */
function retire(context: CommandContext, service: string, address: string): void {
  const config = context.config();
  const held = readHeld(config, service);
  if (address !== `${held.header.address}.onion`)
    throw new SignerError('BAD_VALUE', `--address is not the one of ${service}; see key list`);
  if (isServed(config, address))
    throw new SignerError(
      'BAD_VALUE',
      'policy names this service: remove it there and run policy apply, then retire the key',
    );
  context.print(`${setAside(held, service)}\n`);
  process.stderr.write(
    'The file still is this service for whoever opens it: destroy it with its copies, or keep them as well as before.\n',
  );
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

async function seal(
  context: CommandContext,
  service: string,
  source: SealSource,
  options: SealOptions,
): Promise<void> {
  const config = context.config();
  checkCustodians(config.tokens.length + (options.recipient?.length ?? 0), options.singleCustodian);
  const path = envelopePath(config, service);
  // Asked before the token is: an identity that cannot be stored must not be made.
  if (existsSync(path))
    throw new SignerError('BAD_VALUE', `${path}: this service has an identity; choose another name`);
  mkdirSync(config.envelopes, { recursive: true, mode: 0o700 });
  const sealed = await operatorClient(config).seal({
    tokens: config.tokens.map(uri => accessOf(config, uri)),
    ageRecipients: options.recipient ?? [],
    source,
  });
  writeNew(path, sealed.envelope, 0o600);
  const address = formatOnionAddress(sealed.kpHsId);
  if (source.kind === 'import') process.stderr.write(IMPORT_HINT);
  context.print(`${address}\n`);
  const policy = join(config.policies, `${service}.yaml`);
  if (!existsSync(policy)) process.stderr.write(policyHint(context, service, address, policy));
}

function policyHint(context: CommandContext, service: string, address: string, path: string): string {
  const publishers = [...context.config().publishers.keys()].join(', ');
  return [
    `Write ${path}, then run: ${context.command('policy apply')}`,
    `service: ${service}`,
    `address: ${address}`,
    `publishers: [${publishers}]`,
    'backends:',
    '  NAME: <56 characters>.onion   # read at the backend itself',
    '',
  ].join('\n');
}
