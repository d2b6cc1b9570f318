import { createHash, verify } from 'node:crypto';
import { parseSshKeyBlob, type SshPublicKey } from './ssh-key.ts';
import { SshReader, sshString } from './ssh-reader.ts';

/**
 * Signatures as `ssh-keygen -Y sign` makes them (OpenSSH, PROTOCOL.sshsig), by the keys of ssh-key.ts. Read strictly: one
 * armour, one encoding, nothing after it.
 */

const MAGIC = 'SSHSIG';
const VERSION = 1;
const [BEGIN, END] = ['-----BEGIN SSH SIGNATURE-----\n', '-----END SSH SIGNATURE-----\n'];
const MAX_ARMOUR = 4_096;
const HASHES = ['sha256', 'sha512'] as const;
/** PROTOCOL.u2f: the token saw a person. */
const USER_PRESENT = 1;

/** A signature that was read; nothing of it is proven. */
export interface SshSignature {
  readonly publicKey: SshPublicKey;
  /** What it was made for; a signature for anything else says nothing here. */
  readonly namespace: string;
  readonly hash: (typeof HASHES)[number];
  /** For verifySshSignature. */
  readonly signature: Uint8Array;
}

/** Undefined for what is no signature of a key of SSH_KEY_TYPES. */
export function parseSshSignature(armoured: string): SshSignature | undefined {
  if (armoured.length > MAX_ARMOUR) return undefined;
  const bytes = new Uint8Array(Buffer.from(armoured.slice(BEGIN.length, -END.length), 'base64'));
  if (armour(bytes) !== armoured) return undefined;
  try {
    return readSignature(new SshReader(bytes));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** As OpenSSH writes it: base64 in lines of 70. */
const armour = (bytes: Uint8Array): string =>
  BEGIN +
  Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,70}/g, '$&\n') +
  END;

function readSignature(reader: SshReader): SshSignature | undefined {
  const magic = Buffer.from(reader.bytes(MAGIC.length)).toString('latin1');
  if (magic !== MAGIC || reader.uint32() !== VERSION) return undefined;
  const publicKey = parseSshKeyBlob(reader.string());
  const namespace = reader.text();
  // `reserved`: empty in this version.
  if (reader.text() !== '') return undefined;
  const name = reader.text();
  const hash = HASHES.find(each => each === name);
  const signature = reader.string();
  reader.end();
  if (publicKey === undefined || hash === undefined) return undefined;
  return { publicKey, namespace, hash, signature };
}

/**
 * Whether the key of the signature signed `message` for its namespace. Of a FIDO token only with its user's presence; its
 * counter is signed but not compared: what is signed here names a serial, which never comes back.
 */
export function verifySshSignature(message: Uint8Array, made: SshSignature): boolean {
  const { publicKey, namespace, hash } = made;
  const signed = Buffer.concat([
    Buffer.from(MAGIC),
    sshString(namespace),
    sshString(''),
    sshString(hash),
    sshString(createHash(hash).update(message).digest()),
  ]);
  try {
    return verifyBlob(signed, publicKey, new SshReader(made.signature));
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function verifyBlob(
  signed: Uint8Array,
  { type, key, application }: SshPublicKey,
  reader: SshReader,
): boolean {
  if (reader.text() !== type) return false;
  const signature = reader.string();
  let message = signed;
  if (type.startsWith('sk-')) {
    const rest = reader.bytes(5);
    if (((rest[0] ?? 0) & USER_PRESENT) === 0) return false;
    // PROTOCOL.u2f: SHA-256(application), flags, counter, SHA-256(message).
    message = Buffer.concat([sha256(Buffer.from(application)), rest, sha256(signed)]);
  }
  reader.end();
  if (!type.includes('ecdsa')) return signature.length === 64 && verify(null, message, key, signature);
  const numbers = new SshReader(signature);
  const raw = Buffer.concat([numbers.positive(32), numbers.positive(32)]);
  numbers.end();
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, raw);
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
