// What the header of an envelope says. True only after the envelope was opened: until then its MAC was not verified.

import { type AgeFile, type AgeStanza, FILE_KEY_BYTES, parseAgeFile } from './age-file.ts';
import { CustodyError } from './error.ts';
import { isKeyTag, type Recipient, readRecipient, recipientName, RECIPIENT_STANZA } from './recipient.ts';
import type { OaepHash } from './token-keys.ts';

export const RSA_STANZA = 'onion-signer-rsa-oaep';
export const AES_STANZA = 'onion-signer-aes-gcm';
/** Of RSA keys that are taken, in bytes. */
export const MIN_MODULUS_BYTES = 256;
export const MAX_MODULUS_BYTES = 512;
/** Nonce, file key and tag. */
const GCM_BODY_BYTES = 12 + FILE_KEY_BYTES + 16;

/** Where the identity was made: behind the token, or imported on a day (UTC) until which it was online. */
export type Origin = 'born' | `imported-${string}`;

/** The file key, wrapped for one key of a token. */
export type TokenStanza = { readonly keyTag: string; readonly wrapped: Uint8Array } & (
  | { readonly kind: 'rsa-oaep'; readonly hash: OaepHash }
  | { readonly kind: 'aes-gcm'; readonly aad: Uint8Array }
);

export interface Envelope {
  readonly file: AgeFile;
  /** 56 characters. */
  readonly address: string;
  readonly origin: Origin;
  readonly tokens: readonly TokenStanza[];
  /** Stanzas of ordinary age keys. */
  readonly papers: readonly AgeStanza[];
  /** Those that the header names, tokens first; the n-th X25519 among them is the n-th of `papers`. */
  readonly recipients: readonly Recipient[];
}

/** Reads an envelope without opening it. Throws ENVELOPE_SYNTAX, ENVELOPE_PAYLOAD, ENVELOPE_NO_RECIPIENT. */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  const file = parseAgeFile(bytes);
  const ours = file.stanzas.filter(({ type }) => type === RSA_STANZA || type === AES_STANZA);
  const [first, ...others] = ours.map(readTokenStanza);
  if (first === undefined) throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  const { address, origin } = first;
  const agree = others.every(each => each.address === address && each.origin === origin);
  const tokens = [first, ...others].map(({ token }) => token);
  const tags = new Set(tokens.map(({ keyTag }) => keyTag));
  // By the rules of age a passphrase stands alone; beside others it was put there by somebody else.
  const hasPassphrase = file.stanzas.some(stanza => stanza.type === 'scrypt');
  if (!agree || tags.size !== tokens.length || hasPassphrase) throw new CustodyError('ENVELOPE_SYNTAX');
  const papers = file.stanzas.filter(({ type }) => type === 'X25519');
  const recipients = file.stanzas.filter(({ type }) => type === RECIPIENT_STANZA).map(readRecipient);
  checkNames(recipients, tokens, papers);
  return { file, address, origin, tokens, papers, recipients };
}

/** Each name once, and for a recipient that is there. */
function checkNames(
  recipients: readonly Recipient[],
  tokens: readonly TokenStanza[],
  papers: readonly AgeStanza[],
): void {
  const names = new Set(recipients.map(recipientName));
  const ofTokens = recipients.filter(recipient => recipient.kind !== 'X25519');
  const allThere = ofTokens.every(recipient =>
    tokens.some(
      token =>
        token.keyTag === recipientName(recipient) &&
        token.kind === recipient.kind &&
        (token.kind !== 'rsa-oaep' || (recipient.kind === 'rsa-oaep' && token.hash === recipient.hash)),
    ),
  );
  const isFit = names.size === recipients.length && recipients.length - ofTokens.length <= papers.length;
  if (!allThere || !isFit) throw new CustodyError('ENVELOPE_SYNTAX');
}

/**
 * Address (56 characters) and origin as the header claims them, for lists; true only once the envelope was opened.
 * Throws as `parseEnvelope`.
 */
export function readEnvelopeHeader(bytes: Uint8Array): Pick<Envelope, 'address' | 'origin'> {
  const { address, origin } = parseEnvelope(bytes);
  return { address, origin };
}

interface TokenStanzaInContext {
  readonly token: TokenStanza;
  readonly address: string;
  readonly origin: Origin;
}

function readTokenStanza({ type, args, body: wrapped }: AgeStanza): TokenStanzaInContext {
  const [hash, ...words] = type === RSA_STANZA ? args : ['', ...args];
  const [keyTag = '', address = '', origin = '', ...more] = words;
  if (!isKeyTag(keyTag) || !/^[a-z2-7]{56}$/u.test(address) || !isOrigin(origin) || more.length > 0)
    throw new CustodyError('ENVELOPE_SYNTAX');
  if (type === AES_STANZA && wrapped.length === GCM_BODY_BYTES) {
    const token = { kind: 'aes-gcm', keyTag, wrapped, aad: gcmContext(keyTag, address, origin) } as const;
    return { token, address, origin };
  }
  const isFit = wrapped.length >= MIN_MODULUS_BYTES && wrapped.length <= MAX_MODULUS_BYTES;
  if (!isFit || (hash !== 'sha1' && hash !== 'sha256')) throw new CustodyError('ENVELOPE_SYNTAX');
  return { token: { kind: 'rsa-oaep', keyTag, wrapped, hash }, address, origin };
}

/** What a token authenticates beside the file key: GCM has room for it, so a stanza cannot move to another envelope. */
export function gcmContext(keyTag: string, address: string, origin: Origin): Uint8Array {
  return Buffer.from(['onion-signer-aes-gcm', keyTag, address, origin].join('\0'), 'latin1');
}

export function isOrigin(text: string): text is Origin {
  if (text === 'born') return true;
  const day = /^imported-(\d{4}-\d{2}-\d{2})$/u.exec(text)?.[1];
  return (
    day !== undefined &&
    !Number.isNaN(Date.parse(`${day}T00:00:00Z`)) &&
    new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
  );
}
