import { existsSync, lchownSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CustodyError } from '../../pkcs11/error.ts';
import { createHostKeyFile } from '../../pkcs11/host-key.ts';
import {
  connectKeyholder,
  initKeyholder,
  type KeyholderClient,
  spawnKeyholder,
} from '../../pkcs11/keyholder-client.ts';
import { settleMemory } from '../../pkcs11/memory-lock.ts';
import {
  isOwnUsers,
  journalPath,
  keyholderStatePath,
  loadConfig,
  parseConfig,
  type SignerConfig,
} from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { createJournal, openJournal } from '../journal/journal.ts';
import { EMPTY_POLICY, encodePolicy } from '../policy/types.ts';
import { writeNew } from '../program/durable-file.ts';
import { makeTlsKey } from '../program/tls-identity.ts';
import type { CommandContext } from './context.ts';
import { encodeKeyholderList, writeKeyholderList } from './list-file.ts';
import { recoverSigner } from './recover.ts';

/** How long a keyholder of another user has to begin to listen. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 100;

interface InitOptions {
  readonly token?: readonly string[];
  readonly pin?: string;
  readonly publisher?: readonly string[];
  readonly state?: string;
  readonly run?: string;
  readonly recover?: boolean;
  readonly checkpoint?: string;
  readonly yes?: boolean;
}

/** `init`: writes signer.yaml if there is none, then makes state, host key, keyholder and journal. */
export function addInitCommand(program: Command, context: CommandContext): void {
  const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];
  program
    .command('init')
    .description(
      'write signer.yaml if there is none and make the state of a new signer; never replaces anything',
    )
    .option('--token <uri>', 'a token, as an RFC 7512 URI (repeatable)', collect)
    .option('--pin <source>', 'file:/path, credential:NAME or tty; never the PIN itself')
    .option('--publisher <name>', 'a publisher with a socket of its own (repeatable)', collect)
    .option('--state <directory>', 'absolute; where state is kept (default: /var/lib/onion-signer)')
    .option('--run <directory>', 'absolute; where sockets are made (default: /run/onion-signer)')
    .option('--recover', 'go on with a journal that was put back, or with a keyholder whose state is lost')
    .option('--checkpoint <file>', 'with --recover: the newest checkpoint that anybody kept, for the record')
    .option('--yes', 'with --recover: do not ask')
    .action(async (options: InitOptions) => {
      if (options.recover === true) {
        await recoverSigner(context, options);
        return;
      }
      const path = context.configPath();
      if (!existsSync(path)) writeConfig(path, options);
      await createState(loadConfig(path));
      context.print(`${path}: the signer is initialised; next: ${context.command('key new SERVICE')}\n`);
    });
}

function writeConfig(path: string, options: InitOptions): void {
  const { token = [], pin, publisher = [] } = options;
  if (token.length === 0 || pin === undefined || publisher.length === 0) {
    throw new SignerError(
      'MISSING_KEY',
      `${path} does not exist: give --token, --pin and --publisher, or write it`,
    );
  }
  const lines = [
    '# What is not here has a default: `onion-signer config` prints every value and where it came from.',
    `tokens:     [${token.map(uri => JSON.stringify(uri)).join(', ')}]`,
    `pin:        ${pin}`,
    `publishers: { ${publisher.map(name => `${name}: unix`).join(', ')} }`,
    ...(options.state === undefined ? [] : [`state:      ${options.state}`]),
    ...(options.run === undefined ? [] : [`run:        ${options.run}`]),
    '',
  ];
  const text = lines.join('\n');
  // Before it is on disk: an option may hold what must never be written down, such as a PIN.
  parseConfig(text, path);
  mkdirSync(dirname(path), { recursive: true });
  writeNew(path, Buffer.from(text), 0o644);
}

async function createState(config: SignerConfig): Promise<void> {
  const journal = journalPath(config);
  if (existsSync(journal))
    throw new SignerError('JOURNAL_EXISTS', `${journal}: this signer is initialised already`);
  mkdirSync(config.state, { recursive: true, mode: 0o700 });
  mkdirSync(config.policies, { recursive: true, mode: 0o755 });
  if (config.listen !== undefined) makeTlsKey(config.tlsKey);
  if (!isOwnUsers(config)) await createKeyholder(config);
  // A keyholder of another user may have read its list already, and takes no other one with this serial.
  const isListed = existsSync(config.keyholderList);
  if (!isOwnUsers(config) || !isListed)
    writeKeyholderList(config, encodeKeyholderList(config, EMPTY_POLICY, 1));
  const now = Math.floor(Date.now() / 1000);
  createJournal(journal, { origin: await checkpointOrigin(config, isListed ? PATIENCE_MS : 0), now });
  const opened = openJournal({ path: journal, now: () => now });
  try {
    await opened.policies.apply(1, encodePolicy(EMPTY_POLICY));
  } finally {
    opened.close();
  }
  giveToOwner(config.state, [journal, config.tlsKey]);
}

async function createKeyholder(config: SignerConfig): Promise<void> {
  mkdirSync(config.envelopes, { recursive: true, mode: 0o700 });
  // The host key is made in this process.
  settleMemory(() => config.isSwapAccepted);
  createHostKey(config.hostKey);
  try {
    const paths = { state: keyholderStatePath(config), hostKey: config.hostKey };
    await initKeyholder(paths, { swapAccepted: config.isSwapAccepted });
  } catch (error) {
    // An init that was cut off after this step is taken up again: without a journal nothing was ever signed.
    if (!(error instanceof CustodyError && error.code === 'STATE_EXISTS')) throw error;
  }
}

/** What root made in the folder of another user is that user's. */
function giveToOwner(folder: string, paths: readonly string[]): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  for (const path of paths) if (dirname(path) === folder && existsSync(path)) lchownSync(path, uid, gid);
}

function createHostKey(source: string): void {
  if (!source.startsWith('file:')) return; // a credential is made by who grants it
  const path = source.slice('file:'.length);
  if (!existsSync(path)) createHostKeyFile(path);
}

/** The journal bears the name under which the keyholder signs its heads. SignerError KEYHOLDER_UNAVAILABLE. */
async function checkpointOrigin(config: SignerConfig, patienceMs: number): Promise<string> {
  const client = await reachKeyholder(config, patienceMs);
  try {
    const { checkpointVkey } = await client.status();
    return checkpointVkey.slice(0, checkpointVkey.indexOf('+'));
  } finally {
    await client.close();
  }
}

/** One of another user may have been started a moment ago, and not listen yet. */
async function reachKeyholder(config: SignerConfig, patienceMs: number): Promise<KeyholderClient> {
  const { keyholder, keyholderList, hostKey } = config;
  if (keyholder.kind === 'child' || !isOwnUsers(config))
    return await spawnKeyholder({ state: keyholderStatePath(config), list: keyholderList, hostKey });
  const until = performance.now() + patienceMs;
  try {
    while (!existsSync(keyholder.path) && performance.now() < until) await delay(LOOK_MS);
    return await connectKeyholder(keyholder.path);
  } catch (cause) {
    const message = 'its list is written: start the keyholder, then run `init` again';
    throw new SignerError('KEYHOLDER_UNAVAILABLE', message, { cause });
  }
}
