import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sshString } from '../src/signer/contract/ssh-reader.ts';

/** A key made by `ssh-keygen`: its private file, and the line of its `.pub` file. */
export interface SshKey {
  readonly file: string;
  readonly line: string;
}

/** Makes a key pair without passphrase below `folder`. */
export function makeSshKey(
  folder: string,
  name: string,
  type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519',
): SshKey {
  const file = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', `${name}@desk`, '-f', file]);
  return { file, line: readFileSync(`${file}.pub`, 'utf8').trim() };
}

/** What `ssh-keygen -Y sign` writes for `text`. */
export function sshSign(
  { file }: SshKey,
  text: string | Uint8Array,
  namespace = 'onion-signer-policy',
  hash: 'sha256' | 'sha512' = 'sha512',
): string {
  const message = `${file}.message`;
  writeFileSync(message, text);
  rmSync(`${message}.sig`, { force: true });
  const args = ['-q', '-Y', 'sign', '-n', namespace, '-O', `hashalg=${hash}`, '-f', file, message];
  execFileSync('ssh-keygen', args, { stdio: 'ignore' });
  return readFileSync(`${message}.sig`, 'utf8');
}

/** Whether `ssh-keygen -Y check-novalidate` takes the signature. */
export function sshTakes(
  folder: string,
  text: string | Uint8Array,
  signature: string,
  namespace: string,
): boolean {
  const file = join(folder, 'checked.sig');
  writeFileSync(file, signature);
  const args = ['-q', '-Y', 'check-novalidate', '-n', namespace, '-s', file];
  try {
    execFileSync('ssh-keygen', args, { input: text, stdio: ['pipe', 'ignore', 'ignore'] });
    return true;
  } catch {
    return false;
  }
}

/** What a FIDO token reports with a signature. */
export interface TokenState {
  readonly flags?: number;
  readonly counter?: number;
}

/** A key in the format of FIDO tokens (OpenSSH, PROTOCOL.u2f) whose private half is in this process. */
export function softwareToken(kind: 'ed25519' | 'ecdsa' = 'ed25519', application = 'ssh:') {
  const isEcdsa = kind === 'ecdsa';
  const type = isEcdsa ? 'sk-ecdsa-sha2-nistp256@openssh.com' : 'sk-ssh-ed25519@openssh.com';
  const pair = isEcdsa ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const key = createPrivateKey(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const point = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(isEcdsa ? -65 : -32);
  const curve = isEcdsa ? [sshString('nistp256')] : [];
  const blob = Buffer.concat([sshString(type), ...curve, sshString(point), sshString(application)]);
  return {
    line: `${type} ${blob.toString('base64')} token@desk`,
    sign(
      text: string | Uint8Array,
      { flags = 1, counter = 7 }: TokenState = {},
      namespace = 'onion-signer-policy',
    ) {
      const state = Buffer.alloc(5);
      state.writeUInt8(flags);
      state.writeUInt32BE(counter, 1);
      const message = Buffer.concat([sha256(application), state, sha256(signedBytes(text, namespace))]);
      const made = isEcdsa
        ? sshString(mpints(sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' })))
        : sshString(sign(null, message, key));
      return armour(blob, namespace, Buffer.concat([sshString(type), made, state]));
    },
  };
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();

/** PROTOCOL.sshsig: what is really signed. */
function signedBytes(text: string | Uint8Array, namespace: string): Buffer {
  const digest = createHash('sha512').update(text).digest();
  return Buffer.concat([Buffer.from('SSHSIG'), ...[namespace, '', 'sha512', digest].map(sshString)]);
}

function armour(blob: Uint8Array, namespace: string, signature: Uint8Array): string {
  const head = Buffer.concat([Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, 1])]);
  const body = Buffer.concat([head, ...[blob, namespace, '', 'sha512', signature].map(sshString)]);
  return wrap(body);
}

/** Bytes → the armour that `ssh-keygen` writes. */
export function wrap(body: Uint8Array): string {
  const lines =
    Buffer.from(body)
      .toString('base64')
      .match(/.{1,70}/gu) ?? [];
  return `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`;
}

/** The bytes inside an armour. */
export const unwrap = (armoured: string): Buffer =>
  Buffer.from(armoured.replace(/-----.*-----/gu, ''), 'base64');

function mpints(raw: Uint8Array): Buffer {
  const numbers = [raw.subarray(0, 32), raw.subarray(32)].map(half => {
    const digits = Buffer.from(half.subarray(half.findIndex(byte => byte !== 0)));
    return sshString((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits);
  });
  return Buffer.concat(numbers);
}
