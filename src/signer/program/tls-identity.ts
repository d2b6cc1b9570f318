import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { SignerError } from '../contract/problems.ts';
import {
  derBitString,
  derExplicit,
  derInteger,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
} from './der.ts';
import { writeNew } from './durable-file.ts';

/** An end of a pinned TLS connection: an Ed25519 key and the certificate that it signs itself. */
export interface TlsIdentity {
  /** What the other end writes down: `sha256/` and the base64 of the SHA-256 of the SPKI (44 characters). */
  readonly pin: string;
  /** PEM of the certificate: a function of the key alone, the same at each start. */
  readonly cert: string;
  /** PEM of the key; `fill(0)` it once TLS has its own copy. */
  readonly key: Buffer;
}

/** Both ends speak exactly this: TLS 1.3, HTTP/1.1 named in it, Ed25519 certificates, no CA that could be asked. */
export const TLS_VERSION = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  sigalgs: 'ed25519',
} as const satisfies SecureContextOptions;
export const TLS_PROTOCOL = 'http/1.1';

const PIN = /^sha256\/[A-Za-z0-9+/]{43}=$/;
/** PEM of an Ed25519 PKCS#8 key is about 120 bytes. */
const MAX_KEY_BYTES = 1024;
const ED25519 = derSequence(derOid('1.3.101.112'));

/** Whether `text` is a pin, in its one spelling. */
export const isPin = (text: string): boolean =>
  PIN.test(text) && `sha256/${Buffer.from(text.slice(7), 'base64').toString('base64')}` === text;

/** The pin of a certificate that the other end proved to hold the key of. */
export function pinOf(certificate: X509Certificate): string {
  return pinOfSpki(certificate.publicKey.export({ type: 'spki', format: 'der' }));
}

const pinOfSpki = (spki: Uint8Array): string =>
  `sha256/${createHash('sha256').update(spki).digest('base64')}`;

/** Makes a key at `path` (mode 0600, durable) unless one is there. */
export function makeTlsKey(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  const pem = toPem(der);
  try {
    writeNew(path, pem, 0o600);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    der.fill(0);
    pem.fill(0);
  }
}

/** Reads the key at `path` and makes its certificate. SignerError TLS_KEY: no such file, open to others, no Ed25519 key. */
export function readTlsIdentity(path: string): TlsIdentity {
  const key = readKeyFile(path);
  try {
    const privateKey = createPrivateKey(key);
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('not Ed25519');
    const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    return { pin: pinOfSpki(spki), cert: selfSigned(privateKey, spki), key };
  } catch (cause) {
    key.fill(0);
    throw new SignerError(
      'TLS_KEY',
      `${path}: this is no Ed25519 key; move it away and run the command \`tls\``,
      {
        cause,
        file: path,
      },
    );
  }
}

/** The pin of the key at `path`. SignerError TLS_KEY. */
export function readTlsPin(path: string): string {
  const { pin, key } = readTlsIdentity(path);
  key.fill(0);
  return pin;
}

function readKeyFile(path: string): Buffer {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = fstatSync(fd);
    const fits = status.isFile() && (status.mode & 0o077) === 0 && status.size <= MAX_KEY_BYTES;
    if (!fits) throw new SignerError('TLS_KEY', `${path}: make it a file of mode 0600`, { file: path });
    const bytes = Buffer.alloc(status.size);
    return bytes.subarray(0, readSync(fd, bytes));
  } catch (cause) {
    if (cause instanceof SignerError) throw cause;
    const message = `${path}: make the key with the command \`tls\`, as the user of this program`;
    throw new SignerError('TLS_KEY', message, { cause, file: path });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** An X.509 v3 certificate (RFC 5280, RFC 8410) without a name, a host or an end: its key is all that it says. */
function selfSigned(key: KeyObject, spki: Uint8Array): string {
  const name = derSequence(derSet(derSequence(derOid('2.5.4.3'), derUtf8String('onion-signer'))));
  const serial = createHash('sha256').update(spki).digest().subarray(0, 16);
  const body = derSequence(
    derExplicit(0, derInteger(Uint8Array.of(2))),
    derInteger(Uint8Array.of(0x40, ...serial)),
    ED25519,
    name,
    derSequence(derTime('20000101000000Z'), derTime('99991231235959Z')),
    name,
    spki,
  );
  const certificate = derSequence(body, ED25519, derBitString(sign(undefined, body, key)));
  return new X509Certificate(certificate).toString();
}

/** PKCS#8 in PEM without a string of it: its 48 bytes are one line. */
function toPem(der: Uint8Array): Buffer {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const line = Buffer.alloc((der.length / 3) * 4);
  for (let i = 0; i < der.length; i += 3) {
    const group = ((der[i] ?? 0) << 16) | ((der[i + 1] ?? 0) << 8) | (der[i + 2] ?? 0);
    for (let j = 0; j < 4; j += 1) line[(i / 3) * 4 + j] = alphabet.charCodeAt((group >> (18 - 6 * j)) & 63);
  }
  const pem = Buffer.concat([
    Buffer.from('-----BEGIN PRIVATE KEY-----\n'),
    line,
    Buffer.from('\n-----END PRIVATE KEY-----\n'),
  ]);
  line.fill(0);
  return pem;
}
