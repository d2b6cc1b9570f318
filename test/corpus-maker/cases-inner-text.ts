import type { Making } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { INNER, filer, inInner as inner } from './places.ts';

const file = filer(INNER, 'inner');

const FLOW = 'flow-control 1-2 31\n';
/** A line of the head in place of `flow-control`. */
const head = (line: string): Making => inner(FLOW, line);

/** NULs, control characters, encoding and lines of the inner layer. */
export function innerTextFiles(): CorpusFile[] {
  const unknown = (bytes: string): Making => head(`unknown ${bytes}\n`);
  return [
    file('nul', 'a NUL in a line', head('flow-control 1-2 31\0\n'), 'BAD_SYNTAX'),
    file('nul-at-end', 'a NUL behind the text', inner(/$/u, '\0'), 'BAD_SYNTAX'),
    file(
      'nul-padding',
      'NULs behind the text, as in the middle layer',
      inner(/$/u, '\0'.repeat(16)),
      'BAD_SYNTAX',
    ),
    file('nul-before', 'a NUL before the text', inner(/^/u, '\0'), 'BAD_SYNTAX'),
    file('cr', 'CR before LF', head('flow-control 1-2 31\r\n'), 'BAD_SYNTAX'),
    file('crlf', 'CR before every LF', inner(/\n/gu, '\r\n'), 'BAD_SYNTAX'),
    file('tab', 'a tab', head('flow-control\t1-2 31\n'), 'BAD_SYNTAX'),
    file('bell', 'a bell character in an unknown line', unknown('\x07'), 'BAD_SYNTAX', 'unknown-line'),
    file(
      'escape',
      'an escape character in an unknown line',
      unknown('\x1b[31m'),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file('delete', 'a delete character in an unknown line', unknown('\x7f'), 'BAD_SYNTAX', 'unknown-line'),
    file('utf8', 'UTF-8 in an unknown line', unknown('\xe2\x9c\x93')),
    file('not-utf8', 'a byte that is not UTF-8', unknown('\xff'), 'BAD_UTF8', 'utf8'),
    file('utf8-overlong', 'an overlong sequence', unknown('\xc0\xaf'), 'BAD_UTF8', 'utf8'),
    file('utf8-surrogate', 'a surrogate', unknown('\xed\xb0\x80'), 'BAD_UTF8', 'utf8'),
    file('utf8-cut', 'a sequence cut off', unknown('\xe2\x9c'), 'BAD_UTF8', 'utf8'),
    file('empty-line', 'an empty line', head('\n'), 'BAD_SYNTAX'),
    file('leading-lf', 'an empty line before the first', inner(/^/u, '\n'), 'BAD_SYNTAX'),
    file('trailing-lf', 'an empty line behind the last', inner(/$/u, '\n'), 'BAD_SYNTAX'),
    file('last-lf-missing', 'the last LF missing, as stem writes it', inner(/\n$/u, '')),
    file('opt', 'the legacy prefix opt', head('opt flow-control 1-2 31\n'), 'BAD_SYNTAX'),
    file('keyword-underscore', 'a keyword with an underscore', head('flow_control 1-2 31\n'), 'BAD_SYNTAX'),
    file('keyword-hyphen-first', 'a keyword that begins with a hyphen', head('-flow 1\n'), 'BAD_SYNTAX'),
    file('keyword-capital', 'a known keyword in capitals is an unknown one', head('FLOW-CONTROL 1-2 31\n')),
    file('empty-layer', 'one LF and no line', { editInner: () => '\n' }, 'BAD_SYNTAX'),
    file('no-document', 'text that is no document', { editInner: () => '?' }, 'BAD_SYNTAX'),
  ];
}
