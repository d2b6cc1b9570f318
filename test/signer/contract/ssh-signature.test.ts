import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  formatSshPublicKey,
  parseSshPublicKey,
  sshFingerprint,
} from '../../../src/signer/contract/ssh-key.ts';
import { SshReader, sshString } from '../../../src/signer/contract/ssh-reader.ts';
import { parseSshSignature, verifySshSignature } from '../../../src/signer/contract/ssh-signature.ts';
import { makeSshKey, softwareToken, sshSign, sshTakes, type SshKey, unwrap, wrap } from '../../ssh-keys.ts';

const NAMESPACE = 'onion-signer-policy';
const TEXT = 'what somebody reads and signs\n';
let folder: string;
let keys: Record<'ed25519' | 'ecdsa' | 'rsa', SshKey>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ssh-'));
  keys = {
    ed25519: makeSshKey(folder, 'anna'),
    ecdsa: makeSshKey(folder, 'ben', 'ecdsa'),
    rsa: makeSshKey(folder, 'rita', 'rsa'),
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The namespace of a signature that holds for `text`, else undefined. */
function holds(armoured: string, text = TEXT): string | undefined {
  const signature = parseSshSignature(armoured);
  const isTrue = signature && verifySshSignature(Buffer.from(text), signature);
  return isTrue === true ? signature?.namespace : undefined;
}

const bare = (line: string): string => line.split(' ', 2).join(' ');

describe('a public key of OpenSSH', () => {
  it('is read in its one encoding', () => {
    for (const line of [
      keys.ed25519.line,
      keys.ecdsa.line,
      softwareToken().line,
      softwareToken('ecdsa').line,
    ]) {
      const key = parseSshPublicKey(bare(line));
      if (key === undefined) throw new Error(line);
      expect(formatSshPublicKey(key)).toBe(bare(line));
      expect(sshFingerprint(key.blob)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
      expect(parseSshPublicKey(`${bare(line)}\n`)).toBeUndefined();
      expect(parseSshPublicKey(bare(line).replace(key.type, 'ssh-rsa'))).toBeUndefined();
      const longer = Buffer.concat([key.blob, Buffer.of(0)]).toString('base64');
      expect(parseSshPublicKey(`${key.type} ${longer}`)).toBeUndefined();
    }
  });

  it('is refused for RSA, off its curve, and where anybody could sign for it', () => {
    expect(parseSshPublicKey(bare(keys.rsa.line))).toBeUndefined();
    const ed25519 = (point: Buffer): string =>
      `ssh-ed25519 ${Buffer.concat([sshString('ssh-ed25519'), sshString(point)]).toString('base64')}`;
    const smallOrder = Buffer.from(`ec${'ff'.repeat(30)}7f`, 'hex');
    expect(parseSshPublicKey(ed25519(smallOrder))).toBeUndefined();
    const honest = new SshReader(Buffer.from(keys.ed25519.line.split(' ')[1] ?? '', 'base64'));
    honest.text();
    expect(parseSshPublicKey(ed25519(Buffer.from(honest.string())))).toBeDefined();
    const offCurve = [
      sshString('ecdsa-sha2-nistp256'),
      sshString('nistp256'),
      sshString(Buffer.alloc(65, 4)),
    ];
    expect(
      parseSshPublicKey(`ecdsa-sha2-nistp256 ${Buffer.concat(offCurve).toString('base64')}`),
    ).toBeUndefined();
  });
});

describe('a signature of ssh-keygen', () => {
  it.each(['ed25519', 'ecdsa'] as const)('by %s holds for its text alone, with either hash', type => {
    for (const hash of ['sha256', 'sha512'] as const) {
      const made = sshSign(keys[type], TEXT, NAMESPACE, hash);
      expect(holds(made)).toBe(NAMESPACE);
      expect(holds(made, `${TEXT} `)).toBeUndefined();
    }
    expect(holds(sshSign(keys[type], TEXT, 'git'))).toBe('git');
  });

  it('by RSA is not taken', () => {
    expect(parseSshSignature(sshSign(keys.rsa, TEXT))).toBeUndefined();
  });

  it('is read in one encoding only', () => {
    const made = sshSign(keys.ed25519, TEXT);
    const bytes = unwrap(made);
    expect(holds(wrap(bytes))).toBe(NAMESPACE);
    const version = Buffer.from(bytes);
    version.writeUInt32BE(2, 6);
    const others = [
      made.trimEnd(),
      ` ${made}`,
      made.repeat(2),
      made.replaceAll('\n', '\r\n'),
      // Other lines, the same bytes.
      made.replace(/^(.{64})(.{6})\n/mu, '$1\n$2'),
      made.replace('-----\n', '-----\n\n'),
      made.replace('=\n', '\n'),
      wrap(Buffer.concat([bytes, Buffer.of(0)])),
      wrap(bytes.subarray(0, -1)),
      wrap(version),
      '',
    ].filter(other => other !== made);
    for (const other of others) expect(parseSshSignature(other)).toBeUndefined();
  });

  it('does not survive a change of any of its bytes', () => {
    const bytes = unwrap(sshSign(keys.ecdsa, TEXT));
    for (let i = 0; i < bytes.length; i++) {
      const other = Buffer.from(bytes);
      other[i] = (other[i] ?? 0) ^ 1;
      expect(holds(wrap(other))).toBeUndefined();
    }
  });
});

describe.each(['ed25519', 'ecdsa'] as const)('a FIDO token with %s', kind => {
  it('signs as OpenSSH reads it, whatever its counter', () => {
    const token = softwareToken(kind);
    for (const counter of [0, 2 ** 32 - 1]) {
      const made = token.sign(TEXT, { counter });
      expect(sshTakes(folder, TEXT, made, NAMESPACE)).toBe(true);
      expect(holds(made)).toBe(NAMESPACE);
      expect(holds(made, 'another text')).toBeUndefined();
    }
    // Positive control of the other reader.
    expect(sshTakes(folder, 'another text', token.sign(TEXT), NAMESPACE)).toBe(false);
  });

  it('must have seen a person', () => {
    const token = softwareToken(kind);
    expect(holds(token.sign(TEXT, { flags: 0x05 }))).toBe(NAMESPACE);
    for (const flags of [0, 0x04]) expect(holds(token.sign(TEXT, { flags }))).toBeUndefined();
  });

  it('signs for its application', () => {
    const [one, other] = [softwareToken(kind), softwareToken(kind, 'ssh:other')];
    expect(holds(other.sign(TEXT))).toBe(NAMESPACE);
    const made = unwrap(one.sign(TEXT)).toString('latin1').replace('ssh:', 'ssh;');
    expect(holds(wrap(Buffer.from(made, 'latin1')))).toBeUndefined();
  });
});
