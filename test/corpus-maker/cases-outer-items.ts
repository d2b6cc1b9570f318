import type { CorpusFile } from './corpus-file.ts';
import { OUTER, filer, inOuter as outer } from './places.ts';

const file = filer(OUTER, 'outer');

const LIFETIME = 'descriptor-lifetime 180\n';
const CERT = /descriptor-signing-key-cert\n-----BEGIN[^]*?-----END ED25519 CERT-----\n/u;
const COUNTER = /revision-counter .*\n/u;
const MESSAGE = /superencrypted\n-----BEGIN[^]*-----END MESSAGE-----\n/u;

/** Items of the outer document: each keyword missing, twice, at the wrong place, with other arguments. */
export function outerItemFiles(): CorpusFile[] {
  const lines: [string, string | RegExp][] = [
    ['hs-descriptor', 'hs-descriptor 3\n'],
    ['lifetime', LIFETIME],
    ['cert', CERT],
    ['counter', COUNTER],
    ['superencrypted', MESSAGE],
  ];
  const files = lines.flatMap(([name, line]) => [
    file(`${name}-missing`, `no ${name} line`, outer(line, ''), 'MISSING_ITEM'),
    file(
      `${name}-twice`,
      `two ${name} lines`,
      outer(line, '$&$&'),
      name === 'hs-descriptor' ? 'BAD_SYNTAX' : 'DUPLICATE_ITEM',
    ),
  ]);
  const argued: [string, RegExp][] = [
    ['hs-descriptor', /(?<=hs-descriptor) 3/u],
    ['lifetime', /(?<=lifetime) 180/u],
    ['counter', /(?<=revision-counter) \d+/u],
  ];
  for (const [name, args] of argued) {
    files.push(
      file(`${name}-no-argument`, `${name} without its argument`, outer(args, ''), 'BAD_SYNTAX'),
      file(`${name}-two-arguments`, `${name} with one argument more`, outer(args, '$& 7'), 'BAD_SYNTAX'),
      file(
        `${name}-object`,
        `${name} with an object`,
        outer(args, '$&\n-----BEGIN X-----\nAAAA\n-----END X-----'),
        'BAD_SYNTAX',
      ),
    );
  }
  return [
    ...files,
    file(
      'cert-argument',
      'an argument where only an object stands',
      outer('key-cert\n', 'key-cert x\n'),
      'BAD_SYNTAX',
    ),
    file(
      'cert-no-object',
      'the certificate line without its object',
      outer(/(?<=key-cert\n)-----BEGIN[^]*?CERT-----\n(?=rev)/u, ''),
      'BAD_SYNTAX',
    ),
    file(
      'cert-other-label',
      'the object with another name',
      outer(/ED25519 CERT/gu, 'ED25519 CRT'),
      'BAD_SYNTAX',
    ),
    file(
      'superencrypted-no-object',
      'superencrypted without its object',
      outer(/(?<=superencrypted\n)[^]*/u, ''),
      'BAD_SYNTAX',
    ),
    file(
      'superencrypted-other-label',
      'the object with another name',
      outer(/ MESSAGE/gu, ' MASSAGE'),
      'BAD_SYNTAX',
    ),
    file(
      'other-order',
      'lines between first and last in another order',
      outer(/(descriptor-lifetime 180\n)([^]*?)(?=revision)/u, '$2$1'),
    ),
    file(
      'first-line-second',
      'hs-descriptor is not the first line',
      outer(/(hs-descriptor 3\n)(descriptor-lifetime 180\n)/u, '$2$1'),
      'BAD_SYNTAX',
      'other-order',
    ),
    file('unknown-line', 'a line that nobody knows', outer(LIFETIME, `${LIFETIME}unknown x\n`)),
    file(
      'unknown-line-first',
      'a line before the first',
      outer(/^/u, 'unknown x\n'),
      'BAD_SYNTAX',
      'unknown-line',
    ),
    file(
      'unknown-object',
      'an unknown line with an object',
      outer(LIFETIME, `${LIFETIME}unknown\n-----BEGIN X-----\nAAAA\n-----END X-----\n`),
    ),
    file('version-2', 'version 2', outer('hs-descriptor 3', 'hs-descriptor 2'), 'UNKNOWN_VERSION'),
    file('version-4', 'version 4', outer('hs-descriptor 3', 'hs-descriptor 4'), 'UNKNOWN_VERSION'),
    file(
      'version-03',
      'version 3 with a leading zero',
      outer('hs-descriptor 3', 'hs-descriptor 03'),
      'UNKNOWN_VERSION',
    ),
  ];
}
