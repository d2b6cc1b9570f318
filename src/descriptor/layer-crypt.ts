import { type Bytes, asciiBytes, concat, concatSecret, equalBytes, fixedBytes, u64be } from './bytes.ts';
import { DescriptorError } from './error.ts';
import type { NHsSubcred } from './keys.ts';
import { type Ed25519Verify, aes256ctr, ed25519Verify, sha3_256, shake256 } from './primitives.ts';

/** The cryptography that opening a descriptor needs, so that it can be done a second time by other code. */
export interface DescriptorCrypto {
  /** SHA3-256 of the joined parts, 32 bytes. */
  sha3_256(...parts: readonly Bytes[]): Bytes;
  /** The first `length` bytes of SHAKE-256. */
  shake256(data: Bytes, length: number): Bytes;
  /** AES-256-CTR, 16-byte initial counter block. */
  aes256ctr(key: Bytes, iv: Bytes, data: Bytes): Bytes;
  readonly verify: Ed25519Verify;
}

/** OpenSSL's, through node:crypto. */
export const OPENSSL_CRYPTO: DescriptorCrypto = { sha3_256, shake256, aes256ctr, verify: ed25519Verify };

/** STRING_CONSTANT of the middle layer, `superencrypted` (rend-spec-v3 §2.5.1.1). */
export const MIDDLE_CONSTANT: Bytes = asciiBytes('hsdir-superencrypted-data');
/** STRING_CONSTANT of the inner layer, `encrypted` (rend-spec-v3 §2.5.2.1). */
export const INNER_CONSTANT: Bytes = asciiBytes('hsdir-encrypted-data');

/** What the keys of one layer are derived from (rend-spec-v3 §2.5.3). */
export interface LayerContext {
  /** SECRET_DATA: KP_hs_blind_id, and for the inner layer of a restricted service the descriptor cookie after it. */
  readonly secretData: Bytes;
  readonly subcredential: NHsSubcred;
  readonly revisionCounter: bigint;
  /** {@link MIDDLE_CONSTANT} or {@link INNER_CONSTANT}. */
  readonly constant: Bytes;
}

/** Length of the salt before each layer in bytes (rend-spec-v3 §2.5.3). */
export const SALT_LENGTH = 16;
/** Length of a descriptor cookie in bytes (rend-spec-v3 §2.5.2.1). */
export const DESCRIPTOR_COOKIE_LENGTH = 16;

const MAC_LENGTH = 32;
const KEY_LENGTH = 32;
const IV_LENGTH = 16;
const PADDING_MULTIPLE = 10_000;

/**
 * HS-DESC-ENC (rend-spec-v3 §2.5.3): salt (16 bytes, fresh for every encryption) | ciphertext | MAC (32).
 * Throws BAD_LENGTH for another salt.
 */
export function encryptLayer(context: LayerContext, salt: Bytes, plaintext: Bytes): Bytes {
  const ownSalt = fixedBytes(salt, SALT_LENGTH, 'the salt of a layer');
  return withLayerKeys(OPENSSL_CRYPTO, context, ownSalt, (key, iv, macKey) => {
    const ciphertext = aes256ctr(key, iv, plaintext);
    return concat(ownSalt, ciphertext, layerMac(OPENSSL_CRYPTO, macKey, ownSalt, ciphertext));
  });
}

/** Opens what {@link encryptLayer} made. Throws BAD_LAYER when it is too short, BAD_MAC when the MAC differs. */
export function decryptLayer(
  context: LayerContext,
  blob: Bytes,
  crypto: DescriptorCrypto = OPENSSL_CRYPTO,
): Bytes {
  if (blob.length <= SALT_LENGTH + MAC_LENGTH) {
    throw new DescriptorError('BAD_LAYER', 'an encrypted layer must be longer than its salt and MAC');
  }
  const salt = blob.subarray(0, SALT_LENGTH);
  const ciphertext = blob.subarray(SALT_LENGTH, blob.length - MAC_LENGTH);
  return withLayerKeys(crypto, context, salt, (key, iv, macKey) => {
    const mac = layerMac(crypto, macKey, salt, ciphertext);
    if (!equalBytes(mac, blob.subarray(blob.length - MAC_LENGTH))) {
      throw new DescriptorError(
        'BAD_MAC',
        'an encrypted layer must carry the MAC of these keys and this counter',
      );
    }
    return crypto.aes256ctr(key, iv, ciphertext);
  });
}

/** The middle layer's text with NULs to the next multiple of 10,000 bytes, as tor pads it (rend-spec-v3 §2.5.1.1). */
export function padMiddle(text: Bytes): Bytes {
  const padded = new Uint8Array(Math.ceil(text.length / PADDING_MULTIPLE) * PADDING_MULTIPLE);
  padded.set(text);
  return padded;
}

/** The text before the padding, which must be NULs only. Throws BAD_LAYER for anything behind the first NUL. */
export function unpadMiddle(padded: Bytes): Bytes {
  const end = padded.indexOf(0);
  if (end < 0) return padded;
  if (!equalBytes(padded.subarray(end), new Uint8Array(padded.length - end))) {
    throw new DescriptorError('BAD_LAYER', 'the padding of a layer must be NULs only', { offset: end });
  }
  return padded.subarray(0, end);
}

function withLayerKeys<T>(
  crypto: DescriptorCrypto,
  { secretData, subcredential, revisionCounter, constant }: LayerContext,
  salt: Bytes,
  use: (key: Bytes, iv: Bytes, macKey: Bytes) => T,
): T {
  const input = concatSecret(secretData, subcredential, u64be(revisionCounter), salt, constant);
  const keys = crypto.shake256(input, KEY_LENGTH + IV_LENGTH + MAC_LENGTH);
  try {
    return use(
      keys.subarray(0, KEY_LENGTH),
      keys.subarray(KEY_LENGTH, KEY_LENGTH + IV_LENGTH),
      keys.subarray(KEY_LENGTH + IV_LENGTH),
    );
  } finally {
    // The inner keys of a restricted service are as good as its cookie.
    keys.fill(0);
    input.fill(0);
  }
}

function layerMac(crypto: DescriptorCrypto, macKey: Bytes, salt: Bytes, ciphertext: Bytes): Bytes {
  return crypto.sha3_256(u64be(macKey.length), macKey, u64be(salt.length), salt, ciphertext);
}
