import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { derInteger, derOid, derSequence, derTime } from '../../../src/signer/program/der.ts';
import {
  isPin,
  makeTlsKey,
  pinOf,
  readTlsIdentity,
  readTlsPin,
} from '../../../src/signer/program/tls-identity.ts';
import { failure } from '../failure.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tls-'));
  file = join(folder, 'tls.key');
});
afterEach(() => rmSync(folder, { recursive: true }));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('DER', () => {
  it('has lengths in the fewest octets', () => {
    const lengthOf = (size: number): string => hex(derSequence(new Uint8Array(size))).slice(2, 10);
    expect([0, 127].map(size => lengthOf(size).slice(0, 2))).toEqual(['00', '7f']);
    expect([128, 255].map(size => lengthOf(size).slice(0, 4))).toEqual(['8180', '81ff']);
    expect([256, 65_535].map(size => lengthOf(size).slice(0, 6))).toEqual(['820100', '82ffff']);
  });

  it('has integers that are positive and as short as can be', () => {
    expect(
      [[0], [0, 0], [0x7f], [0x80], [0, 0x80], [1, 0]].map(each => hex(derInteger(Uint8Array.from(each)))),
    ).toEqual(['020100', '020100', '02017f', '02020080', '02020080', '02020100']);
  });

  it('has identifiers and times as RFC 8410 and RFC 5280 write them', () => {
    expect(hex(derOid('1.3.101.112'))).toBe('06032b6570');
    expect(hex(derOid('1.2.840.113549'))).toBe('06062a864886f70d');
    expect(Buffer.from(derTime('20491231235959Z')).toString('latin1')).toBe('\x17\x0d491231235959Z');
    expect(Buffer.from(derTime('20500101000000Z')).toString('latin1')).toBe('\x18\x0f20500101000000Z');
  });
});

describe('a TLS key', () => {
  it('is made once, for its user alone, and its certificate is a function of it', () => {
    makeTlsKey(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const [pem, identity] = [readFileSync(file), readTlsIdentity(file)];
    makeTlsKey(file);
    expect(readFileSync(file)).toEqual(pem);
    expect(readTlsIdentity(file)).toEqual(identity);
    const certificate = new X509Certificate(identity.cert);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkIssued(certificate)).toBe(true);
    expect(certificate.toLegacyObject()).toMatchObject({ subject: { CN: 'onion-signer' } });
    expect([certificate.validFrom, certificate.validTo]).toEqual([
      'Jan  1 00:00:00 2000 GMT',
      'Dec 31 23:59:59 9999 GMT',
    ]);
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    expect(identity.pin).toBe(`sha256/${createHash('sha256').update(spki).digest('base64')}`);
    expect([pinOf(certificate), readTlsPin(file)]).toEqual([identity.pin, identity.pin]);
    makeTlsKey(`${file}2`);
    expect(readTlsPin(`${file}2`)).not.toBe(identity.pin);
  });

  it('is refused when others may read it, when it is a link, no key, another kind of key, or not there', () => {
    const refused = (path: string) => failure(() => readTlsPin(path)).code;
    expect(refused(file)).toBe('TLS_KEY');
    makeTlsKey(file);
    expect(readTlsPin(file)).toMatch(/^sha256\//u);
    chmodSync(file, 0o640);
    expect(refused(file)).toBe('TLS_KEY');
    chmodSync(file, 0o600);
    symlinkSync(file, join(folder, 'link'));
    expect(refused(join(folder, 'link'))).toBe('TLS_KEY');
    const other = join(folder, 'other');
    const { privateKey } = generateKeyPairSync('x25519');
    for (const content of [
      '',
      'text',
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
      ' '.repeat(2000),
    ]) {
      writeFileSync(other, content, { mode: 0o600 });
      expect(refused(other)).toBe('TLS_KEY');
    }
  });
});

it('a pin has one spelling', () => {
  const good = `sha256/${Buffer.alloc(32, 7).toString('base64')}`;
  expect(isPin(good)).toBe(true);
  for (const bad of [
    good.slice(0, -1),
    `${good}=`,
    good.replace('/', ':'),
    good.replace('c=', 'd='),
    good.replace('Bw', '-_'),
    ` ${good}`,
    `sha256/${Buffer.alloc(33, 7).toString('base64')}`,
  ]) {
    expect([bad, isPin(bad)]).toEqual([bad, false]);
  }
});
