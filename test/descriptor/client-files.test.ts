import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, encodeBase32, fromHex, toHex } from '../../src/descriptor/bytes.ts';
import * as f from '../../src/descriptor/client-files.ts';
import { type KpHsId, parseKpHscDescEnc } from '../../src/descriptor/keys.ts';
import { formatOnionAddress, parseOnionAddress } from '../../src/descriptor/onion-address.ts';
import { x25519PublicKey } from '../../src/descriptor/primitives.ts';
import { expectRefusal } from './expect-refusal.ts';
import { identity, noise } from './forge.ts';

/** The key pair of arti-hsdesc2.txt. */
const PRIVATE = fromHex('90f2d60f917f2423f0989ce9979639435a5b01cf7ab3e0a1b900beb892bae443');
const PUBLIC = parseKpHscDescEnc(fromHex('900467008e194c2c635a6e335e7724915e558ccb606c50094476f9731c129019'));
const ADDRESS = 'paozpdhgz2okvc6kgbxvh2bnfsmt4xergrtcl4obkhopyvwxkpjzvoad';
const KP_HS_ID = parseOnionAddress(ADDRESS);
const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
const someId = fc.nat(20).map(n => identity(`id ${n}`).kpHsId);

describe('authorized_clients/NAME.auth', () => {
  const line = `descriptor:x25519:${encodeBase32(PUBLIC)}`;

  test('names a client by its key, in either case, with or without the last LF', () => {
    for (const text of [line, `${line}\n`, line.replace(encodeBase32(PUBLIC), s => s.toUpperCase())]) {
      expect(f.parseClientAuthFile(text)).toEqual(PUBLIC);
    }
    expect(f.encodeClientAuthFile(PUBLIC)).toBe(`${line}\n`);
    expect(`${line}\n`).toHaveLength(71);
  });

  test('every key is written and read back', () => {
    fc.assert(
      fc.property(secret, privateKey => {
        const key = parseKpHscDescEnc(x25519PublicKey(privateKey));
        expect(f.parseClientAuthFile(f.encodeClientAuthFile(key))).toEqual(key);
      }),
    );
  });

  test.each([
    ['another type of key', line.replace('x25519', 'x448')],
    ['another kind of authorization', line.replace('descriptor', 'intro')],
    ['a digit too few', line.slice(0, -1)],
    ['a digit too many', `${line}a`],
    ['a digit that is none', `${line.slice(0, -1)}1`],
    ['two lines', `${line}\n${line}`],
    ['CR LF', `${line}\r\n`],
    ['nothing', ''],
  ])('%s is refused', (_, text) => {
    expectRefusal('BAD_KEY_FILE', () => f.parseClientAuthFile(text));
  });

  test('a key that is none, or is not spelt as it must, is refused', () => {
    expectRefusal('BAD_KEY', () => f.parseClientAuthFile(`descriptor:x25519:${'a'.repeat(52)}`));
    expectRefusal('BAD_BASE32', () => f.parseClientAuthFile(`descriptor:x25519:${'a'.repeat(51)}b`));
  });
});

describe('NAME.auth_private', () => {
  const text = `${ADDRESS}:descriptor:x25519:${encodeBase32(PRIVATE)}\n`;
  const read = (file: string, out = new Uint8Array(32)) => f.parseClientAuthPrivate(asciiBytes(file), out);

  test('gives the private key into the buffer of the caller, and whose client it is', () => {
    for (const file of [text, text.slice(0, -1), text.replace(/[^:]*$/, end => end.toUpperCase())]) {
      const out = new Uint8Array(32);
      expect(read(file, out)).toEqual(KP_HS_ID);
      expect(x25519PublicKey(out)).toEqual(new Uint8Array(PUBLIC));
    }
  });

  test('every key is written and read back', () => {
    fc.assert(
      fc.property(someId, secret, (kpHsId, privateKey) => {
        const file = new Uint8Array(f.AUTH_PRIVATE_LENGTH);
        f.writeClientAuthPrivate(file, kpHsId, privateKey);
        const out = new Uint8Array(32);
        expect(f.parseClientAuthPrivate(file, out)).toEqual(kpHsId);
        expect(out).toEqual(privateKey);
      }),
    );
    const file = new Uint8Array(f.AUTH_PRIVATE_LENGTH);
    f.writeClientAuthPrivate(file, KP_HS_ID, PRIVATE);
    expect(file).toEqual(asciiBytes(text));
  });

  test.each([
    ['a digit too few', text.replace(/.\n$/, '\n')],
    ['a digit too many', text.replace('\n', 'a\n')],
    ['a digit that is none', text.replace(/.\n$/, '1\n')],
    ['set bits after the key', text.replace(/.\n$/, 'd\n')],
    ['another kind', text.replace('x25519', 'x25518')],
    ['.onion in the address', text.replace(':', '.onion:')],
    ['another last character', text.replace('\n', ' ')],
    ['a public file', f.encodeClientAuthFile(PUBLIC)],
  ])('%s is refused, and the buffer is wiped', (_, file) => {
    const out = new Uint8Array(32).fill(1);
    expectRefusal('BAD_KEY_FILE', () => read(file, out));
    expect(toHex(out)).toBe('00'.repeat(32));
  });

  test('an address that is none is refused, and the buffer is wiped', () => {
    const out = new Uint8Array(32).fill(1);
    expectRefusal('BAD_ADDRESS', () => read(text.replace('pao', 'pap'), out));
    expect(toHex(out)).toBe('00'.repeat(32));
  });

  test('buffers have the very length', () => {
    const file = new Uint8Array(f.AUTH_PRIVATE_LENGTH);
    expectRefusal('BAD_LENGTH', () => read(text, new Uint8Array(31)));
    expectRefusal('BAD_LENGTH', () => f.writeClientAuthPrivate(file.subarray(1), KP_HS_ID, PRIVATE));
    expectRefusal('BAD_LENGTH', () => f.writeClientAuthPrivate(file, KP_HS_ID, noise('k', 33)));
  });
});

describe('ob_config', () => {
  const line = (kpHsId: KpHsId) => `MasterOnionAddress ${formatOnionAddress(kpHsId)}\n`;

  test('every list of services is written and read back', () => {
    fc.assert(
      fc.property(fc.array(someId, { minLength: 1, maxLength: 5 }), masters => {
        expect(f.parseObConfig(f.encodeObConfig(masters))).toEqual(masters);
      }),
    );
    expect(f.encodeObConfig([KP_HS_ID])).toBe(`MasterOnionAddress ${ADDRESS}.onion\n`);
  });

  test('comments, empty lines and a missing last LF are taken', () => {
    expect(f.parseObConfig(`# ours\n\n  # more\n${line(KP_HS_ID)}`.trimEnd())).toEqual([KP_HS_ID]);
  });

  test('a file that tor would not take is refused', () => {
    for (const text of [
      '',
      '\n',
      '# only\n',
      `MasterOnionAddress ${ADDRESS}\n`,
      `Other ${ADDRESS}.onion\n`,
    ]) {
      expectRefusal('BAD_KEY_FILE', () => f.parseObConfig(text));
    }
    expectRefusal('BAD_ADDRESS', () => f.parseObConfig(line(KP_HS_ID).replace('pao', 'pap')));
    expectRefusal('BAD_KEY_FILE', () => f.encodeObConfig([]));
  });
});
