// The keys of a token that envelopes are sealed to, and their two mechanisms: RSA-OAEP and AES-GCM.

import { CustodyError } from './error.ts';
import { fillRandom } from './locked-memory.ts';
import {
  CK_PARAMS_AES_GCM,
  CK_PARAMS_RSA_OAEP,
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS,
  CKA_PUBLIC_EXPONENT,
  CKG_MGF1_SHA1,
  CKG_MGF1_SHA256,
  CKK_AES,
  CKK_RSA,
  CKM_AES_GCM,
  CKM_RSA_PKCS_OAEP,
  CKM_SHA256,
  CKM_SHA_1,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  CKZ_DATA_SPECIFIED,
} from './pkcs11-constants.ts';
import type { Mechanism, ObjectTemplate, Token } from './pkcs11js.ts';
import type { Pkcs11Uri } from './uri.ts';

export type OaepHash = 'sha1' | 'sha256';

/** Lengths of a GCM nonce and tag in bytes. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** A tag of length 0 is taken by some modules and protects nothing. */
const TAG_BITS = 128;

/** An RSA private key on a token, with what the token says about it. */
export interface RsaTokenKey {
  readonly kind: 'rsa';
  readonly handle: Buffer;
  /** Big endian, no leading zeros. */
  readonly modulus: Uint8Array;
  readonly publicExponent: Uint8Array;
  /** Undefined when the token does not say. */
  readonly extractable: boolean | undefined;
}

/** An AES key on a token. It has no public half: its id and the serial number of its token stand for it. */
export interface AesTokenKey {
  readonly kind: 'aes';
  readonly handle: Buffer;
  /** CKA_ID, at least one byte. */
  readonly id: Uint8Array;
  readonly serial: string;
  readonly extractable: boolean | undefined;
}

export type TokenKey = RsaTokenKey | AesTokenKey;

/**
 * The keys for decryption that `object`, `id` and `type` of the URI select, at least one. Throws KEY_NOT_FOUND,
 * KEY_UNSUITABLE, TOKEN_DEAD. Log in first.
 */
export function findTokenKeys(token: Token, uri: Pkcs11Uri): TokenKey[] {
  const find = (objectClass: number, keyType: number): Buffer[] =>
    token
      .findObjects([[CKA_CLASS, objectClass], [CKA_KEY_TYPE, keyType], ...selectorOf(uri)])
      .filter(handle => token.attribute(handle, CKA_DECRYPT)?.[0] === 1);
  const keys = [
    ...(uri.type === 'secret-key' ? [] : find(CKO_PRIVATE_KEY, CKK_RSA).map(each => readRsaKey(token, each))),
    ...(uri.type === undefined || uri.type === 'secret-key'
      ? find(CKO_SECRET_KEY, CKK_AES).flatMap(handle => readAesKey(token, handle) ?? [])
      : []),
  ];
  if (keys.length === 0) throw new CustodyError('KEY_NOT_FOUND');
  return keys;
}

function selectorOf(uri: Pkcs11Uri): ObjectTemplate {
  const object: ObjectTemplate =
    uri.match.object === undefined ? [] : [[CKA_LABEL, Buffer.from(uri.match.object)]];
  return uri.id === undefined ? object : [...object, [CKA_ID, Buffer.from(uri.id)]];
}

function readRsaKey(token: Token, handle: Buffer): RsaTokenKey {
  const read = (type: number): Buffer | undefined =>
    token.attribute(handle, type) ?? publicAttribute(token, handle, type);
  const modulus = read(CKA_MODULUS);
  const exponent = read(CKA_PUBLIC_EXPONENT);
  if (modulus === undefined || exponent === undefined) throw new CustodyError('KEY_UNSUITABLE');
  return {
    kind: 'rsa',
    handle,
    modulus: withoutLeadingZeros(modulus),
    publicExponent: withoutLeadingZeros(exponent),
    extractable: isExtractable(token, handle),
  };
}

function publicAttribute(token: Token, privateKey: Buffer, type: number): Buffer | undefined {
  const id = token.attribute(privateKey, CKA_ID);
  if (id === undefined) return undefined;
  const [twin] = token.findObjects([
    [CKA_CLASS, CKO_PUBLIC_KEY],
    [CKA_KEY_TYPE, CKK_RSA],
    [CKA_ID, id],
  ]);
  return twin === undefined ? undefined : token.attribute(twin, type);
}

/** One without an id is not ours: nothing would tell it from another. */
function readAesKey(token: Token, handle: Buffer): AesTokenKey | undefined {
  const id = token.attribute(handle, CKA_ID);
  if (id === undefined) return undefined;
  const extractable = isExtractable(token, handle);
  return { kind: 'aes', handle, id: Uint8Array.from(id), serial: token.serial, extractable };
}

function isExtractable(token: Token, handle: Buffer): boolean | undefined {
  const extractable = token.attribute(handle, CKA_EXTRACTABLE)?.[0];
  return extractable === undefined ? undefined : extractable === 1;
}

function withoutLeadingZeros(bytes: Buffer): Uint8Array {
  const first = bytes.findIndex(byte => byte !== 0);
  return Uint8Array.from(bytes.subarray(Math.max(first, 0)));
}

/**
 * RSA-OAEP without label, straight into `out` (modulus-sized, locked memory); returns the plaintext's length.
 * Throws MECHANISM when the token does not take the hash, ENVELOPE_UNWRAP when it refuses the ciphertext.
 */
export function decryptOaep(
  token: Pick<Token, 'decrypt'>,
  key: RsaTokenKey,
  hash: OaepHash,
  ciphertext: Uint8Array,
  out: Buffer,
): number {
  if (ciphertext.length !== key.modulus.length || out.length < key.modulus.length)
    throw new CustodyError('ENVELOPE_UNWRAP');
  const parameter = {
    type: CK_PARAMS_RSA_OAEP,
    hashAlg: hash === 'sha1' ? CKM_SHA_1 : CKM_SHA256,
    mgf: hash === 'sha1' ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256,
    source: CKZ_DATA_SPECIFIED,
  };
  return token.decrypt({ mechanism: CKM_RSA_PKCS_OAEP, parameter }, key.handle, ciphertext, out);
}

/**
 * AES-GCM of `plaintext` (locked memory): nonce | ciphertext | tag. The nonce is ours, 12 random bytes; a token that
 * takes only its own gets 12 zeros and writes its nonce over them. Throws MECHANISM, TOKEN_DEAD.
 */
export function encryptGcm(
  token: Pick<Token, 'encrypt'>,
  key: AesTokenKey,
  plaintext: Buffer,
  aad: Uint8Array,
): Uint8Array {
  const iv = Buffer.alloc(IV_BYTES);
  fillRandom(iv);
  try {
    return gcmOf(token, key, plaintext, iv, aad);
  } catch (thrown) {
    if (!(thrown instanceof CustodyError) || thrown.code !== 'MECHANISM') throw thrown;
  }
  return gcmOf(token, key, plaintext, iv.fill(0), aad);
}

function gcmOf(
  token: Pick<Token, 'encrypt'>,
  key: AesTokenKey,
  plaintext: Buffer,
  iv: Buffer,
  aad: Uint8Array,
): Uint8Array {
  const sealed = Buffer.alloc(plaintext.length + TAG_BYTES);
  const length = token.encrypt(gcm(iv, aad), key.handle, plaintext, sealed);
  // A nonce that nobody chose would be the same each time.
  if (length !== sealed.length || iv.every(byte => byte === 0)) throw new CustodyError('MECHANISM');
  return Uint8Array.from(Buffer.concat([iv, sealed]));
}

/**
 * Opens nonce | ciphertext | tag; `out` (locked memory) is as long as ciphertext and tag, which some modules need.
 * Returns the plaintext's length. Throws MECHANISM; ENVELOPE_UNWRAP for another key, text or AAD.
 */
export function decryptGcm(
  token: Pick<Token, 'decrypt'>,
  key: AesTokenKey,
  sealed: Uint8Array,
  aad: Uint8Array,
  out: Buffer,
): number {
  const ciphertext = sealed.subarray(IV_BYTES);
  if (ciphertext.length <= TAG_BYTES || out.length < ciphertext.length)
    throw new CustodyError('ENVELOPE_UNWRAP');
  const iv = Buffer.from(sealed.subarray(0, IV_BYTES));
  const window = out.subarray(0, ciphertext.length);
  const length = token.decrypt(gcm(iv, aad), key.handle, ciphertext, window);
  // More than this would be the tag, handed out by a module that did not check it.
  if (length !== ciphertext.length - TAG_BYTES) throw new CustodyError('ENVELOPE_UNWRAP');
  return length;
}

function gcm(iv: Buffer, aad: Uint8Array): Mechanism {
  const parameter = {
    type: CK_PARAMS_AES_GCM,
    iv,
    ivBits: 8 * iv.length,
    aad: Buffer.from(aad),
    tagBits: TAG_BITS,
  };
  return { mechanism: CKM_AES_GCM, parameter };
}
