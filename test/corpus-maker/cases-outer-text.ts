import { type Making, compact } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { OUTER, afterSigning as after, filer, inOuter as outer } from './places.ts';

const file = filer(OUTER, 'outer');

const LIFETIME = 'descriptor-lifetime 180\n';

/** The outer document as text: its ends, control characters, encoding and size. */
export function outerTextFiles(): CorpusFile[] {
  const cut = (from: number, to?: number): Making => ({ editText: text => text.slice(from, to) });
  const sized = (size: number): Making => {
    const room = size - compact().length - 'unknown \n'.length;
    return outer(LIFETIME, `${LIFETIME}unknown ${'x'.repeat(room)}\n`);
  };
  return [
    file('plain', 'nothing changed', {}),
    file('padded-as-tor', 'sixteen client lines, three points, padded as by tor', {
      points: 3,
      editPadded: padded => padded,
    }),
    file('empty', 'no byte at all', { editText: () => '' }, 'BAD_SYNTAX'),
    file('lf-alone', 'one empty line', { editText: () => '\n' }, 'BAD_SYNTAX'),
    file('last-lf-missing', 'the LF of the last line missing', after(/\n$/u, '')),
    file('trailing-lf', 'an empty line after the signature', after(/$/u, '\n'), 'BAD_SYNTAX'),
    file('trailing-space', 'a space after the signature line', after(/$/u, ' '), 'BAD_SYNTAX'),
    file('trailing-nul', 'a NUL after the signature line', after(/$/u, '\0'), 'BAD_SYNTAX'),
    file('trailing-letter', 'a letter after the signature line', after(/$/u, 'a'), 'BAD_SYNTAX'),
    file('trailing-line', 'a line after the signature', after(/$/u, 'unknown x\n'), 'BAD_SYNTAX'),
    file('twice', 'the descriptor twice', after(/^[^]*$/u, '$&$&'), 'BAD_SYNTAX'),
    file('leading-lf', 'an empty line before the first', after(/^/u, '\n'), 'BAD_SYNTAX'),
    file('leading-space', 'a space before the first line', after(/^/u, ' '), 'BAD_SYNTAX'),
    file('leading-nul', 'a NUL before the first line', after(/^/u, '\0'), 'BAD_SYNTAX'),
    file('leading-bom', 'a byte order mark', after(/^/u, '\xef\xbb\xbf'), 'BAD_SYNTAX'),
    file('opt', 'the legacy prefix opt', outer(LIFETIME, `opt ${LIFETIME}`), 'BAD_SYNTAX'),
    file('empty-line', 'an empty line within', outer(LIFETIME, `\n${LIFETIME}`), 'BAD_SYNTAX'),
    file('two-spaces', 'two spaces after a keyword', outer('lifetime 180', 'lifetime  180')),
    file('space-at-end', 'a space at the end of a line', outer('lifetime 180', 'lifetime 180 ')),
    file('tab', 'a tab after a keyword', outer('lifetime 180', 'lifetime\t180'), 'BAD_SYNTAX', 'two-spaces'),
    file('crlf', 'CR before every LF', after(/\n/gu, '\r\n'), 'BAD_SYNTAX'),
    file('cr', 'one CR', outer('lifetime 180', 'lifetime 180\r'), 'BAD_SYNTAX'),
    file('cr-alone', 'CR in place of LF', outer(LIFETIME, LIFETIME.replace('\n', '\r')), 'BAD_SYNTAX'),
    file('nul-in-line', 'a NUL within a line', outer('lifetime 180', 'lifetime 180\0'), 'BAD_SYNTAX'),
    file('nul-in-object', 'a NUL within an object', outer(/(?<=CERT-----\n..)./u, '\0'), 'BAD_SYNTAX'),
    file(
      'nul-in-unknown-line',
      'a NUL in an unknown line',
      outer(LIFETIME, `${LIFETIME}unknown \0\n`),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file(
      'escape',
      'an escape character',
      outer(LIFETIME, `${LIFETIME}unknown \x1b[2J\n`),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file(
      'delete',
      'a delete character',
      outer(LIFETIME, `${LIFETIME}unknown \x7f\n`),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file('utf8', 'UTF-8 in an unknown line', outer(LIFETIME, `${LIFETIME}unknown \xc3\xbc\n`)),
    ...notUtf8(),
    file('size-49999', 'the largest descriptor', sized(49_999)),
    file('size-50000', 'one byte more', sized(50_000), 'TOO_LARGE', 'size-49999'),
    file('cut-in-cert', 'cut off in the certificate', cut(0, 150), 'BAD_SYNTAX'),
    file('cut-in-message', 'cut off in the encrypted layer', cut(0, 900), 'BAD_SYNTAX'),
    file('cut-before-signature', 'cut off before the signature line', cut(0, -97), 'MISSING_ITEM'),
    file('cut-in-signature', 'cut off in the signature', cut(0, -2), 'BAD_SYNTAX'),
  ];
}

function notUtf8(): CorpusFile[] {
  const bad: [string, string, string][] = [
    ['lone-continuation', '\x80', 'a continuation byte alone'],
    ['cut-sequence', '\xc3', 'a sequence cut off'],
    ['overlong-slash', '\xc0\xaf', 'an overlong slash'],
    ['overlong-nul', '\xc0\x80', 'an overlong NUL'],
    ['surrogate', '\xed\xa0\x80', 'a surrogate'],
    ['beyond-unicode', '\xf4\x90\x80\x80', 'a character beyond the last'],
    ['byte-ff', '\xff', 'a byte that UTF-8 does not have'],
  ];
  return bad.map(([name, bytes, what]) =>
    file(`utf8-${name}`, what, outer(LIFETIME, `${LIFETIME}unknown ${bytes}\n`), 'BAD_UTF8', 'utf8'),
  );
}
