import { encodeBase64, encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import { noise } from '../descriptor/forge.ts';
import { latin1, type Making, described, replaced } from './compact.ts';
import { type CorpusFile, type CorpusFormat, type Group, fileOf } from './corpus-file.ts';

const BAD = { code: 'BAD_BASE64' } as const;

/** 31 bytes: one `=` of padding, two bits behind the last byte. */
const BYTES = noise('base64', 31);

/** base64 on one line, in each of the three forms that the formats have. */
function strings(): CorpusFile[] {
  const files: CorpusFile[] = [];
  for (const form of ['padded', 'unpadded', 'either'] as const) {
    const group: Group = {
      format: `base64-${form}` satisfies CorpusFormat,
      section: 'RFC 4648 4',
      control: `base64-${form}-plain`,
      ending: '.txt',
    };
    const good = form === 'unpadded' ? encodeBase64Unpadded(BYTES) : encodeBase64(BYTES);
    const bad = (name: string, shows: string, text: string): CorpusFile =>
      fileOf(group, `base64-${form}-${name}`, shows, latin1(text), BAD);
    const taken = (name: string, shows: string, text: string): CorpusFile =>
      fileOf(group, `base64-${form}-${name}`, shows, latin1(text));
    const withDigit = (digit: string): string => good.slice(0, 8) + digit + good.slice(9);
    const dirty = good.replace(/[A-Za-z0-9+/](?==*$)/u, last => String.fromCharCode(last.charCodeAt(0) + 1));
    files.push(
      taken('plain', 'canonical text', good),
      taken('empty', 'no byte', ''),
      taken('whole-triples', 'a length that needs no padding', encodeBase64(BYTES.subarray(0, 30))),
      bad('url-alphabet', 'a digit of the URL alphabet', withDigit('-')),
      bad('dirty-bits', 'set bits behind the last byte', dirty),
      bad('space', 'a space within', withDigit(' ')),
      bad('leading-space', 'a space before', ` ${good}`),
      bad('trailing-lf', 'LF after', `${good}\n`),
      bad('nul', 'a NUL within', withDigit('\0')),
      bad('high-byte', 'a byte above 127', withDigit('\xc1')),
      bad('padding-extra', 'one sign of padding too many', `${good}=`),
      bad('padding-alone', 'padding without digits', '===='),
      bad('padding-within', 'padding before the end', `${encodeBase64(BYTES)}${encodeBase64(BYTES)}`),
      bad('one-digit', 'a single digit', 'A'),
      bad('truncated', 'the last digit missing', good.replace(/[^=](?==*$)/u, '')),
    );
    if (form === 'padded')
      files.push(bad('padding-missing', 'the padding missing', encodeBase64Unpadded(BYTES)));
    if (form === 'unpadded')
      files.push(bad('padding-there', 'padding where none may be', encodeBase64(BYTES)));
    if (form === 'either')
      files.push(taken('padding-missing', 'the padding missing', encodeBase64Unpadded(BYTES)));
  }
  return files;
}

const OBJECT: Group = {
  format: 'descriptor',
  section: 'dir-spec 1.2',
  control: 'object-plain',
  layer: 'outer',
  ending: '.desc',
};

/** The object of `superencrypted`, with a length that takes one `=`: 3n + 2 bytes. */
function objects(): CorpusFile[] {
  const sized: Making = { editPadded: padded => fitted(padded) };
  const object = (
    name: string,
    shows: string,
    pattern: RegExp,
    by: string,
    code?: 'BAD_BASE64' | 'BAD_SYNTAX',
  ) =>
    described(
      OBJECT,
      `object-${name}`,
      shows,
      { ...sized, editOuter: replaced(pattern, by) },
      code && { code },
    );
  const last = /(?<=\n)(.+)=(?=\n-----END MESSAGE)/u;
  const firstLine = /(?<=BEGIN MESSAGE-----\n)(.{64})\n(.{64})/u;
  return [
    described(OBJECT, 'object-plain', 'an object that ends with one sign of padding', sized),
    object('padding-missing', 'the padding missing', last, '$1', 'BAD_BASE64'),
    object('padding-extra', 'one sign of padding too many', last, '$1==', 'BAD_BASE64'),
    object('dirty-bits', 'set bits behind the last byte', /.(?==\n-----END MESSAGE)/u, 'B', 'BAD_BASE64'),
    object(
      'url-alphabet',
      'a digit of the URL alphabet',
      /(?<=BEGIN MESSAGE-----\n.{9})./u,
      '_',
      'BAD_BASE64',
    ),
    object('space', 'a space in place of a digit', /(?<=BEGIN MESSAGE-----\n.{9})./u, ' ', 'BAD_BASE64'),
    object('padding-within', 'padding before the end', /(?<=BEGIN MESSAGE-----\n.{63})./u, '=', 'BAD_BASE64'),
    object('leading-space', 'a space before a line', firstLine, ' $1\n$2', 'BAD_SYNTAX'),
    object('trailing-space', 'a space after a line', firstLine, '$1 \n$2', 'BAD_SYNTAX'),
    object('empty-line', 'an empty line within', firstLine, '$1\n\n$2', 'BAD_SYNTAX'),
    object(
      'short-line',
      'a line of 63 columns',
      /(?<=BEGIN MESSAGE-----\n.{63})(.)\n/u,
      '\n$1',
      'BAD_SYNTAX',
    ),
    object('long-line', 'a line of 65 columns', /(?<=BEGIN MESSAGE-----\n.{64})\n(.)/u, '$1\n', 'BAD_SYNTAX'),
    object('one-line', 'two lines joined', firstLine, '$1$2', 'BAD_SYNTAX'),
    object('empty', 'no line between BEGIN and END', /(?<=BEGIN MESSAGE-----\n)[^-]+/u, '', 'BAD_SYNTAX'),
    object('no-end', 'no END line', /-----END MESSAGE-----\n/u, '', 'BAD_SYNTAX'),
    object('other-end', 'an END line of another name', /END MESSAGE/u, 'END MASSAGE', 'BAD_SYNTAX'),
    object('begin-lower-case', 'a label in lower case', /MESSAGE/gu, 'message', 'BAD_SYNTAX'),
    object('begin-space', 'a space after the BEGIN line', /BEGIN MESSAGE-----/u, '$& ', 'BAD_SYNTAX'),
    object('begin-dashes', 'four dashes', /-----BEGIN MESSAGE-----/u, '----BEGIN MESSAGE----', 'BAD_SYNTAX'),
    object('nested', 'an object within an object', firstLine, '$1\n-----BEGIN X-----\n$2', 'BAD_SYNTAX'),
    object(
      'second',
      'a second object after the first',
      /-----END MESSAGE-----\n/u,
      '$&-----BEGIN X-----\nAAAA\n-----END X-----\n',
      'BAD_SYNTAX',
    ),
    object('pem-header', 'a header line as in PEM', firstLine, 'Proc-Type: 4\n\n$1\n$2', 'BAD_SYNTAX'),
  ];
}

/** The middle layer without padding, but for NULs that bring its ciphertext to a length of 3n + 2. */
function fitted(padded: Uint8Array): Uint8Array {
  const end = padded.indexOf(0);
  const salted = end + 48;
  return padded.subarray(0, end + ((2 - (salted % 3) + 3) % 3));
}

/** Hexadecimal and base32 text. */
function otherDigits(): CorpusFile[] {
  const hex: Group = { format: 'hex', section: 'RFC 4648 8', control: 'hex-plain', ending: '.txt' };
  const base32: Group = { format: 'base32', section: 'RFC 4648 6', control: 'base32-plain', ending: '.txt' };
  const badHex = (name: string, shows: string, text: string): CorpusFile =>
    fileOf(hex, `hex-${name}`, shows, latin1(text), { code: 'BAD_HEX' });
  const badBase32 = (name: string, shows: string, text: string): CorpusFile =>
    fileOf(base32, `base32-${name}`, shows, latin1(text), { code: 'BAD_BASE32' });
  return [
    fileOf(hex, 'hex-plain', 'lower case, two digits for each byte', latin1('00ff7a')),
    fileOf(hex, 'hex-empty', 'no byte', latin1('')),
    badHex('upper-case', 'upper case', '00FF7A'),
    badHex('odd', 'an odd number of digits', '00ff7'),
    badHex('prefix', 'a prefix', '0x00ff'),
    badHex('letter', 'a letter that is no digit', '00fg'),
    badHex('space', 'a space', '00 ff'),
    fileOf(
      base32,
      'base32-plain',
      '35 bytes as 56 digits',
      latin1('aoqqpp7tzyil4hlq3umoos6atft6jvrqtosq2xy53sdgiesvgg4bqead'),
    ),
    badBase32('upper-case', 'upper case', 'AOQQPP7T'),
    badBase32('digit-1', 'a digit that base32 does not have', 'aoqqpp71'),
    badBase32('padding', 'padding', 'ae======'),
    badBase32('dirty-bits', 'set bits behind the last byte', 'ab'),
    badBase32('digit-too-many', 'a digit too many', 'aea'),
    fileOf(base32, 'base32-one-byte', 'two digits for one byte', latin1('ae')),
  ];
}

/** Texts of bytes, and where descriptors hold them. */
export function base64Files(): CorpusFile[] {
  return [...strings(), ...objects(), ...otherDigits()];
}
