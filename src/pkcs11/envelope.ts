import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import {
  encodeBase64Unpadded,
  formatOnionAddress,
  type KpHsId,
  parseSecretKeyFile,
  SECRET_KEY_FILE_LENGTH,
  sha256,
} from '../descriptor/index.ts';
import {
  type AgeFile,
  type AgeStanza,
  encodeAgeFile,
  FILE_KEY_BYTES,
  openAgePayload,
  parseAgeFile,
  wrapForX25519,
} from './age-file.ts';
import { parseAgeRecipient } from './bech32.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { basepointTimes, equalSecrets, fillRandom, withScratch } from './locked-memory.ts';
import type { OaepHash } from './pkcs11js.ts';

/**
 * The sealed identity: an age v1 file whose payload is tor's own key file and the secret of the service, so that
 * `age -d -i paper.key envelope | head -c 96` gives hs_ed25519_secret_key back without this program.
 */

const STANZA_TYPE = 'onion-signer-rsa-oaep';
const SERVICE_SECRET_BYTES = 32;
/** Length of the payload in bytes: key file (96) and secret of the service (32). */
export const PAYLOAD_BYTES = SECRET_KEY_FILE_LENGTH + SERVICE_SECRET_BYTES;
const MIN_MODULUS_BYTES = 256;
const MAX_MODULUS_BYTES = 512;

/** Where the identity was made: behind the token, or imported on a day (UTC) until which it was online. */
export type Origin = 'born' | `imported-${string}`;

/** The public half of a token key and the hash that the token takes for OAEP. */
export interface RsaRecipient {
  readonly modulus: Uint8Array;
  readonly publicExponent: Uint8Array;
  readonly hash: OaepHash;
}

interface TokenStanza {
  readonly hash: OaepHash;
  readonly keyTag: string;
  readonly wrapped: Uint8Array;
}

/** What an envelope says about itself. True only after it was opened: until then the MAC was not verified. */
export interface Envelope {
  readonly file: AgeFile;
  /** 56 characters. */
  readonly address: string;
  readonly origin: Origin;
  readonly tokens: readonly TokenStanza[];
}

/** What is inside: windows of locked memory that are wiped when the function that was given them returns. */
export interface OpenedIdentity {
  /** Length 128. */
  readonly payload: Uint8Array;
  readonly scalar: Uint8Array;
  readonly prfHalf: Uint8Array;
  readonly serviceSecret: Uint8Array;
  readonly origin: Origin;
}

export interface OpenEnvelopeOptions {
  /** The service that was asked for. */
  readonly kpHsId: KpHsId;
  readonly keyTag: string;
  /** Decrypts with the token into `out` (512 bytes of locked memory), returns the length. */
  readonly unwrap: (wrapped: Uint8Array, hash: OaepHash, out: Buffer) => number;
}

/** Names a token key in a stanza: 12 bytes of SHA-256 over its modulus, as 16 characters of base64. */
export function keyTagOf(key: Pick<RsaRecipient, 'modulus'>): string {
  return encodeBase64Unpadded(sha256(Buffer.from('onion-signer key tag\0'), key.modulus).subarray(0, 12));
}

/** Reads an envelope without opening it. Throws ENVELOPE_SYNTAX, ENVELOPE_PAYLOAD, ENVELOPE_NO_RECIPIENT. */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  const file = parseAgeFile(bytes);
  const stanzas = file.stanzas.filter(stanza => stanza.type === STANZA_TYPE).map(readTokenStanza);
  const [first] = stanzas;
  if (first === undefined) throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  const agree = stanzas.every(({ address, origin }) => address === first.address && origin === first.origin);
  const tags = new Set(stanzas.map(({ token }) => token.keyTag));
  // By the rules of age a passphrase stands alone; beside others it was put there by somebody else.
  const hasPassphrase = file.stanzas.some(stanza => stanza.type === 'scrypt');
  if (!agree || tags.size !== stanzas.length || hasPassphrase) throw new CustodyError('ENVELOPE_SYNTAX');
  return { file, address: first.address, origin: first.origin, tokens: stanzas.map(({ token }) => token) };
}

/**
 * Address (56 characters) and origin as the header claims them, for lists; true only once the envelope was opened.
 * Throws as `parseEnvelope`.
 */
export function readEnvelopeHeader(bytes: Uint8Array): Pick<Envelope, 'address' | 'origin'> {
  const { address, origin } = parseEnvelope(bytes);
  return { address, origin };
}

function readTokenStanza({ args, body }: AgeStanza): { token: TokenStanza; address: string; origin: Origin } {
  const [hash, keyTag = '', address = '', origin = '', ...more] = args;
  const isFit =
    (hash === 'sha1' || hash === 'sha256') &&
    /^[A-Za-z0-9+/]{16}$/u.test(keyTag) &&
    /^[a-z2-7]{56}$/u.test(address) &&
    isOrigin(origin) &&
    more.length === 0 &&
    body.length >= MIN_MODULUS_BYTES &&
    body.length <= MAX_MODULUS_BYTES;
  if (!isFit) throw new CustodyError('ENVELOPE_SYNTAX');
  return { token: { hash, keyTag, wrapped: body }, address, origin };
}

function isOrigin(text: string): text is Origin {
  if (text === 'born') return true;
  const day = /^imported-(\d{4}-\d{2}-\d{2})$/u.exec(text)?.[1];
  return (
    day !== undefined &&
    !Number.isNaN(Date.parse(`${day}T00:00:00Z`)) &&
    new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
  );
}

/**
 * Opens an envelope and hands the identity to `use`; everything is wiped when that returns or throws. Before `use`
 * runs, MAC and payload are verified, and a·B is compared with the address in the header and the service asked for.
 * Throws ENVELOPE_…, IDENTITY_MISMATCH, and what `unwrap` throws.
 */
export function openEnvelope<T>(
  bytes: Uint8Array,
  options: OpenEnvelopeOptions,
  use: (identity: OpenedIdentity) => T,
): T {
  const envelope = parseEnvelope(bytes);
  // Before the token is troubled; once more, on the key itself, below.
  if (`${envelope.address}.onion` !== formatOnionAddress(options.kpHsId))
    throw new CustodyError('IDENTITY_MISMATCH');
  const token = envelope.tokens.find(({ keyTag }) => keyTag === options.keyTag);
  if (token === undefined) throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  return withScratch(PAYLOAD_BYTES, payload => {
    withScratch(MAX_MODULUS_BYTES, out => {
      const length = options.unwrap(token.wrapped, token.hash, out);
      if (length !== FILE_KEY_BYTES) throw new CustodyError('ENVELOPE_UNWRAP');
      openAgePayload(envelope.file, out.subarray(0, FILE_KEY_BYTES), payload);
    });
    return use(readPayload(payload, options.kpHsId, envelope.origin));
  });
}

function readPayload(payload: Buffer, kpHsId: KpHsId, origin: Origin): OpenedIdentity {
  if (!equalSecrets(publicKeyOfPayload(payload), kpHsId)) throw new CustodyError('IDENTITY_MISMATCH');
  const { scalar, prfHalf } = parseSecretKeyFile(payload.subarray(0, SECRET_KEY_FILE_LENGTH));
  return { payload, scalar, prfHalf, serviceSecret: payload.subarray(SECRET_KEY_FILE_LENGTH), origin };
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

export interface SealEnvelopeOptions {
  /** 128 bytes of locked memory; wiped by the caller. */
  readonly payload: Uint8Array;
  readonly kpHsId: KpHsId;
  readonly origin: Origin;
  /** At least one: without it no token opens the envelope. */
  readonly tokens: readonly RsaRecipient[];
  /** `age1…`, any number. */
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
  const names = [...tokens.map(keyTagOf), ...ageRecipients];
  if (tokens.length === 0 || new Set(names).size !== names.length)
    throw new CustodyError('ENVELOPE_RECIPIENT');
  const paper = ageRecipients.map(parseAgeRecipient);
  const address = formatOnionAddress(kpHsId).slice(0, 56);
  return withScratch(FILE_KEY_BYTES, fileKey => {
    fillRandom(fileKey);
    const stanzas = [
      ...tokens.map(token => wrapForToken(fileKey, token, [address, origin])),
      ...paper.map(recipient => wrapForX25519(fileKey, recipient)),
    ];
    return encodeAgeFile(stanzas, fileKey, payload);
  });
}

function wrapForToken(fileKey: Uint8Array, token: RsaRecipient, context: readonly string[]): AgeStanza {
  const body = encryptOaep(token, fileKey);
  return { type: STANZA_TYPE, args: [token.hash, keyTagOf(token), ...context], body };
}

/** RSA-OAEP without label to a token's public key (2048 to 4096 bits). Throws KEY_UNSUITABLE. */
export function encryptOaep(token: RsaRecipient, plaintext: Uint8Array): Uint8Array {
  const length = token.modulus.length;
  if (length < MIN_MODULUS_BYTES || length > MAX_MODULUS_BYTES) throw new CustodyError('KEY_UNSUITABLE');
  const text = (part: Uint8Array): string => Buffer.from(part).toString('base64url');
  try {
    const jwk = { kty: 'RSA', n: text(token.modulus), e: text(token.publicExponent) };
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: token.hash }, plaintext);
  } catch (cause) {
    throw toCustodyError(cause, 'KEY_UNSUITABLE');
  }
}
