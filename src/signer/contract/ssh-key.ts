import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { parseKpHsId } from '../../descriptor/index.ts';
import { SshReader } from './ssh-reader.ts';

/** Kinds of keys that may sign: those of FIDO tokens (`sk-`) need a person's touch for each signature. */
export const SSH_KEY_TYPES = [
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'sk-ecdsa-sha2-nistp256@openssh.com',
] as const;

export type SshKeyType = (typeof SSH_KEY_TYPES)[number];

/** An OpenSSH public key. */
export interface SshPublicKey {
  readonly type: SshKeyType;
  /** As it stands in base64 after the type (RFC 4253 section 6.6). */
  readonly blob: Uint8Array;
  /** The bare key, by which two names of one key are found: 32 bytes, or a point of P-256 in 65. */
  readonly point: Uint8Array;
  /** Of a FIDO token: what the key is for, as a rule `ssh:`; '' otherwise. */
  readonly application: string;
  readonly key: KeyObject;
}

const P256_POINT_LENGTH = 65;
const MAX_APPLICATION = 255;

/**
 * Reads a public key as it stands in a `.pub` file, without its comment: `ssh-ed25519 AAAA…`. Undefined for what is none of
 * SSH_KEY_TYPES in its one encoding, and for an Ed25519 key that anybody could sign for.
 */
export function parseSshPublicKey(text: string): SshPublicKey | undefined {
  const [, type, base64 = ''] = /^(\S{1,64}) ([A-Za-z0-9+/]{1,1024}={0,2})$/.exec(text) ?? [];
  const blob = new Uint8Array(Buffer.from(base64, 'base64'));
  if (Buffer.from(blob).toString('base64') !== base64) return undefined;
  const key = parseSshKeyBlob(blob);
  return key?.type === type ? key : undefined;
}

/** parseSshPublicKey without the frame of text. */
export function parseSshKeyBlob(blob: Uint8Array): SshPublicKey | undefined {
  try {
    return readKey(blob);
  } catch {
    // RangeError of the reader, or a key that is no point of its curve.
    return undefined;
  }
}

function readKey(blob: Uint8Array): SshPublicKey | undefined {
  const reader = new SshReader(blob);
  const name = reader.text();
  const type = SSH_KEY_TYPES.find(each => each === name);
  if (type === undefined) return undefined;
  const isEcdsa = type.includes('ecdsa');
  if (isEcdsa && reader.text() !== 'nistp256') return undefined;
  const point = reader.string();
  const application = type.startsWith('sk-') ? reader.text() : '';
  reader.end();
  if (application.length > MAX_APPLICATION || !/^[!-~]*$/.test(application)) return undefined;
  return { type, blob, point, application, key: isEcdsa ? p256Key(point) : ed25519Key(point) };
}

/** The same demand as on every other Ed25519 key: canonical, of prime order. */
function ed25519Key(point: Uint8Array): KeyObject {
  const x = Buffer.from(parseKpHsId(point)).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** RFC 5656 section 3.1: SEC1, uncompressed. */
function p256Key(point: Uint8Array): KeyObject {
  if (point.length !== P256_POINT_LENGTH || point[0] !== 4) throw new RangeError('no uncompressed point');
  const coordinate = (from: number): string =>
    Buffer.from(point.subarray(from, from + 32)).toString('base64url');
  const key = { kty: 'EC', crv: 'P-256', x: coordinate(1), y: coordinate(33) };
  return createPublicKey({ key, format: 'jwk' });
}

/** `type base64`: the canonical form. */
export const formatSshPublicKey = ({ type, blob }: SshPublicKey): string =>
  `${type} ${Buffer.from(blob).toString('base64')}`;

/** As `ssh-keygen -l` shows it. */
export const sshFingerprint = (blob: Uint8Array): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
