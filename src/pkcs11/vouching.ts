// The one statement that an identity signs with its own key: which key signs the checkpoints of its signer. Built here
// from fields, in the token process to be signed and in the keyholder to be verified.

import {
  type Ed25519Public,
  type Ed25519Verify,
  ed25519Verify,
  formatOnionAddress,
  type KpHsId,
  nobleVerify,
} from '../descriptor/index.ts';
import { signWithHalves, type ExpandedIdentity } from './blinded-sign.ts';
import { CustodyError } from './error.ts';
import { fillRandom, withScratch } from './locked-memory.ts';
import { checkpointOrigin, formatNote, formatVkey } from './note-key.ts';

/**
 * First line. Nothing that Tor has signed by an identity or a blinded key begins like this (certificates begin with the
 * byte 1, descriptors with `Tor onion service descriptor sig v3`), and no checkpoint has an address as its second line.
 */
const TITLE = 'onion-signer checkpoint key 1';

/** The statement: title, address, verifier key of the checkpoints; each with a line feed. */
export const vouchingText = (kpHsId: KpHsId, checkpointKey: Uint8Array): string =>
  `${TITLE}\n${formatOnionAddress(kpHsId)}\n${formatVkey(checkpointOrigin(checkpointKey), checkpointKey)}\n`;

/**
 * Signs the statement with the unblinded identity, whose halves are in locked memory; the nonce is hedged. Verified with
 * OpenSSL before it is returned, 64 bytes. @throws CustodyError CRYPTO
 */
export function vouch(identity: ExpandedIdentity, kpHsId: KpHsId, checkpointKey: Ed25519Public): Uint8Array {
  const message = Buffer.from(vouchingText(kpHsId, checkpointKey));
  const signature = withScratch(32, hedge => {
    fillRandom(hedge);
    return signWithHalves(identity, kpHsId, message, hedge);
  });
  if (!ed25519Verify(message, signature, kpHsId)) throw new CustodyError('CRYPTO');
  return signature;
}

/** libsodium signed: OpenSSL and @noble both have to agree. */
export const VOUCHING_VERIFIERS: readonly Ed25519Verify[] = [ed25519Verify, nobleVerify];

/** Whether the identity vouched for the key, by each of `verifiers`. */
export function isVouching(
  signature: Uint8Array,
  kpHsId: KpHsId,
  checkpointKey: Uint8Array,
  verifiers = VOUCHING_VERIFIERS,
): boolean {
  const message = Buffer.from(vouchingText(kpHsId, checkpointKey));
  return verifiers.every(verify => verify(message, signature, kpHsId));
}

/** The statement as a signed note, whose key is the address itself: its name, and KP_hs_id as the public key. */
export const vouchingNote = (kpHsId: KpHsId, checkpointKey: Uint8Array, signature: Uint8Array): string =>
  formatNote(vouchingText(kpHsId, checkpointKey), formatOnionAddress(kpHsId), kpHsId, signature);
