import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import type { Making } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { INNER, filer, inInner as inner } from './places.ts';

const file = filer(INNER, 'inner');

const FLOW = 'flow-control 1-2 31\n';
/** A line of the head in place of `flow-control`. */
const head = (line: string): Making => inner(FLOW, line);

const SEED = Buffer.alloc(32, 0x5a).toString('base64');

/** `pow-params`. */
export function powParamsFiles(): CorpusFile[] {
  const pow = (
    name: string,
    shows: string,
    rest: string,
    code?: DescriptorErrorCode,
    control = 'pow-v1',
  ): CorpusFile => file(`pow-${name}`, shows, head(`pow-params${rest}\n`), code, control);
  const short = Buffer.alloc(31, 0x5a).toString('base64');
  const long = Buffer.alloc(33, 0x5a).toString('base64');
  return [
    pow('v1', 'a puzzle', ` v1 ${SEED} 7 2026-09-05T12:00:00`),
    pow('other-type', 'a type that nobody knows', ' v9 x'),
    pow('no-argument', 'no argument', '', 'BAD_SYNTAX', 'pow-other-type'),
    pow('type-alone', 'nothing behind the type', ' v1', 'MISSING_ITEM'),
    pow('no-effort', 'no effort and time', ` v1 ${SEED}`, 'MISSING_ITEM'),
    pow('no-time', 'no time', ` v1 ${SEED} 7`, 'MISSING_ITEM'),
    pow('extra-argument', 'an argument more, as new versions may add', ` v1 ${SEED} 7 2026-09-05T12:00:00 x`),
    pow('seed-31', 'a seed of 31 bytes', ` v1 ${short} 7 2026-09-05T12:00:00`, 'BAD_SYNTAX'),
    pow('seed-33', 'a seed of 33 bytes', ` v1 ${long} 7 2026-09-05T12:00:00`, 'BAD_SYNTAX'),
    pow(
      'seed-url-alphabet',
      'a digit of the URL alphabet',
      ` v1 _${SEED.slice(1)} 7 2026-09-05T12:00:00`,
      'BAD_BASE64',
    ),
    pow('seed-unpadded', 'a seed without padding', ` v1 ${SEED.slice(0, -1)} 7 2026-09-05T12:00:00`),
    pow('effort-0', 'no effort', ` v1 ${SEED} 0 2026-09-05T12:00:00`),
    pow('effort-max', 'the largest effort', ` v1 ${SEED} 4294967295 2026-09-05T12:00:00`),
    pow(
      'effort-2-32',
      'one more',
      ` v1 ${SEED} 4294967296 2026-09-05T12:00:00`,
      'BAD_INTEGER',
      'pow-effort-max',
    ),
    pow('effort-07', 'a leading zero', ` v1 ${SEED} 07 2026-09-05T12:00:00`, 'BAD_INTEGER'),
    pow('effort-sign', 'a sign', ` v1 ${SEED} -7 2026-09-05T12:00:00`, 'BAD_INTEGER'),
    pow('time-zone', 'a time with a zone', ` v1 ${SEED} 7 2026-09-05T12:00:00Z`, 'BAD_SYNTAX'),
    pow('time-fraction', 'a fraction of a second', ` v1 ${SEED} 7 2026-09-05T12:00:00.5`, 'BAD_SYNTAX'),
    pow('time-space', 'a space in place of T', ` v1 ${SEED} 7 2026-09-05 12:00:00`, 'BAD_SYNTAX'),
    pow('time-month-13', 'month 13', ` v1 ${SEED} 7 2026-13-05T12:00:00`, 'BAD_SYNTAX'),
    pow(
      'time-29-february',
      'a day that the year does not have',
      ` v1 ${SEED} 7 2027-02-29T12:00:00`,
      'BAD_SYNTAX',
      'pow-time-leap-day',
    ),
    pow('time-leap-day', 'a leap day', ` v1 ${SEED} 7 2028-02-29T12:00:00`),
    pow('time-second-60', 'a leap second', ` v1 ${SEED} 7 2026-12-31T23:59:60`, 'BAD_SYNTAX'),
    pow('time-hour-24', 'hour 24', ` v1 ${SEED} 7 2026-12-31T24:00:00`, 'BAD_SYNTAX'),
    file(
      'pow-v1-twice',
      'the puzzle twice',
      head(`pow-params v1 ${SEED} 7 2026-09-05T12:00:00\n`.repeat(2)),
      'DUPLICATE_ITEM',
      'pow-v1',
    ),
    file(
      'pow-v1-and-other',
      'a puzzle and one of unknown type',
      head(`pow-params v1 ${SEED} 7 2026-09-05T12:00:00\npow-params v9 x\n`),
    ),
  ];
}

/** `caa`. */
export function caaFiles(): CorpusFile[] {
  const record = (
    name: string,
    shows: string,
    rest: string,
    code?: DescriptorErrorCode,
    control = 'caa-quoted',
  ): CorpusFile => file(`caa-${name}`, shows, head(`caa${rest}\n`), code, control);
  return [
    record('quoted', 'a value in quotation marks', ' 128 issue "test.example"'),
    record('bare', 'a value without them', ' 0 issue test.example'),
    record('empty-value', 'an empty value', ' 0 issue ""'),
    record(
      'space-in-value',
      'a space within quotation marks',
      ' 0 issue "test.example; validationmethods=onion-csr-01"',
    ),
    record(
      'space-in-bare',
      'a space without quotation marks',
      ' 0 issue test.example x',
      'BAD_SYNTAX',
      'caa-bare',
    ),
    record('flags-255', 'the largest flags', ' 255 issue "x"'),
    record('flags-256', 'one more', ' 256 issue "x"', 'BAD_INTEGER', 'caa-flags-255'),
    record('flags-leading-zero', 'a leading zero', ' 00 issue "x"', 'BAD_INTEGER'),
    record('flags-sign', 'a sign', ' +1 issue "x"', 'BAD_SYNTAX'),
    record('no-value', 'no value', ' 0 issue', 'BAD_SYNTAX', 'caa-empty-value'),
    record('no-argument', 'no argument', '', 'BAD_SYNTAX'),
    record('tag-hyphen', 'a tag with a hyphen', ' 0 issue-wild "x"', 'BAD_SYNTAX'),
    record('tag-255', 'the longest tag', ` 0 ${'t'.repeat(255)} "x"`),
    record('tag-256', 'one character more', ` 0 ${'t'.repeat(256)} "x"`, 'BAD_SYNTAX', 'caa-tag-255'),
    record('quote-within', 'a quotation mark in the value', ' 0 issue "a"b"', 'BAD_SYNTAX'),
    record('quote-open', 'no second quotation mark', ' 0 issue "test', 'BAD_SYNTAX'),
    record('backslash', 'a backslash', ' 0 issue "a\\b"', 'BAD_SYNTAX'),
    record('not-ascii', 'a character that is no ASCII', ' 0 issue "\xc3\xbc"', 'BAD_SYNTAX'),
    record('two-spaces', 'two spaces', ' 0  issue "x"', 'BAD_SYNTAX'),
    file('caa-three', 'three records', head('caa 0 issue "x"\n'.repeat(3))),
  ];
}
