import { createPrivateKey, createPublicKey } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, encodeBase64, toHex } from '../../src/descriptor/bytes.ts';
import {
  PEM_KEY_LENGTH,
  PKCS8_KEY_LENGTH,
  SEED_LENGTH,
  parsePemKey,
  writePemKey,
} from '../../src/descriptor/pem-key.ts';
import { expectRefusal } from './expect-refusal.ts';
import { noise } from './forge.ts';

// RFC 8410 §10.3, the first key: PKCS #8 of version 1.
const RFC_8410 =
  '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n';
const RFC_8410_SEED = 'd4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842';
// The second: version 2, with attributes and public key.
const RFC_8410_V2 =
  '-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\noB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\nZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n';

const der = () => new Uint8Array(PKCS8_KEY_LENGTH).fill(0xaa);
const read = (text: string) => toHex(parsePemKey(asciiBytes(text), der()));
const pemOf = (bytes: Uint8Array, label = 'PRIVATE KEY') =>
  `-----BEGIN ${label}-----\n${encodeBase64(bytes)}\n-----END ${label}-----\n`;

describe('an Ed25519 key in PEM', () => {
  test('gives its seed, as a view into the buffer that the caller wipes', () => {
    const buffer = der();
    const seed = parsePemKey(asciiBytes(RFC_8410), buffer);
    expect(toHex(seed)).toBe(RFC_8410_SEED);
    expect(seed.buffer).toBe(buffer.buffer);
    buffer.fill(0);
    expect(toHex(seed)).toBe('00'.repeat(32));
  });

  test('any seed is written and read back, and OpenSSL reads the same', () => {
    const seeds = fc.uint8Array({ minLength: SEED_LENGTH, maxLength: SEED_LENGTH });
    fc.assert(
      fc.property(seeds, seed => {
        const file = new Uint8Array(PEM_KEY_LENGTH);
        const buffer = der();
        writePemKey(file, seed, buffer);
        expect(toHex(buffer)).toBe('00'.repeat(PKCS8_KEY_LENGTH));
        expect(parsePemKey(file, buffer)).toEqual(seed);
        const key = createPrivateKey(Buffer.from(file));
        expect(key.export({ format: 'der', type: 'pkcs8' }).subarray(16)).toEqual(Buffer.from(seed));
        expect(key.export({ format: 'pem', type: 'pkcs8' })).toBe(Buffer.from(file).toString('latin1'));
        expect(createPublicKey(key).asymmetricKeyType).toBe('ed25519');
      }),
    );
  });

  test('CR LF line ends and a missing last one are taken', () => {
    expect(read(RFC_8410.replaceAll('\n', '\r\n'))).toBe(RFC_8410_SEED);
    expect(read(RFC_8410.slice(0, -1))).toBe(RFC_8410_SEED);
  });

  test('an encrypted key is told from a broken one', () => {
    const encrypted = createPrivateKey(RFC_8410).export({
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    expectRefusal('KEY_FILE_ENCRYPTED', () => parsePemKey(Buffer.from(encrypted), der()));
    expectRefusal('BAD_KEY_FILE', () => read(RFC_8410.replace('BEGIN', 'BEGIM')));
  });

  test.each<[string, (text: string) => string]>([
    ['nothing', () => ''],
    ['a key of version 2', () => RFC_8410_V2],
    ['a public key', t => createPublicKey(t).export({ format: 'pem', type: 'spki' }).toString()],
    ['an X25519 key', t => t.replace('K2Vw', 'K2Vu')],
    ['a DER length that is not the shortest', () => pemOf(Buffer.from(`30812e${'00'.repeat(45)}`, 'hex'))],
    [
      'a seed that is one byte short',
      () => pemOf(Buffer.from(`302d020100300506032b657004210420${'11'.repeat(31)}`, 'hex')),
    ],
    [
      'a byte after the key',
      () => pemOf(Buffer.from(`302e020100300506032b657004220420${'11'.repeat(33)}`, 'hex')),
    ],
    ['a digit that is none', t => t.replace('MC4C', 'MC-C')],
    ['a digit beyond ASCII', t => t.replace('MC4C', 'MC4\u00c3')],
    ['two lines of digits', t => t.replace('MC4CAQAw', 'MC4CAQAw\n')],
    ['text before it', t => `x\n${t}`],
    ['text after it', t => `${t}x`],
    ['an empty line after it', t => `${t}\n`],
    ['another label at its end', t => t.replace('END PRIVATE', 'END EC PRIVATE')],
    ['no line end after the digits', t => t.replace('VhC\n', 'VhC')],
    ['a CR alone', t => t.replace('VhC\n', 'VhC\r')],
  ])('%s is refused, and the buffer is wiped', (_, change) => {
    expect(change(RFC_8410)).not.toBe(RFC_8410);
    const buffer = der();
    expectRefusal('BAD_KEY_FILE', () => parsePemKey(Buffer.from(change(RFC_8410), 'latin1'), buffer));
    expect(toHex(buffer)).toBe('00'.repeat(PKCS8_KEY_LENGTH));
    expect(read(RFC_8410)).toBe(RFC_8410_SEED);
  });

  test('buffers have the very length', () => {
    const seed = noise('a seed', SEED_LENGTH);
    const file = new Uint8Array(PEM_KEY_LENGTH);
    for (const length of [PKCS8_KEY_LENGTH - 1, PKCS8_KEY_LENGTH + 1]) {
      const wrong = new Uint8Array(length);
      expectRefusal('BAD_LENGTH', () => parsePemKey(asciiBytes(RFC_8410), wrong));
      expectRefusal('BAD_LENGTH', () => writePemKey(file, seed, wrong));
    }
    expectRefusal('BAD_LENGTH', () => writePemKey(file.subarray(1), seed, der()));
    expectRefusal('BAD_LENGTH', () => writePemKey(file, seed.subarray(1), der()));
  });
});
