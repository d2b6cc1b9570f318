import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import {
  formatOnionAddress,
  type KpHsId,
  parseSecretKeyFile,
  SECRET_KEY_FILE_LENGTH,
} from '../descriptor/index.ts';
import { type AgeStanza, encodeAgeFile, FILE_KEY_BYTES, openAgePayload } from './age-file.ts';
import { unwrapFromX25519, wrapForX25519 } from './age-x25519.ts';
import { parseAgeRecipient } from './bech32.ts';
import {
  AES_STANZA,
  type Envelope,
  gcmContext,
  isOrigin,
  MAX_MODULUS_BYTES,
  MIN_MODULUS_BYTES,
  type Origin,
  parseEnvelope,
  RSA_STANZA,
  type TokenStanza,
} from './envelope-header.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { basepointTimes, equalSecrets, fillRandom, withScratch } from './locked-memory.ts';
import {
  type AesRecipient,
  describeRecipient,
  type Recipient,
  recipientName,
  type RsaRecipient,
} from './recipient.ts';

/**
 * The sealed identity: an age v1 file whose payload is tor's own key file and the secret of the service, so that
 * `age -d -i paper.key envelope | head -c 96` gives hs_ed25519_secret_key back without this program.
 */

const SERVICE_SECRET_BYTES = 32;
/** Length of the payload in bytes: key file (96) and secret of the service (32). */
export const PAYLOAD_BYTES = SECRET_KEY_FILE_LENGTH + SERVICE_SECRET_BYTES;
/** Each takes two stanzas of the 32 that a header may have. */
const MAX_RECIPIENTS = 16;

/** What is inside: windows of locked memory that are wiped when the function that was given them returns. */
export interface OpenedIdentity {
  /** Length 128. */
  readonly payload: Uint8Array;
  readonly scalar: Uint8Array;
  readonly prfHalf: Uint8Array;
  readonly serviceSecret: Uint8Array;
  readonly origin: Origin;
  /** As the header names them, which is verified by now. */
  readonly recipients: readonly Recipient[];
}

/** Puts the file key into `fileKey` (16 bytes, locked). Throws ENVELOPE_NO_RECIPIENT, ENVELOPE_UNWRAP. */
export type Unlock = (envelope: Envelope, fileKey: Buffer) => void;

export interface OpenEnvelopeOptions {
  /** The service that was asked for. */
  readonly kpHsId: KpHsId;
  readonly unlock: Unlock;
}

/** With a token's key: `unwrap` decrypts into `out` (512 bytes of locked memory) and returns the length. */
export function unlockWithToken(
  keyTag: string,
  unwrap: (stanza: TokenStanza, out: Buffer) => number,
): Unlock {
  return ({ tokens }, fileKey) => {
    const stanza = tokens.find(each => each.keyTag === keyTag);
    if (stanza === undefined) throw new CustodyError('ENVELOPE_NO_RECIPIENT');
    withScratch(MAX_MODULUS_BYTES, out => {
      if (unwrap(stanza, out) !== FILE_KEY_BYTES) throw new CustodyError('ENVELOPE_UNWRAP');
      fileKey.set(out.subarray(0, FILE_KEY_BYTES));
    });
  };
}

/** With an ordinary age key: 32 bytes of locked memory. */
export function unlockWithPaper(privateKey: Uint8Array): Unlock {
  return ({ papers }, fileKey) => {
    if (!papers.some(stanza => unwrapFromX25519(stanza, privateKey, fileKey)))
      throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  };
}

/**
 * Opens an envelope and hands the identity to `use`; everything is wiped when that returns or throws. Before `use`
 * runs, MAC and payload are verified, and a·B is compared with the address in the header and the service asked for.
 * Throws ENVELOPE_…, IDENTITY_MISMATCH, and what `unlock` throws.
 */
export function openEnvelope<T>(
  bytes: Uint8Array,
  { kpHsId, unlock }: OpenEnvelopeOptions,
  use: (identity: OpenedIdentity) => T,
): T {
  const envelope = parseEnvelope(bytes);
  // Before the token is troubled; once more, on the key itself, below.
  if (`${envelope.address}.onion` !== formatOnionAddress(kpHsId)) throw new CustodyError('IDENTITY_MISMATCH');
  return withScratch(PAYLOAD_BYTES, payload => {
    withScratch(FILE_KEY_BYTES, fileKey => {
      unlock(envelope, fileKey);
      openAgePayload(envelope.file, fileKey, payload);
    });
    return use(readPayload(payload, kpHsId, envelope));
  });
}

function readPayload(payload: Buffer, kpHsId: KpHsId, { origin, recipients }: Envelope): OpenedIdentity {
  if (!equalSecrets(publicKeyOfPayload(payload), kpHsId)) throw new CustodyError('IDENTITY_MISMATCH');
  const { scalar, prfHalf } = parseSecretKeyFile(payload.subarray(0, SECRET_KEY_FILE_LENGTH));
  const serviceSecret = payload.subarray(SECRET_KEY_FILE_LENGTH);
  return { payload, scalar, prfHalf, serviceSecret, origin, recipients };
}

/** a·B of the key file at the beginning of a payload or file, 32 bytes. Throws IDENTITY_FILE. */
export function publicKeyOfPayload(payload: Uint8Array): Uint8Array {
  try {
    const publicKey = new Uint8Array(32);
    basepointTimes(publicKey, parseSecretKeyFile(payload.subarray(0, SECRET_KEY_FILE_LENGTH)).scalar);
    return publicKey;
  } catch (cause) {
    throw new CustodyError('IDENTITY_FILE', undefined, { cause });
  }
}

/** An AES key of a token that is here: `wrap` encrypts the file key with this context (AAD). */
export interface PresentAesRecipient extends AesRecipient {
  readonly wrap: (fileKey: Buffer, aad: Uint8Array) => Uint8Array;
}

export type TokenRecipient = RsaRecipient | PresentAesRecipient;

export interface SealEnvelopeOptions {
  /** 128 bytes of locked memory; wiped by the caller. */
  readonly payload: Uint8Array;
  readonly kpHsId: KpHsId;
  readonly origin: Origin;
  /** At least one: without it no token opens the envelope. */
  readonly tokens: readonly TokenRecipient[];
  /** `age1…`, any number; with the tokens at most 16. */
  readonly ageRecipients: readonly string[];
}

/** A new envelope under a fresh file key. Throws ENVELOPE_RECIPIENT, KEY_UNSUITABLE, IDENTITY_MISMATCH, IDENTITY_FILE. */
export function sealEnvelope({
  payload,
  kpHsId,
  origin,
  tokens,
  ageRecipients,
}: SealEnvelopeOptions): Uint8Array {
  if (payload.length !== PAYLOAD_BYTES || !isOrigin(origin)) throw new CustodyError('IDENTITY_FILE');
  if (!equalSecrets(publicKeyOfPayload(payload), kpHsId)) throw new CustodyError('IDENTITY_MISMATCH');
  const names = [...tokens.map(recipientName), ...ageRecipients];
  if (tokens.length === 0 || new Set(names).size !== names.length || names.length > MAX_RECIPIENTS)
    throw new CustodyError('ENVELOPE_RECIPIENT');
  const papers = ageRecipients.map(recipient => ({ recipient, key: parseAgeRecipient(recipient) }));
  const address = formatOnionAddress(kpHsId).slice(0, 56);
  return withScratch(FILE_KEY_BYTES, fileKey => {
    fillRandom(fileKey);
    const stanzas = [
      ...tokens.flatMap(token => [
        describeRecipient(token),
        token.kind === 'rsa-oaep'
          ? wrapForRsa(fileKey, token, [address, origin])
          : wrapForAes(fileKey, token, address, origin),
      ]),
      ...papers.flatMap(({ recipient, key }) => [
        describeRecipient({ kind: 'X25519', recipient }),
        wrapForX25519(fileKey, key),
      ]),
    ];
    return encodeAgeFile(stanzas, fileKey, payload);
  });
}

function wrapForRsa(fileKey: Uint8Array, token: RsaRecipient, context: readonly string[]): AgeStanza {
  const body = encryptOaep(token, fileKey);
  return { type: RSA_STANZA, args: [token.hash, recipientName(token), ...context], body };
}

function wrapForAes(
  fileKey: Buffer,
  { keyTag, wrap }: PresentAesRecipient,
  address: string,
  origin: Origin,
): AgeStanza {
  const body = wrap(fileKey, gcmContext(keyTag, address, origin));
  return { type: AES_STANZA, args: [keyTag, address, origin], body };
}

/** RSA-OAEP without label to a token's public key (2048 to 4096 bits). Throws KEY_UNSUITABLE. */
export function encryptOaep(
  { modulus, publicExponent, hash }: Pick<RsaRecipient, 'modulus' | 'publicExponent' | 'hash'>,
  plaintext: Uint8Array,
): Uint8Array {
  const { length } = modulus;
  if (length < MIN_MODULUS_BYTES || length > MAX_MODULUS_BYTES) throw new CustodyError('KEY_UNSUITABLE');
  const text = (part: Uint8Array): string => Buffer.from(part).toString('base64url');
  try {
    const jwk = { kty: 'RSA', n: text(modulus), e: text(publicExponent) };
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash }, plaintext);
  } catch (cause) {
    throw toCustodyError(cause, 'KEY_UNSUITABLE');
  }
}
