import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupKey } from '../../pkcs11/backup.ts';
import { type CustodyError, toCustodyError } from '../../pkcs11/error.ts';
import { recipientName } from '../../pkcs11/recipient.ts';
import type { VerifyRequest } from '../../pkcs11/seal-messages.ts';
import { parsePkcs11Uri } from '../../pkcs11/uri.ts';
import type { TokenClient } from '../../pkcs11/token-client.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { writeNew } from '../program/durable-file.ts';
import { noteVerified } from './backup-record.ts';
import type { CommandContext } from './context.ts';
import {
  accessOf,
  type HeldEnvelope,
  isNotHere,
  operatorClient,
  readHeld,
  recipientNames,
  withFirstToken,
} from './held-envelope.ts';
import { checkServiceName, collect } from './key-options.ts';

interface VerifyOptions {
  readonly token?: readonly string[];
  readonly pin?: string;
  readonly identityFile?: readonly string[];
  readonly copy?: string;
  readonly passphrase?: string;
  readonly json?: boolean;
}

/** One recipient, and what became of it. */
interface Outcome {
  readonly result: 'opened' | 'failed' | 'not tried';
  /** Key tag, `age1…`, `copy:PATH`; or the URI or path that was tried in vain. */
  readonly name: string;
  /** What was tried, for people. */
  readonly by: string;
  readonly code?: string;
  /** What to do about `code`. */
  readonly advice?: string;
}

/** `key verify-backup` and `key passphrase-copy`. */
export function addBackupCommands(key: Command, context: CommandContext): void {
  key
    .command('verify-backup')
    .description('open the envelope with each recipient in turn and compare the key with the address')
    .argument('<service>', 'name of the service', checkServiceName)
    .option('--token <uri>', 'a token that signer.yaml does not name, such as a spare (repeatable)', collect)
    .option('--pin <source>', 'of that token, if it is not the one of signer.yaml: file:/path or tty')
    .option('--identity-file <file>', 'a paper key, as age-keygen writes it (repeatable)', collect)
    .option('--copy <file>', 'a passphrase copy, with --passphrase')
    .option('--passphrase <source>', 'tty or file:/path; never the passphrase itself')
    .option('--json', 'for programs')
    .action(async (service: string, options: VerifyOptions) => {
      await verifyBackup(context, service, options);
    });
  key
    .command('passphrase-copy')
    .description('write the identity to a file of its own that the stock age program opens with a passphrase')
    .argument('<service>', 'name of the service', checkServiceName)
    .argument('<file>', 'the new file; keep it elsewhere')
    .option('--passphrase <source>', 'tty or file:/path; never the passphrase itself', 'tty')
    .action(async (service: string, file: string, options: { passphrase: string }) => {
      const config = context.config();
      const held = readHeld(config, service);
      const client = operatorClient(config);
      const { bytes: envelope, kpHsId } = held;
      const path = resolve(file);
      const copy = await withFirstToken(config, async access =>
        client.copy({ envelope, kpHsId, access, passphraseSource: options.passphrase }),
      );
      writeNew(path, copy, 0o600);
      noteVerified(config, service, [{ name: `copy:${path}`, bytes: copy }]);
      context.print(`${path}\n`);
    });
}

async function verifyBackup(context: CommandContext, service: string, options: VerifyOptions): Promise<void> {
  const config = context.config();
  const held = readHeld(config, service);
  const { outcomes, copy } = await tryAll(config, held, options);
  const successes = outcomes.filter(({ result }) => result === 'opened');
  if (successes.length > 0) {
    const bytesOf = (name: string): Uint8Array => (name.startsWith('copy:') ? copy : held.bytes);
    noteVerified(
      config,
      service,
      successes.map(({ name }) => ({ name, bytes: bytesOf(name) })),
    );
  }
  if (options.json === true) context.print(`${JSON.stringify({ service, recipients: outcomes })}\n`);
  else for (const outcome of outcomes) context.print(formatOutcome(outcome));
  if (outcomes.some(({ result }) => result === 'failed')) process.exitCode = 2;
  else if (outcomes.some(({ result }) => result === 'not tried')) process.exitCode = 1;
}

async function tryAll(
  config: SignerConfig,
  held: HeldEnvelope,
  { token = [], pin, identityFile = [], copy, passphrase }: VerifyOptions,
): Promise<{ outcomes: Outcome[]; copy: Uint8Array }> {
  if ((copy === undefined) !== (passphrase === undefined))
    throw new SignerError('BAD_VALUE', 'give --copy FILE and --passphrase SOURCE together');
  const outcomes: Outcome[] = [];
  const file = copy === undefined ? new Uint8Array(0) : readFileSync(copy);
  const client = operatorClient(config);
  const tokens = [
    ...config.tokens.map(uri => accessOf(config, uri)),
    ...token.map(uri => accessOf(config, uri, pin)),
  ];
  const wrong = new Map<string, Outcome>();
  for (const access of tokens) {
    const { uri } = access;
    const pinSource = parsePkcs11Uri(uri).pinSource ?? access.pinSource;
    // A wrong PIN is tried once, and not at the next token.
    const refused = wrong.get(pinSource);
    const outcome: Outcome =
      refused === undefined
        ? await tryOne(client, held, { kind: 'token', access }, uri)
        : { ...refused, result: 'not tried', by: uri };
    if (outcome.code === 'PIN_INCORRECT') wrong.set(pinSource, outcome);
    outcomes.push({ ...outcome, name: outcome.result === 'opened' ? outcome.name : nameOf(held, uri) });
  }
  for (const each of identityFile) {
    const path = resolve(each);
    outcomes.push(await tryOne(client, held, { kind: 'paper', path }, path));
  }
  if (copy !== undefined && passphrase !== undefined) {
    const by: BackupKey = { kind: 'passphrase', source: passphrase };
    const outcome = await tryOne(client, { ...held, bytes: file }, by, resolve(copy));
    outcomes.push({ ...outcome, name: `copy:${resolve(copy)}` });
  }
  const tried = new Set(outcomes.map(({ name }) => name));
  const { recipients } = held.header;
  for (const name of recipientNames(held.header).filter(each => !tried.has(each))) {
    const recipient = recipients.find(each => recipientName(each) === name);
    const by = recipient === undefined || recipient.kind === 'X25519' ? '--identity-file' : recipient.uri;
    outcomes.push({ result: 'not tried', name: name === '' ? '(not named)' : name, by });
  }
  return { outcomes, copy: file };
}

/** The recipient that was sealed to with this URI; else the URI. */
function nameOf({ header }: HeldEnvelope, uri: string): string {
  const recipient = header.recipients.find(each => each.kind !== 'X25519' && each.uri === uri);
  return recipient === undefined ? uri : recipientName(recipient);
}

async function tryOne(
  client: TokenClient,
  { bytes, kpHsId }: HeldEnvelope,
  by: VerifyRequest['by'],
  tried: string,
): Promise<Outcome> {
  try {
    const name = await client.verify({ envelope: bytes, kpHsId, by });
    return { result: 'opened', name, by: tried };
  } catch (thrown) {
    const { code, message }: CustodyError = toCustodyError(thrown, 'TOKEN_DEAD');
    // A token that is away says nothing about the envelope; a paper key that does not fit does.
    const isAway = by.kind === 'token' && isNotHere(thrown);
    return { result: isAway ? 'not tried' : 'failed', name: tried, by: tried, code, advice: message };
  }
}

function formatOutcome({ result, name, by, code, advice }: Outcome): string {
  const why = code === undefined ? [] : [`${code}: ${advice ?? ''}`];
  const parts = [result, name, ...(by === name ? [] : [by]), ...why];
  return `${parts.join('\t')}\n`;
}
