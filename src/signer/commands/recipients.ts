import type { Command } from 'commander';
import { parseEnvelope } from '../../pkcs11/envelope-header.ts';
import { CustodyError } from '../../pkcs11/error.ts';
import { type Recipient, recipientName } from '../../pkcs11/recipient.ts';
import type { ResealRequest, SealedIdentity } from '../../pkcs11/seal-messages.ts';
import type { TokenAccess } from '../../pkcs11/token-messages.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { fileDigest, readRecord } from './backup-record.ts';
import { verifiedText } from './backup-text.ts';
import type { CommandContext } from './context.ts';
import {
  accessOf,
  checkCustodians,
  countRecipients,
  type HeldEnvelope,
  operatorClient,
  readHeld,
  recipientNames,
  replaceHeld,
  withFirstToken,
} from './held-envelope.ts';
import { formatOrigin } from './keyholder-door.ts';
import { checkServiceName, collect } from './key-options.ts';

const REMOVED_HINT =
  'Every old copy of the envelope still opens with the removed recipient: destroy the copies. If its key is in wrong hands, the address is.\n';

interface AddOptions {
  readonly token?: readonly string[];
  readonly pin?: string;
  readonly recipient?: readonly string[];
}

/** `key recipients list`, `add`, `remove`. */
export function addRecipientCommands(key: Command, context: CommandContext): void {
  const recipients = key.command('recipients').description('who can open the sealed identity of a service');
  recipients
    .command('list')
    .description('as the header of the envelope says; key verify-backup opens it')
    .argument('<service>', 'name of the service', checkServiceName)
    .option('--json', 'for programs')
    .action((service: string, options: { json?: boolean }) => {
      list(context, service, options.json === true);
    });
  recipients
    .command('add')
    .description('seal the identity again, to one recipient more; needs a token that can open it')
    .argument('<service>', 'name of the service', checkServiceName)
    .option('--token <uri>', 'another token or HSM, prepared by token prepare (repeatable)', collect)
    .option('--pin <source>', 'of that token, if it is not the one of signer.yaml: file:/path or tty')
    .option('--recipient <age1…>', 'a paper key of the stock age program (repeatable)', collect)
    .action(async (service: string, options: AddOptions) => {
      await add(context, service, options);
    });
  recipients
    .command('remove')
    .description('seal the identity again without a recipient; old copies of the file stay what they are')
    .argument('<service>', 'name of the service', checkServiceName)
    .argument('<name...>', 'as `key recipients list` shows it: a key tag or age1…')
    .option('--single-custodian', 'accept that the loss of the one token is the loss of the address')
    .action(async (service: string, names: string[], options: { singleCustodian?: boolean }) => {
      await remove(context, service, names, options.singleCustodian);
    });
}

function list(context: CommandContext, service: string, asJson: boolean): void {
  const config = context.config();
  const held = readHeld(config, service);
  const { header, bytes } = held;
  const record = readRecord(config, service);
  const digest = fileDigest(bytes);
  const named = new Map(header.recipients.map(each => [recipientName(each), each]));
  const rows = recipientNames(header).map(name => ({
    name,
    ...describe(named.get(name)),
    ...record.get(name),
  }));
  const copies = [...record].filter(([name]) => name.startsWith('copy:'));
  if (asJson) {
    const all = { service, address: `${header.address}.onion`, origin: header.origin, recipients: rows };
    context.print(
      `${JSON.stringify({ ...all, copies: copies.map(([name, seen]) => ({ name, ...seen })) })}\n`,
    );
    return;
  }
  context.print(`${header.address}.onion\t${formatOrigin(header.origin)}, as the header says\n`);
  for (const { name, kind, uri } of rows) {
    const shown = [name === '' ? '(not named)' : name, kind, uri, verifiedText(record.get(name), digest)];
    context.print(`${shown.filter(text => text !== '').join('\t')}\n`);
  }
  for (const [name, seen] of copies) context.print(`${name}\tpassphrase\t${verifiedText(seen)}\n`);
}

function describe(recipient: Recipient | undefined): { readonly kind: string; readonly uri: string } {
  if (recipient === undefined) return { kind: 'unknown', uri: '' };
  return { kind: recipient.kind, uri: recipient.kind === 'X25519' ? '' : recipient.uri };
}

async function add(context: CommandContext, service: string, options: AddOptions): Promise<void> {
  const config = context.config();
  const { token = [], recipient: ageRecipients = [], pin } = options;
  if (token.length + ageRecipients.length === 0)
    throw new SignerError('BAD_VALUE', 'name the new recipient: --token pkcs11:… or --recipient age1…');
  const held = readHeld(config, service);
  const added = token.map(uri => accessOf(config, uri, pin));
  const sealed = await reseal(config, held, { added, ageRecipients, remove: [] });
  store(context, service, held, sealed);
  if (token.length > 0)
    process.stderr.write(
      'Name the token in `tokens:` of signer.yaml, and run policy apply, if it shall open daily.\n',
    );
}

async function remove(
  context: CommandContext,
  service: string,
  names: readonly string[],
  singleCustodian: boolean | undefined,
): Promise<void> {
  const config = context.config();
  const held = readHeld(config, service);
  // Both asked before the token is.
  if (!names.every(name => recipientNames(held.header).includes(name)))
    throw new CustodyError('RECIPIENT_UNKNOWN');
  checkCustodians(countRecipients(held.header) - new Set(names).size, singleCustodian);
  const sealed = await reseal(config, held, { added: [], ageRecipients: [], remove: names });
  checkCustodians(countRecipients(parseEnvelope(sealed.envelope)), singleCustodian);
  store(context, service, held, sealed);
  process.stderr.write(REMOVED_HINT);
}

type Change = Pick<ResealRequest, 'added' | 'ageRecipients' | 'remove'>;

/** With the first token that is here; with all of signer.yaml when an AES key among the recipients needs its own. */
async function reseal(config: SignerConfig, held: HeldEnvelope, change: Change): Promise<SealedIdentity> {
  const client = operatorClient(config);
  const ask = async (tokens: readonly TokenAccess[]): Promise<SealedIdentity> =>
    await client.reseal({ ...change, tokens, envelope: held.bytes, kpHsId: held.kpHsId });
  return await withFirstToken(config, async access => {
    try {
      return await ask([access]);
    } catch (thrown) {
      if (!(thrown instanceof CustodyError && thrown.code === 'RECIPIENT_ABSENT')) throw thrown;
      const others = config.tokens.map(uri => accessOf(config, uri)).filter(({ uri }) => uri !== access.uri);
      if (others.length === 0) throw thrown;
      return await ask([access, ...others]);
    }
  });
}

/** The token process has opened the new envelope with every token that was here, before this replaces the old one. */
function store(context: CommandContext, service: string, held: HeldEnvelope, sealed: SealedIdentity): void {
  replaceHeld(held, sealed.envelope);
  context.print(`${service} is sealed to ${countRecipients(parseEnvelope(sealed.envelope))} recipients\n`);
  list(context, service, false);
}
