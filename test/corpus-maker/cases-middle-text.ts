import { concat } from '../../src/descriptor/bytes.ts';
import { type Making, flipped, inMessage, latin1, replaced } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { MIDDLE, filer, inMiddle as middle } from './places.ts';

const file = filer(MIDDLE, 'middle');

/** Padding, NULs, control characters and encoding of the middle layer. */
export function middleTextFiles(): CorpusFile[] {
  const padded = (edit: (text: string) => string): Making => ({
    editPadded: bytes => latin1(edit(Buffer.from(bytes).toString('latin1').replace(/\0+$/u, ''))),
  });
  const behind = (text: string): Making => padded(middleText => middleText + text);
  return [
    file('padding-one-nul', 'one NUL of padding', behind('\0')),
    file('padding-lf', 'LF before the padding', behind('\n\0\0')),
    file(
      'padding-letter',
      'a letter behind the first NUL',
      behind('\0\0a\0'),
      'BAD_LAYER',
      'padding-one-nul',
    ),
    file(
      'padding-last-byte',
      'the last byte of the padding is none',
      behind(`${'\0'.repeat(99)}\x01`),
      'BAD_LAYER',
      'padding-one-nul',
    ),
    file('padding-lf-behind', 'LF behind the padding', behind('\0\n'), 'BAD_LAYER', 'padding-lf'),
    file(
      'padding-second-document',
      'a second document behind a NUL',
      padded(text => `${text}\0${text}`),
      'BAD_LAYER',
      'padding-one-nul',
    ),
    file('padding-spaces', 'spaces in place of NULs', behind('    '), 'BAD_SYNTAX', 'padding-one-nul'),
    file(
      'nul-first',
      'a NUL before the text',
      padded(text => `\0${text}`),
      'BAD_LAYER',
      'padding-one-nul',
    ),
    file(
      'nul-within',
      'a NUL within the text',
      padded(text => text.replace('auth-client', 'auth\0client')),
      'BAD_LAYER',
      'padding-one-nul',
    ),
    file('cr', 'CR before an LF', middle('x25519\n', 'x25519\r\n'), 'BAD_SYNTAX'),
    file('tab', 'a tab in a line', middle('type x25519', 'type\tx25519'), 'BAD_SYNTAX'),
    file(
      'control',
      'a control character in an unknown line',
      middle('\nencrypted', '\nunknown \x01\nencrypted'),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file(
      'delete',
      'a delete character in an unknown line',
      middle('\nencrypted', '\nunknown \x7f\nencrypted'),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file('utf8', 'UTF-8 in an unknown line', middle('\nencrypted', '\nunknown \xc3\xbc\nencrypted')),
    file(
      'not-utf8',
      'a byte that is not UTF-8',
      middle('\nencrypted', '\nunknown \xff\nencrypted'),
      'BAD_UTF8',
      'utf8',
    ),
    file('empty-line', 'an empty line', middle('x25519\n', 'x25519\n\n'), 'BAD_SYNTAX'),
    file('opt', 'the legacy prefix opt', middle('auth-client', 'opt auth-client'), 'BAD_SYNTAX'),
  ];
}

/** The encrypted form of the middle layer: MAC, length, and what the keys are made of. */
export function encryptionFiles(): CorpusFile[] {
  const blob = (edit: (blob: Uint8Array) => Uint8Array): Making => ({ editOuter: inMessage(edit) });
  const last = (bytes: Uint8Array): number => bytes.length - 1;
  return [
    file(
      'mac-first-byte',
      'one bit of the MAC, first byte',
      blob(bytes => flipped(bytes, bytes.length - 32)),
      'BAD_MAC',
    ),
    file(
      'mac-last-byte',
      'one bit of the MAC, last byte',
      blob(bytes => flipped(bytes, last(bytes))),
      'BAD_MAC',
    ),
    file(
      'salt-changed',
      'one bit of the salt',
      blob(bytes => flipped(bytes, 0)),
      'BAD_MAC',
    ),
    file(
      'ciphertext-changed',
      'one bit of the ciphertext',
      blob(bytes => flipped(bytes, 40)),
      'BAD_MAC',
    ),
    file(
      'blob-cut',
      'the last byte missing',
      blob(bytes => bytes.subarray(0, last(bytes))),
      'BAD_MAC',
    ),
    file(
      'blob-longer',
      'a byte more',
      blob(bytes => concat(bytes, Uint8Array.of(0))),
      'BAD_MAC',
    ),
    file(
      'blob-48',
      'salt and MAC without a byte between them',
      blob(bytes => bytes.subarray(0, 48)),
      'BAD_LAYER',
    ),
    file(
      'blob-49',
      'salt, one byte and MAC',
      blob(bytes => bytes.subarray(0, 49)),
      'BAD_MAC',
    ),
    file(
      'blob-1',
      'one byte',
      blob(bytes => bytes.subarray(0, 1)),
      'BAD_LAYER',
    ),
    file(
      'counter-other',
      'the counter of another descriptor',
      { editOuter: replaced(/(?<=revision-counter )\d+/u, '7') },
      'BAD_MAC',
    ),
  ];
}
