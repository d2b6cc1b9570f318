import { inspect } from 'node:util';
import sodium from 'sodium-native';
import { CustodyError } from './error.ts';

/**
 * The door to libsodium: locked, guarded, undumpable memory and the primitives that work inside it.
 * Outputs go into the window given as `out`; a window may be any Uint8Array, so callers see from the
 * type of their own variable (Secret or plain) where a value lives.
 */

const AEAD_TAG_BYTES = 16;
export const BOX_SEAL_BYTES = 48;

let isSwapAccepted = false;

/** From now on secrets lie in pages that may be swapped: for `settleMemory` alone, where none can be locked. */
export function giveUpLocking(): void {
  isSwapAccepted = true;
}

/** A secret in its own locked pages. It prints, logs and serialises as `[secret]`; `use` is the only way in. */
export class Secret {
  #bytes: Buffer | undefined;
  readonly length: number;

  /** `length` in bytes, 1 to 1 MiB; zero-filled. Throws LOCKED_MEMORY when the pages cannot be locked. */
  constructor(length: number) {
    if (!Number.isSafeInteger(length) || length < 1 || length > 0x10_0000)
      throw new CustodyError('LOCKED_MEMORY');
    this.length = length;
    this.#bytes = takePages(length);
  }

  /** `length` bytes, filled by `fill`; wiped when that throws. */
  static make(length: number, fill: (bytes: Buffer) => void): Secret {
    const secret = new Secret(length);
    try {
      secret.use(fill);
      return secret;
    } catch (thrown) {
      secret.wipe();
      throw thrown;
    }
  }

  /** `length` bytes from libsodium's generator. */
  static random(length: number): Secret {
    return Secret.make(length, bytes => sodium.randombytes_buf(bytes));
  }

  /** Copies `bytes` in; the caller wipes its own copy. */
  static copyOf(bytes: Uint8Array): Secret {
    return Secret.make(bytes.length, window => window.set(bytes));
  }

  /** Hands the window to `fn` and returns what it returns; do not keep the window. Throws SECRET_WIPED. */
  use<T>(fn: (bytes: Buffer) => T): T {
    if (this.#bytes === undefined) throw new CustodyError('SECRET_WIPED');
    return fn(this.#bytes.subarray(0, this.length));
  }

  /** Zeroes the pages and gives them back; a second call does nothing. */
  wipe(): void {
    if (this.#bytes === undefined) return;
    givePagesBack(this.#bytes);
    this.#bytes = undefined;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

// Pages that were wiped wait here by size for the next secret: freed ones stay locked until a garbage
// collection, and a burst of short-lived secrets would exhaust RLIMIT_MEMLOCK.
const sparePages = new Map<number, Buffer[]>();

function takePages(length: number): Buffer {
  // Rounded up so that the address, which libsodium aligns to the end of a page, suits its hash states.
  const size = (length + 15) & ~15;
  const spare = sparePages.get(size)?.pop();
  if (spare !== undefined) return spare;
  try {
    const bytes = sodium.sodium_malloc(size);
    // sodium_malloc is silent when it could not lock; locking the same pages again is not.
    if (!isSwapAccepted) sodium.sodium_mlock(bytes);
    sodium.sodium_memzero(bytes);
    return bytes;
  } catch (cause) {
    throw new CustodyError('LOCKED_MEMORY', undefined, { cause });
  }
}

/** Runs `fn` while fresh pages of this many bytes are locked, which nothing else had before. Throws LOCKED_MEMORY. */
export function withFreshPages<T>(length: number, fn: () => T): T {
  const pages = takePages(length);
  try {
    return fn();
  } finally {
    sodium.sodium_free(pages);
  }
}

function givePagesBack(bytes: Buffer): void {
  sodium.sodium_memzero(bytes);
  const spare = sparePages.get(bytes.length);
  if (spare === undefined) sparePages.set(bytes.length, [bytes]);
  else spare.push(bytes);
}

/** Runs `fn` (synchronous) with `length` zeroed locked bytes that are wiped whatever happens. */
export function withScratch<T>(length: number, fn: (bytes: Buffer) => T): T {
  const scratch = new Secret(length);
  try {
    return scratch.use(fn);
  } finally {
    scratch.wipe();
  }
}

/** Zeroes any buffer, locked or not. */
export function wipeBytes(bytes: Uint8Array): void {
  sodium.sodium_memzero(bytes);
}

/** Fills `out` from libsodium's generator. */
export function fillRandom(out: Uint8Array): void {
  sodium.randombytes_buf(out);
}

/** Constant-time comparison; false at once when the (public) lengths differ. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && sodium.sodium_memcmp(a, b);
}

/** SHA-256 of the parts in a row into `out` (32 bytes); the state is locked. */
export function sha256Into(out: Uint8Array, ...parts: readonly Uint8Array[]): void {
  withScratch(sodium.crypto_hash_sha256_STATEBYTES, state => {
    sodium.crypto_hash_sha256_init(state);
    for (const part of parts) sodium.crypto_hash_sha256_update(state, part);
    sodium.crypto_hash_sha256_final(state, out);
  });
}

/** SHA-512 of the parts in a row into `out` (64 bytes); the state is locked. */
export function sha512Into(out: Uint8Array, ...parts: readonly Uint8Array[]): void {
  withScratch(sodium.crypto_hash_sha512_STATEBYTES, state => {
    sodium.crypto_hash_sha512_init(state);
    for (const part of parts) sodium.crypto_hash_sha512_update(state, part);
    sodium.crypto_hash_sha512_final(state, out);
  });
}

/** ChaCha20-Poly1305 (RFC 8439): `out` = ciphertext | tag (plaintext + 16); key 32, nonce 12 (used once), `ad` optional. */
export function chachaSeal(
  out: Uint8Array,
  plaintext: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  ad?: Uint8Array,
): void {
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt(out, plaintext, ad ?? null, null, nonce, key);
}

/** Opens ciphertext | tag into `out` (16 shorter). False, and `out` wiped, when it is not authentic. */
export function chachaOpen(
  out: Uint8Array,
  sealed: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  ad?: Uint8Array,
): boolean {
  return openOrWipe(out, sealed, () =>
    sodium.crypto_aead_chacha20poly1305_ietf_decrypt(out, null, sealed, ad ?? null, nonce, key),
  );
}

/** XChaCha20-Poly1305: as `chachaSeal`, with a nonce of 24 bytes that may be random. */
export function xchachaSeal(
  out: Uint8Array,
  plaintext: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  ad?: Uint8Array,
): void {
  sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(out, plaintext, ad ?? null, null, nonce, key);
}

/** XChaCha20-Poly1305: as `chachaOpen`, with a nonce of 24 bytes. */
export function xchachaOpen(
  out: Uint8Array,
  sealed: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  ad?: Uint8Array,
): boolean {
  return openOrWipe(out, sealed, () =>
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(out, null, sealed, ad ?? null, nonce, key),
  );
}

function openOrWipe(out: Uint8Array, sealed: Uint8Array, open: () => number): boolean {
  if (sealed.length < AEAD_TAG_BYTES || out.length !== sealed.length - AEAD_TAG_BYTES) return false;
  try {
    open();
    return true;
  } catch {
    wipeBytes(out);
    return false;
  }
}

/** X25519 public key of a private one (32 bytes each; libsodium clamps). */
export function x25519PublicInto(out: Uint8Array, privateKey: Uint8Array): void {
  sodium.crypto_scalarmult_base(out, privateKey);
}

/** X25519 shared secret into `out` (32 bytes). Throws CRYPTO for a low-order point. */
export function x25519Into(out: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): void {
  try {
    sodium.crypto_scalarmult(out, privateKey, publicKey);
  } catch (cause) {
    throw new CustodyError('CRYPTO', undefined, { cause });
  }
}

/** Anonymous sealed box (crypto_box_seal) of `message` to an X25519 public key: message + 48 bytes. */
export function boxSeal(message: Uint8Array, publicKey: Uint8Array): Buffer {
  const sealed = Buffer.alloc(message.length + BOX_SEAL_BYTES);
  try {
    sodium.crypto_box_seal(sealed, message, publicKey);
  } catch (cause) {
    throw new CustodyError('CRYPTO', undefined, { cause });
  }
  return sealed;
}

/** Opens a sealed box into `out` (48 bytes shorter); false when it is not ours or was changed. */
export function boxSealOpen(
  out: Uint8Array,
  sealed: Uint8Array,
  publicKey: Uint8Array,
  privateKey: Uint8Array,
): boolean {
  if (sealed.length !== out.length + BOX_SEAL_BYTES) return false;
  const opened = sodium.crypto_box_seal_open(out, sealed, publicKey, privateKey);
  if (!opened) wipeBytes(out);
  return opened;
}

/** Ed25519 from a 32-byte seed: the 64-byte secret key (seed | public) into `secretKey`; returns the public key. */
export function ed25519FromSeed(secretKey: Uint8Array, seed: Uint8Array): Buffer {
  const publicKey = Buffer.alloc(32);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  return publicKey;
}

/** Ed25519 signature (64 bytes) with a 64-byte secret key in locked memory. */
export function ed25519Sign(message: Uint8Array, secretKey: Uint8Array): Buffer {
  const signature = Buffer.alloc(64);
  sodium.crypto_sign_detached(signature, message, secretKey);
  return signature;
}

/** out = x + y mod ℓ, constant time. At most one of x, y may be unreduced, and below 2^255. */
export function scalarAdd(out: Uint8Array, x: Uint8Array, y: Uint8Array): void {
  sodium.crypto_core_ed25519_scalar_add(out, x, y);
}

/** out (32 bytes) = wide (64 bytes, little endian) mod ℓ. */
export function scalarReduce(out: Uint8Array, wide: Uint8Array): void {
  sodium.crypto_core_ed25519_scalar_reduce(out, wide);
}

/** out = scalar · B, the scalar taken as it is (no clamping, reduced or not). Throws CRYPTO for zero. */
export function basepointTimes(out: Uint8Array, scalar: Uint8Array): void {
  try {
    sodium.crypto_scalarmult_ed25519_base_noclamp(out, scalar);
  } catch (cause) {
    throw new CustodyError('CRYPTO', undefined, { cause });
  }
}
