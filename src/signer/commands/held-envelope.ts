import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type KpHsId, parseOnionAddress } from '../../descriptor/index.ts';
import { type Envelope, parseEnvelope } from '../../pkcs11/envelope-header.ts';
import { CustodyError, type CustodyErrorCode } from '../../pkcs11/error.ts';
import { filePinStore, pinBookPath } from '../../pkcs11/pin-book.ts';
import { recipientName } from '../../pkcs11/recipient.ts';
import { TokenClient } from '../../pkcs11/token-client.ts';
import type { TokenAccess } from '../../pkcs11/token-messages.ts';
import type { SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { replaceDurably } from '../program/durable-file.ts';
import { envelopePath } from './context.ts';

/** The sealed identity of a service as it lies on the disk. Nothing is opened, nothing is proven. */
export interface HeldEnvelope {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly header: Envelope;
  /** From the header's address. */
  readonly kpHsId: KpHsId;
}

/** SignerError BAD_VALUE when the service has none; CustodyError ENVELOPE_…. */
export function readHeld(config: SignerConfig, service: string): HeldEnvelope {
  const path = envelopePath(config, service);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new SignerError('BAD_VALUE', `${path}: there is no such file; see key list`);
  }
  const header = parseEnvelope(bytes);
  return { path, bytes, header, kpHsId: parseOnionAddress(`${header.address}.onion`) };
}

/** Puts the new envelope in the place of the one that was read: whoever opens it meanwhile has one or the other. */
export function replaceHeld({ path, bytes }: HeldEnvelope, sealed: Uint8Array): void {
  if (!Buffer.from(bytes).equals(readFileSync(path)))
    throw new SignerError('BAD_VALUE', `${path} was changed meanwhile; nothing was written, run this again`);
  replaceDurably(path, sealed);
}

/** Moves the envelope out of the way, where no command looks for it. Gives the new path. */
export function setAside({ path }: HeldEnvelope, service: string): string {
  const folder = join(dirname(path), 'retired');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const day = new Date().toISOString().replaceAll(/[-:]|\.\d+/gu, '');
  const aside = join(folder, `${service}-${day}.age`);
  renameSync(path, aside);
  return aside;
}

/** How many recipients the envelope has; without a name of its own one is counted too. */
export const countRecipients = ({ tokens, papers }: Envelope): number => tokens.length + papers.length;

/** Names of all recipients in the order of the file, '' for one without a name. */
export function recipientNames({ tokens, papers, recipients }: Envelope): string[] {
  const named = recipients.filter(({ kind }) => kind === 'X25519').map(recipientName);
  return [...tokens.map(({ keyTag }) => keyTag), ...papers.map((_, i) => named[i] ?? '')];
}

/** One recipient is one accident away from no address. SignerError BAD_VALUE. */
export function checkCustodians(count: number, isAccepted: boolean | undefined): void {
  if (count > 1 || isAccepted === true) return;
  throw new SignerError(
    'BAD_VALUE',
    'name a second recipient: a spare token in signer.yaml or --recipient age1…; or accept --single-custodian',
  );
}

/**
 * A person waits and may have to type: longer than the service path allows. What tokens say of PINs stands in the book of this
 * user: the keyholder's, sealed and locked while it runs, may be another's.
 */
export const operatorClient = ({ deadlineMs, isSwapAccepted }: SignerConfig): TokenClient =>
  new TokenClient({
    deadlineMs: Math.max(deadlineMs, 60_000),
    pins: filePinStore(pinBookPath()),
    swapAccepted: isSwapAccepted,
  });

export const accessOf = (config: SignerConfig, uri: string, pinSource = config.pin): TokenAccess => ({
  uri,
  modulePath: '',
  pinSource,
});

/** Nothing is wrong with the envelope: the token is not here, or is another one. */
const NOT_HERE: ReadonlySet<CustodyErrorCode> = new Set([
  'TOKEN_NOT_FOUND',
  'TOKEN_DEAD',
  'TOKEN_TIMEOUT',
  'MODULE_PATH',
  'MODULE_LOAD',
  'KEY_NOT_FOUND',
  'ENVELOPE_NO_RECIPIENT',
]);

export const isNotHere = (thrown: unknown): thrown is CustodyError =>
  thrown instanceof CustodyError && NOT_HERE.has(thrown.code);

/** Asks with one token of signer.yaml after the other until one is here. Throws what the last one threw. */
export async function withFirstToken<T>(
  config: SignerConfig,
  ask: (access: TokenAccess) => Promise<T>,
): Promise<T> {
  let last: unknown;
  for (const uri of config.tokens) {
    try {
      return await ask(accessOf(config, uri));
    } catch (thrown) {
      if (!isNotHere(thrown)) throw thrown;
      last = thrown;
    }
  }
  throw last;
}
