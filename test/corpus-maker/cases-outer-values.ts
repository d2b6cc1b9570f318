import type { Making } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { OUTER, afterSigning as after, filer, inOuter as outer } from './places.ts';

const file = filer(OUTER, 'outer');

const LIFETIME = 'descriptor-lifetime 180\n';

/** Lifetimes and counters. */
export function outerNumberFiles(): CorpusFile[] {
  const lifetime = (value: string, what: string, code?: 'BAD_INTEGER', control = 'lifetime-30'): CorpusFile =>
    file(
      `lifetime-${value.replace('+', 'plus-')}`,
      what,
      outer('lifetime 180', `lifetime ${value}`),
      code,
      control,
    );
  const counter = (name: string, value: string, what: string, code?: 'BAD_INTEGER'): CorpusFile => {
    const making: Making =
      code === undefined ? { counter: BigInt(value) } : outer(/(?<=revision-counter ).*/u, value);
    return file(`counter-${name}`, what, making, code, 'counter-max');
  };
  return [
    lifetime('30', 'the shortest lifetime'),
    lifetime('29', 'one minute less', 'BAD_INTEGER'),
    lifetime('720', 'the longest lifetime'),
    lifetime('721', 'one minute more', 'BAD_INTEGER', 'lifetime-720'),
    lifetime('0', 'no lifetime', 'BAD_INTEGER'),
    lifetime('0180', 'a leading zero', 'BAD_INTEGER'),
    lifetime('+180', 'a sign', 'BAD_INTEGER'),
    lifetime('-180', 'a minus sign', 'BAD_INTEGER'),
    lifetime('180.0', 'a fraction', 'BAD_INTEGER'),
    lifetime('0x78', 'hexadecimal', 'BAD_INTEGER'),
    lifetime('1e2', 'an exponent', 'BAD_INTEGER'),
    lifetime('4294967476', '2^32 and 180, which wraps to 180', 'BAD_INTEGER'),
    counter('0', '0', 'the smallest counter'),
    counter('2-53-plus-1', '9007199254740993', 'a counter that no double holds'),
    counter('max', '18446744073709551615', 'the largest counter, 2^64-1'),
    counter('2-64', '18446744073709551616', 'one more than 64 bits hold', 'BAD_INTEGER'),
    counter('2-64-plus', '18446744073709551617', 'a counter that wraps to 1', 'BAD_INTEGER'),
    counter('21-digits', '118446744073709551615', 'a digit too many', 'BAD_INTEGER'),
    counter('leading-zero', '01', 'a leading zero', 'BAD_INTEGER'),
    counter('zeros', '00', 'two zeros', 'BAD_INTEGER'),
    counter('minus', '-1', 'a minus sign', 'BAD_INTEGER'),
    counter('plus', '+1', 'a plus sign', 'BAD_INTEGER'),
    counter('hex', '0x10', 'hexadecimal', 'BAD_INTEGER'),
    counter('underscore', '1_000', 'a separator', 'BAD_INTEGER'),
    counter('fullwidth', '\xef\xbc\x91', 'a digit that is no ASCII', 'BAD_INTEGER'),
  ];
}

/** The signature line. */
export function outerSignatureFiles(): CorpusFile[] {
  const syntax = 'BAD_SYNTAX' as const;
  const line = /signature (.*)\n/u;
  return [
    file('signature-missing', 'no signature line', after(line, ''), 'MISSING_ITEM'),
    file('second-signature-line', 'the signature line twice', after(line, '$&$&'), syntax),
    file(
      'signature-within',
      'a signature line within the signed text',
      outer(LIFETIME, `${LIFETIME}signature ${'A'.repeat(86)}\n`),
      syntax,
    ),
    file('signature-padded', 'the signature with padding', after(/(?<=signature .*)\n$/u, '==\n'), syntax),
    file('signature-short', 'one character less', after(/.\n$/u, '\n'), syntax),
    file('signature-long', 'one character more', after(/\n$/u, 'A\n'), syntax),
    file('signature-empty', 'no character', after(line, 'signature\n'), syntax),
    file(
      'signature-two-spaces',
      'two spaces before the signature',
      after('signature ', 'signature  '),
      syntax,
    ),
    file('signature-space-after', 'a space after the signature', after(/\n$/u, ' \n'), syntax),
    file(
      'signature-space-within',
      'a space within the signature',
      after(/(?<=signature .{40})./u, ' '),
      syntax,
    ),
    file('signature-url-alphabet', 'the URL alphabet', after(/(?<=signature .{40})./u, '_'), syntax),
    file('signature-dirty-bits', 'set bits behind the last byte', after(/[AQgw](?=\n$)/u, 'B'), 'BAD_BASE64'),
    file(
      'signature-object',
      'an object after the signature',
      after(/$/u, '-----BEGIN X-----\nAAAA\n-----END X-----\n'),
      syntax,
    ),
    file('signature-capital', 'the keyword in capitals', after('signature', 'SIGNATURE'), 'MISSING_ITEM'),
  ];
}
