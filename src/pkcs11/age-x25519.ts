// The X25519 recipients of age: what `age-keygen` makes, and what stands on paper.

import { encodeBase64Unpadded } from '../descriptor/index.ts';
import { ageBase64, type AgeStanza, FILE_KEY_BYTES, TAG_BYTES } from './age-file.ts';
import { hkdfSha256Into } from './hkdf.ts';
import {
  chachaOpen,
  chachaSeal,
  fillRandom,
  withScratch,
  x25519Into,
  x25519PublicInto,
} from './locked-memory.ts';

const X25519_INFO = Buffer.from('age-encryption.org/v1/X25519');

/** Stanza for an ordinary age recipient (X25519 public key, 32 bytes). Throws CRYPTO for a low-order key. */
export function wrapForX25519(fileKey: Uint8Array, recipient: Uint8Array): AgeStanza {
  return withScratch(32, ephemeral => {
    fillRandom(ephemeral);
    const share = Buffer.alloc(32);
    x25519PublicInto(share, ephemeral);
    const body = Buffer.alloc(FILE_KEY_BYTES + TAG_BYTES);
    withX25519WrapKey(ephemeral, recipient, share, recipient, wrapKey => {
      chachaSeal(body, fileKey, wrapKey, new Uint8Array(12));
    });
    return { type: 'X25519', args: [encodeBase64Unpadded(share)], body };
  });
}

/** Unwraps an X25519 stanza into `fileKey` (16 bytes); false when it is for another key or of another type. */
export function unwrapFromX25519(stanza: AgeStanza, privateKey: Uint8Array, fileKey: Uint8Array): boolean {
  const [share, ...more] = stanza.type === 'X25519' ? stanza.args.map(ageBase64) : [];
  if (share?.length !== 32 || more.length > 0 || stanza.body.length !== FILE_KEY_BYTES + TAG_BYTES)
    return false;
  const recipient = Buffer.alloc(32);
  x25519PublicInto(recipient, privateKey);
  return withX25519WrapKey(privateKey, share, share, recipient, wrapKey =>
    chachaOpen(fileKey, stanza.body, wrapKey, new Uint8Array(12)),
  );
}

function withX25519WrapKey<T>(
  privateKey: Uint8Array,
  publicKey: Uint8Array,
  share: Uint8Array,
  recipient: Uint8Array,
  use: (wrapKey: Uint8Array) => T,
): T {
  return withScratch(64, scratch => {
    const shared = scratch.subarray(0, 32);
    const wrapKey = scratch.subarray(32, 64);
    x25519Into(shared, privateKey, publicKey);
    hkdfSha256Into(wrapKey, shared, Buffer.concat([share, recipient]), X25519_INFO);
    return use(wrapKey);
  });
}
