/** The functions of sodium-native 5 that locked-memory.ts uses; the package brings no types. */
declare module 'sodium-native' {
  type View = Uint8Array;

  interface Sodium {
    sodium_malloc(size: number): Buffer;
    sodium_free(buffer: Buffer): void;
    sodium_mlock(buffer: View): void;
    sodium_memzero(buffer: View): void;
    sodium_memcmp(a: View, b: View): boolean;
    randombytes_buf(buffer: View): void;

    crypto_hash_sha256_STATEBYTES: number;
    crypto_hash_sha256_init(state: View): void;
    crypto_hash_sha256_update(state: View, input: View): void;
    crypto_hash_sha256_final(state: View, out: View): void;
    crypto_hash_sha512_STATEBYTES: number;
    crypto_hash_sha512_init(state: View): void;
    crypto_hash_sha512_update(state: View, input: View): void;
    crypto_hash_sha512_final(state: View, out: View): void;

    crypto_aead_chacha20poly1305_ietf_encrypt(
      c: View,
      m: View,
      ad: View | null,
      nsec: null,
      npub: View,
      k: View,
    ): number;
    crypto_aead_chacha20poly1305_ietf_decrypt(
      m: View,
      nsec: null,
      c: View,
      ad: View | null,
      npub: View,
      k: View,
    ): number;
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      c: View,
      m: View,
      ad: View | null,
      nsec: null,
      npub: View,
      k: View,
    ): number;
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      m: View,
      nsec: null,
      c: View,
      ad: View | null,
      npub: View,
      k: View,
    ): number;

    crypto_scalarmult_base(q: View, n: View): void;
    crypto_scalarmult(q: View, n: View, p: View): void;
    crypto_box_seal(c: View, m: View, pk: View): void;
    crypto_box_seal_open(m: View, c: View, pk: View, sk: View): boolean;

    crypto_sign_seed_keypair(pk: View, sk: View, seed: View): void;
    crypto_sign_detached(signature: View, message: View, sk: View): void;

    crypto_core_ed25519_scalar_add(z: View, x: View, y: View): void;
    crypto_core_ed25519_scalar_reduce(r: View, s: View): void;
    crypto_scalarmult_ed25519_base_noclamp(q: View, n: View): void;
  }

  const sodium: Sodium;
  export default sodium;
}
