import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import type { Making } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { INNER, filer, inInner as inner } from './places.ts';

const file = filer(INNER, 'inner');

const FLOW = 'flow-control 1-2 31\n';
/** A line of the head in place of `flow-control`. */
const head = (line: string): Making => inner(FLOW, line);

/** `create2-formats`. */
export function create2Files(): CorpusFile[] {
  const create2 = (name: string, shows: string, line: string, code?: DescriptorErrorCode): CorpusFile =>
    file(`create2-${name}`, shows, inner('create2-formats 2\n', line), code);
  return [
    file('plain', 'nothing changed', {}),
    create2('missing', 'no create2-formats', '', 'MISSING_ITEM'),
    create2('twice', 'create2-formats twice', 'create2-formats 2\n'.repeat(2), 'BAD_SYNTAX'),
    create2('not-first', 'another line before it', 'unknown x\ncreate2-formats 2\n', 'BAD_SYNTAX'),
    create2('no-argument', 'no format', 'create2-formats\n', 'BAD_SYNTAX'),
    create2('without-2', 'formats without ntor', 'create2-formats 1 3\n', 'BAD_LAYER'),
    create2('2-and-3', 'ntor and another', 'create2-formats 2 3\n'),
    create2('3-and-2', 'another and ntor', 'create2-formats 3 2\n'),
    create2('02', 'a leading zero', 'create2-formats 02\n', 'BAD_INTEGER'),
    create2('65535', 'the largest format beside ntor', 'create2-formats 2 65535\n'),
    create2('65536', 'a format of more than 16 bits', 'create2-formats 2 65536\n', 'BAD_INTEGER'),
    create2('65538', 'a format that wraps to 2', 'create2-formats 65538\n', 'BAD_INTEGER'),
    create2('word', 'a format that is no number', 'create2-formats 2 ntor\n', 'BAD_INTEGER'),
    create2('comma', 'formats with a comma', 'create2-formats 2,3\n', 'BAD_INTEGER'),
  ];
}

/** Lines of the head without a value of their own. */
export function innerFlagFiles(): CorpusFile[] {
  return [
    file('auth-ed25519', 'the one known kind of authentication', head('intro-auth-required ed25519\n')),
    file(
      'auth-unknown',
      'an unknown kind of authentication',
      head('intro-auth-required password\n'),
      'BAD_LAYER',
      'auth-ed25519',
    ),
    file(
      'auth-known-and-unknown',
      'an unknown kind behind the known one',
      head('intro-auth-required ed25519 password\n'),
    ),
    file(
      'auth-unknown-and-known',
      'an unknown kind before the known one: tor looks at the first alone',
      head('intro-auth-required password ed25519\n'),
      'BAD_LAYER',
      'auth-known-and-unknown',
    ),
    file('auth-no-argument', 'no kind', head('intro-auth-required\n'), 'BAD_SYNTAX', 'auth-ed25519'),
    file(
      'auth-twice',
      'the line twice',
      head('intro-auth-required ed25519\n'.repeat(2)),
      'DUPLICATE_ITEM',
      'auth-ed25519',
    ),
    file('single-onion', 'single-onion-service', head('single-onion-service\n')),
    file(
      'single-onion-argument',
      'single-onion-service with an argument, which tor takes',
      head('single-onion-service x\n'),
    ),
    file(
      'single-onion-twice',
      'single-onion-service twice',
      head('single-onion-service\n'.repeat(2)),
      'DUPLICATE_ITEM',
      'single-onion',
    ),
    file(
      'single-onion-object',
      'single-onion-service with an object',
      head('single-onion-service\n-----BEGIN X-----\nAAAA\n-----END X-----\n'),
      'BAD_SYNTAX',
      'single-onion',
    ),
    file('unknown-line', 'a line that nobody knows', head('unknown x\n')),
    file('unknown-line-at-end', 'a line that nobody knows, in the last section', inner(/$/u, 'unknown x\n')),
    file(
      'caa-critical',
      'caa-critical, which belongs into the middle layer, is an unknown line here',
      head('caa-critical\n'),
    ),
  ];
}

/** `flow-control`. */
export function flowControlFiles(): CorpusFile[] {
  const flow = (
    name: string,
    shows: string,
    rest: string,
    code?: DescriptorErrorCode,
    control = 'flow-1-2',
  ): CorpusFile => file(`flow-${name}`, shows, head(`flow-control${rest}\n`), code, control);
  return [
    file('flow-none', 'no flow-control', head('')),
    file('flow-1-2', 'as stock tor writes it', {}),
    flow('one-version', 'one version', ' 1 31'),
    flow('version-list', 'several ranges', ' 1-2,4 31'),
    flow('sendme-1', 'the smallest increment', ' 1-2 1'),
    flow('sendme-0', 'no increment', ' 1-2 0', 'BAD_SYNTAX', 'flow-sendme-1'),
    flow('sendme-255', 'the largest increment', ' 1-2 255'),
    flow('sendme-256', 'one more', ' 1-2 256', 'BAD_INTEGER', 'flow-sendme-255'),
    flow('sendme-031', 'a leading zero', ' 1-2 031', 'BAD_INTEGER'),
    flow('sendme-sign', 'a sign', ' 1-2 +31', 'BAD_INTEGER'),
    flow('sendme-missing', 'no increment at all', ' 1-2', 'BAD_SYNTAX'),
    flow('no-argument', 'no argument', '', 'BAD_SYNTAX'),
    flow('extra-argument', 'an argument more, as new versions may add', ' 1-2 31 x'),
    flow('versions-word', 'versions that are no numbers', ' one 31', 'BAD_SYNTAX'),
    flow('versions-open', 'a range without its end', ' 1- 31', 'BAD_SYNTAX'),
    flow('versions-comma', 'a comma at the end', ' 1, 31', 'BAD_SYNTAX'),
    flow('versions-999', 'a version of three digits', ' 999 31'),
    flow('versions-1000', 'a version of four digits', ' 1000 31', 'BAD_SYNTAX', 'flow-versions-999'),
    file('flow-twice', 'flow-control twice', head(FLOW.repeat(2)), 'DUPLICATE_ITEM', 'flow-1-2'),
  ];
}

/** The number of introduction points. */
export function pointCountFiles(): CorpusFile[] {
  return [
    file('points-0', 'no introduction point: read, never written', inner(/introduction-point[^]*/u, '')),
    file('points-1', 'one introduction point', {}),
    file('points-20', 'the most introduction points', { points: 20 }),
    file(
      'points-21',
      'one more',
      { points: 20, editInner: text => text + text.slice(text.lastIndexOf('introduction-point')) },
      'POINT_COUNT',
      'points-20',
    ),
  ];
}
