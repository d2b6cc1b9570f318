import { type Bytes, concat, equalBytes, fixedBytes } from './bytes.ts';
import { DescriptorError } from './error.ts';
import type { KpHssDescEnc, NHsSubcred } from './keys.ts';
import { DESCRIPTOR_COOKIE_LENGTH, type DescriptorCrypto, OPENSSL_CRYPTO } from './layer-crypt.ts';
import { x25519SharedSecret } from './primitives.ts';

/** One `auth-client` line of the middle layer (rend-spec-v3 §2.5.1.2). */
export interface AuthClientLine {
  /** 8 bytes by which a client finds its line. */
  readonly clientId: Bytes;
  /** 16 bytes. */
  readonly iv: Bytes;
  /** The descriptor cookie under the client's key, 16 bytes. */
  readonly encryptedCookie: Bytes;
}

/** What service and client derive from their shared secret. `cookieKey` is secret: overwrite it after use. */
export interface ClientKeys {
  readonly clientId: Bytes;
  readonly cookieKey: Bytes;
}

/** Length of a client id in bytes (rend-spec-v3 §2.5.1.2). */
export const CLIENT_ID_LENGTH = 8;
/** Length of the IV of a client line in bytes (rend-spec-v3 §2.5.1.2). */
export const CLIENT_IV_LENGTH = 16;
/** The length of the three fields of one line together, which is how much randomness a fake line takes. */
export const AUTH_CLIENT_LENGTH = CLIENT_ID_LENGTH + CLIENT_IV_LENGTH + DESCRIPTOR_COOKIE_LENGTH;

const COOKIE_KEY_LENGTH = 32;

/**
 * Client id (8 bytes) and cookie key (32) = SHAKE-256(N_hs_subcred | x25519 shared secret) (rend-spec-v3 §2.5.1.2).
 * Throws BAD_LENGTH for a secret that has not 32 bytes.
 */
export function deriveClientKeys(
  sharedSecret: Bytes,
  subcredential: NHsSubcred,
  crypto: DescriptorCrypto = OPENSSL_CRYPTO,
): ClientKeys {
  if (sharedSecret.length !== 32) throw new DescriptorError('BAD_LENGTH', 'a shared secret has 32 bytes');
  const input = concat(subcredential, sharedSecret);
  try {
    const keys = crypto.shake256(input, CLIENT_ID_LENGTH + COOKIE_KEY_LENGTH);
    return { clientId: keys.subarray(0, CLIENT_ID_LENGTH), cookieKey: keys.subarray(CLIENT_ID_LENGTH) };
  } finally {
    input.fill(0);
  }
}

/**
 * The line by which one client gets the descriptor cookie (16 bytes); `iv` is 16 random bytes
 * (rend-spec-v3 §2.5.1.2). Throws BAD_LENGTH.
 */
export function makeAuthClientLine(keys: ClientKeys, iv: Bytes, descriptorCookie: Bytes): AuthClientLine {
  if (descriptorCookie.length !== DESCRIPTOR_COOKIE_LENGTH) throw badCookie();
  return {
    clientId: fixedBytes(keys.clientId, CLIENT_ID_LENGTH, 'a client id'),
    iv: fixedBytes(iv, CLIENT_IV_LENGTH, 'the IV of a client'),
    encryptedCookie: OPENSSL_CRYPTO.aes256ctr(keys.cookieKey, iv, descriptorCookie),
  };
}

/** A line of no client, from {@link AUTH_CLIENT_LENGTH} random bytes (rend-spec-v3 §2.5.1.4). Throws BAD_LENGTH. */
export function makeFakeAuthClientLine(random: Bytes): AuthClientLine {
  const bytes = fixedBytes(random, AUTH_CLIENT_LENGTH, 'the randomness of a fake client');
  const ivEnd = CLIENT_ID_LENGTH + CLIENT_IV_LENGTH;
  return {
    clientId: bytes.subarray(0, CLIENT_ID_LENGTH),
    iv: bytes.subarray(CLIENT_ID_LENGTH, ivEnd),
    encryptedCookie: bytes.subarray(ivEnd),
  };
}

/**
 * The descriptor cookie (16 bytes, secret) for the holder of a client's private key (32 bytes), or undefined when no
 * line is for it (rend-spec-v3 §2.5.1.2). Nothing tells a true cookie from a wrong one but that the inner layer opens
 * with it.
 * Throws BAD_LENGTH, BAD_KEY.
 */
export function openCookie(
  clientPrivateKey: Bytes,
  middle: { readonly ephemeralKey: KpHssDescEnc; readonly authClients: readonly AuthClientLine[] },
  subcredential: NHsSubcred,
): Bytes | undefined {
  const sharedSecret = x25519SharedSecret(clientPrivateKey, middle.ephemeralKey);
  const keys = deriveClientKeys(sharedSecret, subcredential);
  sharedSecret.fill(0);
  const line = middle.authClients.find(({ clientId }) => equalBytes(clientId, keys.clientId));
  const cookie = line && OPENSSL_CRYPTO.aes256ctr(keys.cookieKey, line.iv, line.encryptedCookie);
  keys.cookieKey.fill(0);
  return cookie;
}

function badCookie(): DescriptorError {
  return new DescriptorError('BAD_LENGTH', `a descriptor cookie has ${DESCRIPTOR_COOKIE_LENGTH} bytes`);
}
