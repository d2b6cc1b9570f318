import { hash } from 'node:crypto';
import { fchmodSync, readFileSync } from 'node:fs';
import { encodeList, type KeyholderList, parseList } from '../../pkcs11/list.ts';
import type { SignerConfig } from '../config.ts';
import { compileKeyholderList } from '../policy/compile.ts';
import type { Policy } from '../policy/types.ts';
import type { ListIdentity } from '../policy-in-force.ts';
import { writeDurably } from '../program/durable-file.ts';
import { envelopePath } from './context.ts';

/**
 * The keyholder's canonical list for `policy`, after `earlier`: undefined for a list of which none is known. CustodyError
 * LIST_* when the keyholder would not take it.
 */
export function encodeKeyholderList(
  config: SignerConfig,
  policy: Policy,
  serial: number,
  earlier?: KeyholderList,
): Uint8Array {
  return encodeList(
    compileKeyholderList(policy, {
      serial,
      earlier,
      profile: config.profile,
      aheadSeconds: config.aheadSeconds,
      runwaySeconds: config.runwaySeconds,
      deadlineMs: config.deadlineMs,
      tokens: config.tokens.map(uri => ({ uri, modulePath: '' })),
      pinSource: config.pin,
      periodKeys: config.periodKeys,
      lockedMemory: config.isSwapAccepted ? 'swap-accepted' : 'required',
      envelopePath: service => envelopePath(config, service),
    }),
  );
}

/** Writes an encoded list, mode 0644 whatever the umask: it holds nothing secret, and its reader may be another user. */
export function writeKeyholderList(config: SignerConfig, list: Uint8Array): void {
  writeDurably(config.keyholderList, list, 0o644, fd => fchmodSync(fd, 0o644));
}

/** The list on disk; undefined when there is none that can be read, which the keyholder says better. */
export function readKeyholderList(config: SignerConfig): KeyholderList | undefined {
  const bytes = readListBytes(config);
  try {
    return bytes && parseList(bytes);
  } catch {
    return undefined;
  }
}

/** Which list is on disk; undefined when none can be read. */
export function identifyList(config: SignerConfig): ListIdentity | undefined {
  const bytes = readListBytes(config);
  try {
    return bytes && { serial: parseList(bytes).serial, digest: hash('sha256', bytes) };
  } catch {
    return undefined;
  }
}

/** The bytes of the list on disk, or undefined. */
export function readListBytes(config: SignerConfig): Uint8Array | undefined {
  try {
    return readFileSync(config.keyholderList);
  } catch {
    return undefined;
  }
}
