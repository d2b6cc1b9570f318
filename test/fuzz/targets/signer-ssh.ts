// Keys and signatures of administrators, as OpenSSH writes them.

import { SignerError } from '../../../src/signer/contract/problems.ts';
import { parseSshKeyBlob, parseSshPublicKey } from '../../../src/signer/contract/ssh-key.ts';
import { parseSshSignature } from '../../../src/signer/contract/ssh-signature.ts';
import { ed25519Pair, noise } from '../../descriptor/forge.ts';
import { utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes } from '../target.ts';

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
const pair = ed25519Pair('fuzz ssh');
const sshString = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.flatMap(part => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, Buffer.from(part)];
    }),
  );
const SSH_KEY = sshString('ssh-ed25519', pair.publicKey);
const SSH_SIGNATURE = Buffer.concat([
  Buffer.from('SSHSIG\0\0\0\x01'),
  sshString(SSH_KEY, 'a-use', '', 'sha512', sshString('ssh-ed25519', noise('ssh', 64))),
]);
const SSH_ARMOUR = [
  '-----BEGIN SSH SIGNATURE-----',
  ...(SSH_SIGNATURE.toString('base64').match(/.{1,70}/gu) ?? []),
  '-----END SSH SIGNATURE-----\n',
].join('\n');

/** What is undefined was refused. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new SignerError('POLICY_SIGNATURE', 'refused');
  return value;
}

export const SIGNER_SSH: readonly Target[] = [
  {
    area: 'signer',
    name: 'signer/ssh-public-key',
    codes: ['POLICY_SIGNATURE'],
    shapes: ['tokens', 'objects', 'bytes'],
    seeds: () => [utf8(`ssh-ed25519 ${SSH_KEY.toString('base64')}`)],
    run: input => {
      const { type, blob } = given(parseSshPublicKey(text(input)));
      demand(`${type} ${Buffer.from(blob).toString('base64')}` === text(input), 'a public key has one form');
    },
  },
  {
    area: 'signer',
    name: 'signer/ssh-signature',
    codes: ['POLICY_SIGNATURE'],
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [utf8(SSH_ARMOUR)],
    run: input => {
      const { publicKey } = given(parseSshSignature(text(input)));
      demandBytes(given(parseSshKeyBlob(publicKey.blob)).blob, publicKey.blob, 'its key is read again');
    },
  },
];
