import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readClientKey } from './client-key.ts';
import { loadConfig } from './config.ts';
import { ControlPort } from './control/commands.ts';
import { PublisherError } from './error.ts';
import { inspectBadAddress, inspectDescriptor } from './inspect.ts';
import { readInput } from './inspect-input.ts';
import { inspectAddress, readUsableView } from './inspect-network.ts';
import type { InspectReport } from './inspect-report.ts';

/** The options of `inspect`, as its command line has them. */
export type InspectFlags = {
  address?: string;
  all?: true;
  clientKey?: string;
  votingInterval?: number;
  timeout: number;
  json?: true;
};

/** What `inspect` found. PublisherError, ControlError and DescriptorError as the parts throw them. */
export async function inspect(
  input: string,
  flags: InspectFlags,
  configPath: () => string,
): Promise<InspectReport> {
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
