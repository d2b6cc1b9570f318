// Names of Ed25519 keys that sign notes (c2sp.org/signed-note). Public data only.

import { hash } from 'node:crypto';

/** Length of an identity's word for a checkpoint key: an Ed25519 signature. */
export const VOUCHING_BYTES = 64;
/** Ed25519, as signed-note numbers it. */
const SIGNATURE_TYPE = 1;

/** Name of a checkpoint key (32 bytes): first line of its checkpoints, and the signer's name in them. */
export const checkpointOrigin = (publicKey: Uint8Array): string =>
  `onion-signer/${Buffer.from(publicKey).toString('hex', 0, 4)}`;

/** What people pass on of a key: name, key hash and public key (32 bytes), with plus signs between. */
export function formatVkey(name: string, publicKey: Uint8Array): string {
  const hashed = Buffer.from(noteKeyHash(name, publicKey)).toString('hex');
  return `${name}+${hashed}+${typed(publicKey).toString('base64')}`;
}

/** `text`, which ends with a line feed, under one signature (64 bytes) of the key. */
export function formatNote(text: string, name: string, publicKey: Uint8Array, signature: Uint8Array): string {
  const line = Buffer.concat([noteKeyHash(name, publicKey), signature]).toString('base64');
  return `${text}\n\u2014 ${name} ${line}\n`;
}

/** 4 bytes */
const noteKeyHash = (name: string, publicKey: Uint8Array): Uint8Array =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed(publicKey)]), 'buffer').subarray(0, 4);

const typed = (publicKey: Uint8Array): Buffer => Buffer.concat([Uint8Array.of(SIGNATURE_TYPE), publicKey]);
