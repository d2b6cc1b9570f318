// The host's own secret: what seals the keyholder's state to this machine.

import { join } from 'node:path';
import { CustodyError } from './error.ts';
import { hkdfSha256Into } from './hkdf.ts';
import { Secret, withScratch } from './locked-memory.ts';
import { type FileDemand, readFully, withCheckedFile, writeNewFile } from './private-file.ts';

/** `file:/absolute/path` or `credential:NAME` ($CREDENTIALS_DIRECTORY). */
export type HostKeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'credential'; readonly name: string };

/** Length of a key made by `createHostKeyFile`; the least that is accepted. */
export const HOST_KEY_BYTES = 32;
const HOST_KEY_MAX_BYTES = 4096;
const SALT = new TextEncoder().encode('onion-signer host key 1');

/** @throws CustodyError HOST_KEY for any other text */
export function parseHostKeySource(text: string): HostKeySource {
  const [kind, rest] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (kind === 'file' && rest.startsWith('/')) return { kind, path: rest };
  if (kind === 'credential' && /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/u.test(rest)) {
    return { kind, name: rest };
  }
  throw new CustodyError('HOST_KEY', 'file:/path or credential:NAME is wanted');
}

/** How status names the protection of the state; no path. */
export function describeHostKey(source: HostKeySource): string {
  return source.kind === 'file' ? 'file of mode 0400' : `credential ${source.name}`;
}

/**
 * A 32-byte key for one purpose, derived (HKDF-SHA-256) in locked memory from the 32 to 4096 bytes of the source.
 * A file must be ours or root's and of mode 0400; a credential is what systemd made readable for us.
 * @throws CustodyError HOST_KEY
 */
export function deriveHostKey(source: HostKeySource, purpose: string): Secret {
  const path = pathOf(source);
  // systemd grants its user by an ACL, whose mask shows as group bits.
  const forbidden = source.kind === 'file' ? 0o377 : 0o037;
  const demand: FileDemand = {
    maximum: HOST_KEY_MAX_BYTES,
    forbidden,
    missing: 'HOST_KEY',
    refused: 'HOST_KEY',
  };
  return withCheckedFile(path, demand, (fd, size) => {
    if (size < HOST_KEY_BYTES) throw new CustodyError('HOST_KEY', 'at least 32 bytes are wanted');
    return withScratch(size, content => {
      readFully(fd, content);
      return Secret.make(32, out => hkdfSha256Into(out, content, SALT, new TextEncoder().encode(purpose)));
    });
  });
}

/** Makes the file of a `file:` source: 32 random bytes, mode 0400. It must not exist. @throws CustodyError HOST_KEY */
export function createHostKeyFile(path: string): void {
  const key = Secret.random(HOST_KEY_BYTES);
  try {
    key.use(bytes => writeNewFile(path, bytes, 0o400));
  } catch (cause) {
    throw new CustodyError('HOST_KEY', undefined, { cause });
  } finally {
    key.wipe();
  }
}

function pathOf(source: HostKeySource): string {
  if (source.kind === 'file') return source.path;
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined || !folder.startsWith('/')) {
    throw new CustodyError('HOST_KEY', 'systemd gave no credentials');
  }
  return join(folder, source.name);
}
