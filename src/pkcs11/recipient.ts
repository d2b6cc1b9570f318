// The recipients of an envelope as its header names them: for a list, and for sealing to the same ones again.

import { decodeBase64, encodeBase64Unpadded, sha256 } from '../descriptor/index.ts';
import type { AgeStanza } from './age-file.ts';
import { parseAgeRecipient } from './bech32.ts';
import { CustodyError } from './error.ts';
import type { AesTokenKey, OaepHash, RsaTokenKey } from './token-keys.ts';
import { formatPkcs11Uri, parsePkcs11Uri } from './uri.ts';

/** Stanza that says in words who the next recipient is; it wraps nothing. */
export const RECIPIENT_STANZA = 'onion-signer-recipient';
const MAX_EXPONENT_BYTES = 8;
const MAX_URI_CHARACTERS = 255;

/** The public half of a token key and the hash that the token takes for OAEP. */
export interface RsaRecipient {
  readonly kind: 'rsa-oaep';
  readonly modulus: Uint8Array;
  readonly publicExponent: Uint8Array;
  readonly hash: OaepHash;
  /** Token and serial number, for people. */
  readonly uri: string;
}

/** An AES key inside a token. Nothing can be sealed to it without that token. */
export interface AesRecipient {
  readonly kind: 'aes-gcm';
  /** 16 characters. */
  readonly keyTag: string;
  readonly uri: string;
}

/** An ordinary age key, such as one on paper. */
export interface AgeRecipient {
  readonly kind: 'X25519';
  /** `age1…`, 62 characters. */
  readonly recipient: string;
}

export type Recipient = RsaRecipient | AesRecipient | AgeRecipient;

/** What is selected by, and shown as: the tag of a token key, or `age1…`. */
export function recipientName(recipient: Recipient): string {
  switch (recipient.kind) {
    case 'rsa-oaep':
      return rsaKeyTag(recipient.modulus);
    case 'aes-gcm':
      return recipient.keyTag;
    case 'X25519':
      return recipient.recipient;
  }
}

/** Names a token key in a stanza, 16 characters of base64: by its modulus, or by its id and the token's serial number. */
export function keyTagOf(key: Pick<RsaTokenKey, 'kind' | 'modulus'> | AesTokenKey): string {
  if (key.kind === 'rsa') return rsaKeyTag(key.modulus);
  return tagOf(Buffer.from(`onion-signer key tag\0aes\0${key.serial}\0`), key.id);
}

/** First 12 bytes of SHA-256 over the modulus, as 16 characters of base64. */
function rsaKeyTag(modulus: Uint8Array): string {
  return tagOf(Buffer.from('onion-signer key tag\0'), modulus);
}

const tagOf = (...parts: readonly Uint8Array[]): string =>
  encodeBase64Unpadded(sha256(...parts).subarray(0, 12));

/** The stanza that names a recipient. */
export function describeRecipient(recipient: Recipient): AgeStanza {
  switch (recipient.kind) {
    case 'rsa-oaep': {
      const { kind, hash, modulus, publicExponent, uri } = recipient;
      const args = [kind, hash, rsaKeyTag(modulus), encodeBase64Unpadded(publicExponent), uri];
      return { type: RECIPIENT_STANZA, args, body: modulus };
    }
    case 'aes-gcm': {
      const { kind, keyTag, uri } = recipient;
      return { type: RECIPIENT_STANZA, args: [kind, keyTag, uri], body: new Uint8Array(0) };
    }
    case 'X25519': {
      const { kind, recipient: name } = recipient;
      return { type: RECIPIENT_STANZA, args: [kind, name], body: new Uint8Array(0) };
    }
  }
}

/** Reads what `describeRecipient` wrote, in that one spelling. Throws ENVELOPE_SYNTAX. */
export function readRecipient(stanza: AgeStanza): Recipient {
  try {
    const recipient = recipientOf(stanza);
    const again = describeRecipient(recipient);
    if (again.args.join(' ') === stanza.args.join(' ')) return recipient;
  } catch (cause) {
    throw new CustodyError('ENVELOPE_SYNTAX', undefined, { cause });
  }
  throw new CustodyError('ENVELOPE_SYNTAX');
}

function recipientOf({ args: [kind, ...args], body }: AgeStanza): Recipient {
  if (kind === 'rsa-oaep' && args.length === 4) {
    const [hash, , exponent = '', uri = ''] = args;
    const publicExponent = decodeBase64(exponent, 'unpadded');
    const isFit = body[0] !== 0 && publicExponent.length <= MAX_EXPONENT_BYTES && publicExponent[0] !== 0;
    if (isFit && (hash === 'sha1' || hash === 'sha256'))
      return { kind, hash, modulus: body, publicExponent, uri: checkedUri(uri) };
  }
  if (body.length === 0 && kind === 'aes-gcm' && args.length === 2) {
    const [keyTag = '', uri = ''] = args;
    if (isKeyTag(keyTag)) return { kind, keyTag, uri: checkedUri(uri) };
  }
  if (body.length === 0 && kind === 'X25519' && args.length === 1) {
    const [recipient = ''] = args;
    parseAgeRecipient(recipient);
    return { kind, recipient };
  }
  throw new CustodyError('ENVELOPE_SYNTAX');
}

export const isKeyTag = (text: string): boolean => /^[A-Za-z0-9+/]{16}$/u.test(text);

/** Only what selects the token: no module, no PIN source. */
function checkedUri(text: string): string {
  const { match } = parsePkcs11Uri(text);
  if (text.length > MAX_URI_CHARACTERS || formatPkcs11Uri({ match }) !== text)
    throw new CustodyError('ENVELOPE_SYNTAX');
  return text;
}
