import { concat, encodeBase64, encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import type { CorpusFile } from './corpus-file.ts';
import { MIDDLE, filer, inMiddle as middle } from './places.ts';

const file = filer(MIDDLE, 'middle');

const EPHEMERAL = /desc-auth-ephemeral-key (.*)\n/u;
const ENCRYPTED = /encrypted\n-----BEGIN[^]*/u;

/** Items of the middle layer. */
export function middleItemFiles(): CorpusFile[] {
  return [
    file('plain', 'nothing changed', {}),
    file('type-missing', 'no desc-auth-type', middle(/desc-auth-type.*\n/u, ''), 'MISSING_ITEM'),
    file('type-twice', 'desc-auth-type twice', middle(/desc-auth-type.*\n/u, '$&$&'), 'BAD_SYNTAX'),
    file(
      'type-not-first',
      'desc-auth-type is not the first line',
      middle(/(.*\n)(.*\n)/u, '$2$1'),
      'BAD_SYNTAX',
    ),
    file('type-no-argument', 'desc-auth-type without argument', middle('type x25519', 'type'), 'BAD_SYNTAX'),
    file('type-other', 'another type of authorization', middle('type x25519', 'type x448'), 'BAD_LAYER'),
    file('type-upper-case', 'the type in upper case', middle('type x25519', 'type X25519'), 'BAD_LAYER'),
    file(
      'type-extra-argument',
      'an argument more, as new versions may add',
      middle('type x25519', 'type x25519 x'),
    ),
    file('ephemeral-missing', 'no ephemeral key', middle(EPHEMERAL, ''), 'MISSING_ITEM'),
    file('ephemeral-twice', 'the ephemeral key twice', middle(EPHEMERAL, '$&$&'), 'DUPLICATE_ITEM'),
    file(
      'ephemeral-no-argument',
      'the line without its key',
      middle(EPHEMERAL, 'desc-auth-ephemeral-key\n'),
      'BAD_SYNTAX',
    ),
    file('encrypted-missing', 'no encrypted layer', middle(ENCRYPTED, ''), 'MISSING_ITEM'),
    file(
      'encrypted-no-object',
      'the line without its object',
      middle(ENCRYPTED, 'encrypted\n'),
      'BAD_SYNTAX',
    ),
    file('encrypted-twice', 'the encrypted layer twice', middle(ENCRYPTED, '$&\n$&'), 'DUPLICATE_ITEM'),
    file(
      'encrypted-other-label',
      'the object with another name',
      middle(/ MESSAGE/gu, ' MASSAGE'),
      'BAD_SYNTAX',
    ),
    file(
      'encrypted-argument',
      'an argument where only an object stands',
      middle('\nencrypted\n', '\nencrypted x\n'),
      'BAD_SYNTAX',
    ),
    file('caa-critical', 'caa-critical', middle('\nencrypted', '\ncaa-critical\nencrypted')),
    file(
      'caa-critical-twice',
      'caa-critical twice',
      middle('\nencrypted', '\ncaa-critical\ncaa-critical\nencrypted'),
      'DUPLICATE_ITEM',
      'caa-critical',
    ),
    file(
      'caa-critical-argument',
      'caa-critical with an argument',
      middle('\nencrypted', '\ncaa-critical x\nencrypted'),
      'BAD_SYNTAX',
      'caa-critical',
    ),
    file('unknown-line', 'a line that nobody knows', middle('\nencrypted', '\nunknown x\nencrypted')),
    file('line-behind-encrypted', 'a line behind the encrypted layer', middle(/$/u, '\nunknown x')),
    file(
      'text-behind-encrypted',
      'text that is no line behind it',
      middle(/$/u, '\n  x'),
      'BAD_SYNTAX',
      'line-behind-encrypted',
    ),
    file('empty', 'no text', { editPadded: () => new Uint8Array(1) }, 'BAD_SYNTAX'),
    file('no-document', 'text that is no document', { editMiddle: () => '?' }, 'BAD_SYNTAX'),
  ];
}

/** `desc-auth-ephemeral-key`. */
export function ephemeralKeyFiles(): CorpusFile[] {
  const key = (name: string, shows: string, text: string, code?: DescriptorErrorCode): CorpusFile =>
    file(`ephemeral-${name}`, shows, middle(/(?<=ephemeral-key ).*/u, text), code);
  const good = noise('an ephemeral key', 32).with(31, 0x11);
  const all = (byte: number): string => encodeBase64(new Uint8Array(32).fill(byte));
  return [
    key('padded', 'the key with padding, as tor writes it', encodeBase64(good)),
    key('unpadded', 'the key without padding, as Arti writes it', encodeBase64Unpadded(good)),
    key('zero', 'a key of low order: 0', all(0), 'BAD_KEY'),
    key('one', 'a key of low order: 1', encodeBase64(Uint8Array.of(1, ...new Uint8Array(31))), 'BAD_KEY'),
    key(
      'p',
      'a key that is not canonical: p',
      encodeBase64(Uint8Array.of(0xed, ...new Uint8Array(30).fill(0xff), 0x7f)),
      'BAD_KEY',
    ),
    key('top-bit', 'the top bit set', encodeBase64(good.with(31, 0x91)), 'BAD_KEY'),
    key('31-bytes', 'a byte less', encodeBase64(good.subarray(1)), 'BAD_LENGTH'),
    key('33-bytes', 'a byte more', encodeBase64(concat(good, good.subarray(0, 1))), 'BAD_LENGTH'),
    key('url-alphabet', 'a digit of the URL alphabet', `-${encodeBase64(good).slice(1)}`, 'BAD_BASE64'),
    key(
      'dirty-bits',
      'set bits behind the last byte',
      encodeBase64(new Uint8Array(32).fill(0x44)).replace(/.=$/u, 'R='),
      'BAD_BASE64',
    ),
  ];
}
