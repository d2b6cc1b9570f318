import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnvelope } from '../../pkcs11/envelope-header.ts';
import { formatOrigin } from './keyholder-door.ts';
import type { SignerConfig } from '../config.ts';

/** What every command works with. */
export interface CommandContext {
  /** Reads signer.yaml when it is first asked for. */
  config(): SignerConfig;
  /** The path given with --config. */
  configPath(): string;
  /** How to run another command of this signer: `command('serve')` → `onion-signer --config … serve`. */
  readonly command: (rest: string) => string;
  /** Standard output: results only. */
  print(text: string): void;
}

/** Where the sealed identity of a service lies. */
export const envelopePath = (config: SignerConfig, service: string): string =>
  join(config.envelopes, `${service}.age`);

export interface HeldIdentity {
  readonly service: string;
  /** 62 characters. */
  readonly address: string;
  readonly origin: string;
}

/** Every sealed identity below `envelopes`, as its header says. Nothing is opened, nothing is proven. */
export function heldIdentities(config: SignerConfig): HeldIdentity[] {
  let names: string[];
  try {
    names = readdirSync(config.envelopes);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter(name => name.endsWith('.age'))
    .sort()
    .map(name => {
      const { address, origin } = parseEnvelope(readFileSync(join(config.envelopes, name)));
      return {
        service: name.slice(0, -'.age'.length),
        address: `${address}.onion`,
        origin: formatOrigin(origin),
      };
    });
}

export const heldAddresses = (config: SignerConfig): ReadonlySet<string> =>
  new Set(heldIdentities(config).map(({ address }) => address));
