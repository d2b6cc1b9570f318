import { ed25519 } from '@noble/curves/ed25519.js';
import { concat } from '../../src/descriptor/bytes.ts';
import type { Bytes, DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { encodePublicKeyFile, formatOnionAddress } from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import { SERVICE, latin1 } from './compact.ts';
import { type CorpusFile, type CorpusFormat, type Group, fileOf } from './corpus-file.ts';
import { littleEndianBytes, SMALL_ORDER, withTorsion } from './curve.ts';

const P = ed25519.Point.Fp.ORDER;
const TOP = 1n << 255n;

function keyGroup(format: CorpusFormat, section: string): Group {
  return { format, section, control: `${format}-plain`, ending: '.bin' };
}

const bad = (code: DescriptorErrorCode) => ({ code });

/** Points that have a second encoding, or that let two keys act as one. */
function edwards(format: 'ed25519-key' | 'identity-key'): CorpusFile[] {
  const group = keyGroup(format, format === 'identity-key' ? 'rend-spec-v3 2.2.7' : 'RFC 8032 5.1.3');
  const file = (name: string, shows: string, bytes: Bytes, code?: DescriptorErrorCode): CorpusFile =>
    fileOf(group, `${format}-${name}`, shows, bytes, code && bad(code));
  const number = (name: string, shows: string, value: bigint): CorpusFile =>
    file(name, shows, littleEndianBytes(value), 'BAD_KEY');
  const isIdentity = format === 'identity-key';
  return [
    file('plain', 'a point of prime order', SERVICE.kpHsId),
    number('y-p', 'y = p, a second encoding of 0', P),
    number('y-p-plus-1', 'y = p + 1, a second encoding of 1', P + 1n),
    number('y-p-plus-3', 'y = p + 3, a second encoding of a point', P + 3n),
    file(
      'y-3',
      'y = 3, which is a point; it has a torsion part',
      littleEndianBytes(3n),
      isIdentity ? 'BAD_KEY' : undefined,
    ),
    number('y-2-255-minus-1', 'y = 2^255 - 1', TOP - 1n),
    number('sign-of-zero', 'x = 0 with a sign, y = 1', TOP + 1n),
    number('sign-of-zero-minus-1', 'x = 0 with a sign, y = -1', TOP + P - 1n),
    number('not-on-curve', 'y = 2, which no point has', 2n),
    number('all-ones', '2^256 - 1', (1n << 256n) - 1n),
    ...SMALL_ORDER.map((point, i) => file(`small-order-${i}`, 'a point of small order', point, 'BAD_KEY')),
    file(
      'torsion',
      'a point of prime order and one of order 8 added',
      withTorsion(SERVICE.kpHsId),
      isIdentity ? 'BAD_KEY' : undefined,
    ),
    file('31-bytes', 'a byte less', SERVICE.kpHsId.subarray(1), 'BAD_LENGTH'),
    file('33-bytes', 'a byte more', concat(SERVICE.kpHsId, Uint8Array.of(0)), 'BAD_LENGTH'),
    file('empty', 'no byte', new Uint8Array(), 'BAD_LENGTH'),
  ];
}

function montgomery(): CorpusFile[] {
  const group = keyGroup('x25519-key', 'RFC 7748 5');
  const file = (name: string, shows: string, value: bigint, code?: DescriptorErrorCode): CorpusFile =>
    fileOf(group, `x25519-key-${name}`, shows, littleEndianBytes(value), code && bad(code));
  const lowOrder = [
    0n,
    1n,
    325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n,
    P - 1n,
  ];
  return [
    file('plain', 'the base point', 9n),
    file('below-p', 'the largest canonical u that is not of low order', P - 2n),
    ...lowOrder.map((u, i) => file(`low-order-${i}`, 'a point of low order', u, 'BAD_KEY')),
    file('p', 'u = p, a second encoding of 0', P, 'BAD_KEY'),
    file('p-plus-1', 'u = p + 1, a second encoding of 1', P + 1n, 'BAD_KEY'),
    file('p-plus-9', 'u = p + 9, a second encoding of the base point', P + 9n, 'BAD_KEY'),
    file('top-bit', 'the base point with the top bit set', TOP + 9n, 'BAD_KEY'),
    file('all-ones', '2^256 - 1', (1n << 256n) - 1n, 'BAD_KEY'),
    fileOf(group, 'x25519-key-31-bytes', 'a byte less', new Uint8Array(31).fill(9), bad('BAD_LENGTH')),
    fileOf(group, 'x25519-key-33-bytes', 'a byte more', new Uint8Array(33).fill(9), bad('BAD_LENGTH')),
  ];
}

function secretKeyFiles(): CorpusFile[] {
  const group: Group = {
    format: 'secret-key-file',
    section: 'tor',
    control: 'secret-key-file-plain',
    ending: '.bin',
  };
  const tag = latin1('== ed25519v1-secret: type0 ==\0\0\0');
  const scalar = noise('a scalar of the corpus', 32);
  scalar[0] = (scalar[0] ?? 0) & 0xf8;
  scalar[31] = ((scalar[31] ?? 0) & 0x3f) | 0x40;
  const good = concat(tag, scalar, noise('an RH of the corpus', 32));
  const file = (name: string, shows: string, bytes: Bytes): CorpusFile =>
    fileOf(group, `secret-key-file-${name}`, shows, bytes, bad('BAD_KEY_FILE'));
  return [
    fileOf(group, 'secret-key-file-plain', 'an expanded key that belongs to nobody', good),
    file('95-bytes', 'a byte less', good.subarray(0, 95)),
    file('97-bytes', 'a byte more', concat(good, Uint8Array.of(0))),
    file('empty', 'no byte', new Uint8Array()),
    file(
      'tag-public',
      'the tag of a public key',
      concat(latin1('== ed25519v1-public: type0 ==\0\0\0'), good.subarray(32)),
    ),
    file('tag-type1', 'a tag of another type', good.with(26, 0x31)),
    file('tag-not-nul', 'the tag is not filled with NULs', good.with(31, 1)),
    file('scalar-low-bit', 'the lowest bit of the scalar set', good.with(32, (good[32] ?? 0) | 1)),
    file('scalar-bit-2', 'bit 2 of the scalar set', good.with(32, (good[32] ?? 0) | 4)),
    file('scalar-top-bit', 'bit 255 of the scalar set', good.with(63, (good[63] ?? 0) | 0x80)),
    file('scalar-bit-254', 'bit 254 of the scalar clear', good.with(63, (good[63] ?? 0) & 0xbf)),
    file(
      'no-rh',
      'the half for nonces empty, which would show the key',
      concat(good.subarray(0, 64), new Uint8Array(32)),
    ),
    fileOf(
      group,
      'secret-key-file-rh-one-bit',
      'the half for nonces with one bit',
      concat(good.subarray(0, 64), new Uint8Array(32).fill(1, 31)),
    ),
  ];
}

function publicKeyFiles(): CorpusFile[] {
  const group: Group = {
    format: 'public-key-file',
    section: 'tor',
    control: 'public-key-file-plain',
    ending: '.bin',
  };
  const good = encodePublicKeyFile(SERVICE.kpHsId);
  const file = (
    name: string,
    shows: string,
    bytes: Bytes,
    code: DescriptorErrorCode = 'BAD_KEY_FILE',
  ): CorpusFile => fileOf(group, `public-key-file-${name}`, shows, bytes, bad(code));
  return [
    fileOf(group, 'public-key-file-plain', 'an identity', good),
    file('63-bytes', 'a byte less', good.subarray(0, 63)),
    file('65-bytes', 'a byte more', concat(good, Uint8Array.of(0))),
    file(
      'tag-secret',
      'the tag of a secret key',
      concat(latin1('== ed25519v1-secret: type0 ==\0\0\0'), good.subarray(32)),
    ),
    file(
      'small-order',
      'a key of small order',
      concat(good.subarray(0, 32), littleEndianBytes(1n)),
      'BAD_KEY',
    ),
    file(
      'torsion',
      'a key with a torsion part',
      concat(good.subarray(0, 32), withTorsion(SERVICE.kpHsId)),
      'BAD_KEY',
    ),
  ];
}

function addresses(): CorpusFile[] {
  const group: Group = {
    format: 'address',
    section: 'rend-spec-v3 6',
    control: 'address-plain',
    ending: '.txt',
  };
  const host: Group = { format: 'hostname', section: 'tor', control: 'hostname-plain', ending: '.txt' };
  const good = formatOnionAddress(SERVICE.kpHsId);
  const file = (name: string, shows: string, text: string, code?: DescriptorErrorCode): CorpusFile =>
    fileOf(group, `address-${name}`, shows, latin1(text), code && bad(code));
  const hostname = (name: string, shows: string, text: string, code?: DescriptorErrorCode): CorpusFile =>
    fileOf(host, `hostname-${name}`, shows, latin1(text), code && bad(code));
  const addressOf = (key: Bytes): string => formatOnionAddress(key as typeof SERVICE.kpHsId);
  return [
    file('plain', '56 characters and .onion', good),
    file('bare', 'without .onion', good.slice(0, 56)),
    file('upper-case', 'upper case', good.toUpperCase(), 'BAD_ADDRESS'),
    file('subdomain', 'a name before it', `www.${good}`, 'BAD_ADDRESS'),
    file('trailing-dot', 'a dot after it', `${good}.`, 'BAD_ADDRESS'),
    file('trailing-lf', 'LF after it', `${good}\n`, 'BAD_ADDRESS'),
    file('leading-space', 'a space before it', ` ${good}`, 'BAD_ADDRESS'),
    file('scheme', 'as part of a URL', `http://${good}/`, 'BAD_ADDRESS'),
    file('55-characters', 'a character less', good.slice(1), 'BAD_ADDRESS'),
    file('57-characters', 'a character more', `a${good}`, 'BAD_ADDRESS'),
    file('version-2', 'a v2 address', 'expyuzz4wqqyqhjn.onion', 'BAD_ADDRESS'),
    file('other-version', 'version 4 in place of 3', `${good.slice(0, 55)}e.onion`, 'BAD_ADDRESS'),
    file('checksum', 'a wrong checksum', addressWith(good, 53), 'BAD_ADDRESS'),
    file('key-changed', 'another key with the same checksum', addressWith(good, 5), 'BAD_ADDRESS'),
    file(
      'digit-1',
      'a character that base32 does not have',
      `${good.slice(0, 9)}1${good.slice(10)}`,
      'BAD_ADDRESS',
    ),
    file(
      'small-order',
      'a key of small order, its checksum right',
      addressOf(littleEndianBytes(1n)),
      'BAD_ADDRESS',
    ),
    file(
      'torsion',
      'a key with a torsion part, its checksum right',
      addressOf(withTorsion(SERVICE.kpHsId)),
      'BAD_ADDRESS',
    ),
    file(
      'not-canonical',
      'y = p + 3, its checksum right',
      addressOf(littleEndianBytes(P + 3n)),
      'BAD_ADDRESS',
    ),
    file('empty', 'no character', '', 'BAD_ADDRESS'),
    hostname('plain', 'one line', `${good}\n`),
    hostname('no-lf', 'the LF missing', good),
    hostname('crlf', 'CR before the LF', `${good}\r\n`, 'BAD_KEY_FILE'),
    hostname('two-lines', 'two addresses', `${good}\n${good}\n`, 'BAD_ADDRESS'),
    hostname('empty-line', 'an empty line after it', `${good}\n\n`, 'BAD_KEY_FILE'),
    hostname('no-suffix', 'without .onion', `${good.slice(0, 56)}\n`, 'BAD_KEY_FILE'),
    hostname('empty', 'no byte', '', 'BAD_KEY_FILE'),
    hostname('client-name', 'a client name behind it, as v2 had', `${good} # client\n`, 'BAD_KEY_FILE'),
  ];
}

function addressWith(address: string, at: number): string {
  const digit = address.charAt(at) === 'a' ? 'b' : 'a';
  return address.slice(0, at) + digit + address.slice(at + 1);
}

/** Keys, key files and addresses. */
export function keyFiles(): CorpusFile[] {
  return [
    ...edwards('ed25519-key'),
    ...edwards('identity-key'),
    ...montgomery(),
    ...secretKeyFiles(),
    ...publicKeyFiles(),
    ...addresses(),
  ];
}
