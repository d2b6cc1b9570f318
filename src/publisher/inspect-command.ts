import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { readClientKey } from './client-key.ts';
import { loadConfig } from './config.ts';
import { ControlPort } from './control/commands.ts';
import { PublisherError } from './error.ts';
import { inspectBadAddress, inspectDescriptor } from './inspect.ts';
import { readInput } from './inspect-input.ts';
import { inspectAddress, readUsableView } from './inspect-network.ts';
import type { InspectReport } from './inspect-report.ts';
import { formatInspection, formatInspectionJson } from './inspect-text.ts';

type InspectFlags = {
  address?: string;
  all?: true;
  clientKey?: string;
  votingInterval?: number;
  timeout: number;
  json?: true;
};

const DEFAULT_TIMEOUT = 30;
const HELP = `
ADDRESS is fetched through the tor of publisher.yaml; write ./NAME for a file that is called like an address.
Exit codes: 0 well; 1 readable but something is off (expired, HSDirs differ, points dropped); 2 unusable input, or
nothing reached. The members of --json stand in docs/inspect.md, the codes there and in docs/api.md.`;

/** What the command needs of the program around it. */
export type InspectSurroundings = {
  readonly configPath: () => string;
  readonly write: (text: string) => void;
  readonly setExitCode: (code: number) => void;
};

/** Adds the command to the program. */
export function addInspectCommand(
  program: Command,
  { configPath, write, setExitCode }: InspectSurroundings,
): void {
  program
    .command('inspect')
    .argument('<input>', 'an onion address, a file with a v3 descriptor, or - for standard input')
    .description(
      'decode a descriptor: what an HSDir and a client see, when and by whom it was made, what is wrong',
    )
    .option('--address <address>', 'of a file: the onion address, to decrypt the two layers')
    .option('--all', 'of an address: ask every responsible HSDir and compare what they serve')
    .option(
      '--client-key <file>',
      "to open a restricted one: tor's .auth_private, or the key in base32 or base64",
    )
    .option(
      '--voting-interval <seconds>',
      'of a file: V3AuthVotingInterval of its test network',
      parseSeconds,
    )
    .addOption(
      new Option('--timeout <seconds>', 'of an address: limit for each HSDir')
        .default(DEFAULT_TIMEOUT)
        .argParser(parseSeconds),
    )
    .option('--json', 'for programs')
    .addHelpText('after', HELP)
    .action(async (input: string, flags: InspectFlags) => {
      const report = await inspect(input, flags, configPath);
      write(flags.json === true ? formatInspectionJson(report) : formatInspection(report));
      setExitCode(report.exitCode);
    });
}

async function inspect(input: string, flags: InspectFlags, configPath: () => string): Promise<InspectReport> {
  if (isAddress(input)) return inspectNetwork(input, flags, configPath());
  const { address, votingInterval, clientKey } = flags;
  if (flags.all === true) throw new PublisherError('ADDRESS_AND_FILE');
  if (clientKey !== undefined && address === undefined) throw new PublisherError('CLIENT_KEY_UNUSED');
  // Of an address that is none the report says so; its client key is not looked at.
  const isGood = address !== undefined && inspectBadAddress(address) === undefined;
  const key = clientKey === undefined || !isGood ? undefined : readClientKey(clientKey, address);
  try {
    const now = Date.now() / 1000;
    return inspectDescriptor(await readInput(input), { address, votingInterval, clientKey: key, now });
  } finally {
    key?.fill(0);
  }
}

/** What ends in `.onion` or has the form of an address, and is no path. */
function isAddress(input: string): boolean {
  if (input.includes('/')) return false;
  return /^[a-z2-7]{56}$/u.test(input) || (input.endsWith('.onion') && !existsSync(input));
}

async function inspectNetwork(
  input: string,
  flags: InspectFlags,
  configPath: string,
): Promise<InspectReport> {
  if (flags.address !== undefined) throw new PublisherError('ADDRESS_AND_FILE');
  const address = input.endsWith('.onion') ? input : `${input}.onion`;
  const badAddress = inspectBadAddress(address);
  if (badAddress !== undefined) return badAddress;
  const { control, cookieFile } = loadConfig(configPath).tor;
  const key = flags.clientKey === undefined ? undefined : readClientKey(flags.clientKey, address);
  let tor: ControlPort | undefined;
  try {
    tor = await ControlPort.open(control, cookieFile === undefined ? {} : { cookiePath: cookieFile });
    await tor.setEvents(['HS_DESC', 'HS_DESC_CONTENT']);
    const now = Date.now() / 1000;
    const view = await readUsableView(tor, now);
    return await inspectAddress(tor, view, {
      address,
      all: flags.all === true,
      clientKey: key,
      timeoutMs: flags.timeout * 1000,
      now,
      rng: below => randomInt(below),
    });
  } finally {
    key?.fill(0);
    tor?.close();
  }
}

function parseSeconds(text: string): number {
  if (/^[1-9][0-9]{0,4}s?$/u.test(text)) return Number.parseInt(text, 10);
  throw new InvalidArgumentError('Write seconds, as 10 or 10s.');
}
