import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram, torPrograms } from './tor-program.ts';

/** What a DirAuthority line says of one authority's keys. */
export interface AuthorityKeys {
  readonly name: string;
  readonly dataDirectory: string;
  /** SHA-1 of the identity key that signs votes, 40 hex digits. */
  readonly v3Identity: string;
  /** SHA-1 of the relay identity key, 40 hex digits. */
  readonly fingerprint: string;
}

/** Makes all keys of one authority below `dataDirectory`. `emptyFile` stands in for torrc. */
export async function makeAuthorityKeys(
  name: string,
  dataDirectory: string,
  emptyFile: string,
): Promise<AuthorityKeys> {
  await mkdir(join(dataDirectory, 'keys'), { recursive: true, mode: 0o700 });
  const [v3Identity, fingerprint] = await Promise.all([
    makeVotingKeys(join(dataDirectory, 'keys')),
    makeRelayKeys(name, dataDirectory, emptyFile),
  ]);
  return { name, dataDirectory, v3Identity, fingerprint };
}

async function makeVotingKeys(keys: string): Promise<string> {
  const certificate = join(keys, 'authority_certificate');
  const files = [
    '-i',
    join(keys, 'authority_identity_key'),
    '-s',
    join(keys, 'authority_signing_key'),
    '-c',
    certificate,
  ];
  const args = ['--create-identity-key', '--passphrase-fd', '0', '-m', '12', ...files];
  await runProgram(torPrograms().torGencert, args, `${randomBytes(16).toString('hex')}\n`);
  return hexAfter('fingerprint ', await readFile(certificate, 'utf8'));
}

async function makeRelayKeys(name: string, dataDirectory: string, emptyFile: string): Promise<string> {
  const anyAuthority = `x 127.0.0.1:1 ${'f'.repeat(40)}`;
  const options = ['--DataDirectory', dataDirectory, '--Nickname', name, '--ORPort', '1'];
  const files = ['--defaults-torrc', emptyFile, '-f', emptyFile];
  const args = ['--list-fingerprint', '--hush', ...files, ...options, '--DirAuthority', anyAuthority];
  const output = await runProgram(torPrograms().tor, args);
  return hexAfter(`${name} `, output.replace(/([0-9A-F]{4}) (?=[0-9A-F]{4})/gu, '$1'));
}

function hexAfter(label: string, text: string): string {
  const found = new RegExp(`^${label}([0-9A-F]{40})$`, 'mu').exec(text)?.[1];
  if (found === undefined) throw new Error(`No line "${label}…" with a fingerprint in:\n${text}`);
  return found;
}
