// How the sealed state records a descriptor signing key.

import type { KpHsDescSign } from '../descriptor/index.ts';
import type { Secret } from './locked-memory.ts';

/** CKA_ID of a key of ours on a token. */
export const SIGNING_KEY_ID_BYTES = 16;

/** A key on the token: where it is, and what it must be. */
export interface TokenKeyRecord {
  /** 16 random bytes: CKA_ID of both halves. */
  readonly id: Uint8Array;
  readonly kpHsDescSign: KpHsDescSign;
}

/** A seed (32 bytes) of our own, or a key on the token. */
export type SigningKeyRecord =
  | { readonly kind: 'seed'; readonly seed: Secret }
  | ({ readonly kind: 'token' } & TokenKeyRecord);

/** The name of a record in maps. */
export function recordName({ id }: Pick<TokenKeyRecord, 'id'>): string {
  return Buffer.from(id).toString('hex');
}
