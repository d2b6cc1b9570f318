import { encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import { CLIENT, type Making, described, flipped, inMessage } from './compact.ts';
import type { CorpusFile, Group } from './corpus-file.ts';
import { MIDDLE, filer, inMiddle as middle } from './places.ts';

const file = filer(MIDDLE, 'middle');

const CLIENT_LINE = /auth-client (\S+) (\S+) (\S+)\n/u;

/** `auth-client` lines. */
export function clientLineFiles(): CorpusFile[] {
  const fields = (
    name: string,
    shows: string,
    lengths: [number, number, number],
    code?: DescriptorErrorCode,
  ): CorpusFile => {
    const texts = lengths.map((length, i) => encodeBase64Unpadded(noise(`client field ${i}`, length)));
    return file(
      `client-${name}`,
      shows,
      middle(CLIENT_LINE, `auth-client ${texts.join(' ')}\n`),
      code,
      'client-1',
    );
  };
  const lines = (count: number): Making => middle(CLIENT_LINE, '$&'.repeat(count));
  return [
    file('client-0', 'no client line', middle(CLIENT_LINE, ''), 'MISSING_ITEM', 'client-1'),
    file('client-1', 'one client line', {}),
    file('client-2', 'two client lines, which are alike', lines(2)),
    file('client-16', 'sixteen client lines, as tor writes them', lines(16)),
    file('client-17', 'seventeen client lines', lines(17)),
    file('client-48', 'forty-eight client lines', lines(48)),
    fields('id-7', 'a client id of 7 bytes', [7, 16, 16], 'BAD_LENGTH'),
    fields('id-9', 'a client id of 9 bytes', [9, 16, 16], 'BAD_LENGTH'),
    fields('iv-15', 'an IV of 15 bytes', [8, 15, 16], 'BAD_LENGTH'),
    fields('iv-17', 'an IV of 17 bytes', [8, 17, 16], 'BAD_LENGTH'),
    fields('cookie-15', 'a cookie of 15 bytes', [8, 16, 15], 'BAD_LENGTH'),
    fields('cookie-17', 'a cookie of 17 bytes', [8, 16, 17], 'BAD_LENGTH'),
    file(
      'client-two-fields',
      'a field missing',
      middle(CLIENT_LINE, 'auth-client $1 $2\n'),
      'BAD_SYNTAX',
      'client-1',
    ),
    file(
      'client-four-fields',
      'a field more, as new versions may add',
      middle(CLIENT_LINE, 'auth-client $1 $2 $3 x\n'),
    ),
    file('client-padded', 'fields with padding', middle(CLIENT_LINE, 'auth-client $1= $2== $3==\n')),
    file(
      'client-padding-extra',
      'a sign of padding too many',
      middle(CLIENT_LINE, 'auth-client $1== $2 $3\n'),
      'BAD_BASE64',
      'client-padded',
    ),
    file(
      'client-url-alphabet',
      'a digit of the URL alphabet',
      middle(/(?<=auth-client )./u, '_'),
      'BAD_BASE64',
      'client-1',
    ),
    file(
      'client-dirty-bits',
      'set bits behind the last byte',
      middle(CLIENT_LINE, 'auth-client AAAAAAAAAAB $2 $3\n'),
      'BAD_BASE64',
      'client-1',
    ),
    file(
      'client-bad-second',
      'the second of two lines is bad',
      middle(CLIENT_LINE, '$&auth-client AAAA $2 $3\n'),
      'BAD_LENGTH',
      'client-2',
    ),
  ];
}

/** Descriptors that only authorized clients open. */
export function restrictedFiles(): CorpusFile[] {
  const group: Group = { ...MIDDLE, format: 'restricted', control: 'restricted-plain' };
  const file = (name: string, shows: string, making: Making, code?: DescriptorErrorCode): CorpusFile =>
    described(
      group,
      `restricted-${name}`,
      shows,
      { clients: [CLIENT], ...making },
      { ...(code && { code, layer: 'inner' }) },
    );
  return [
    file('plain', 'opened with the cookie', {}),
    file(
      'no-line-for-us',
      'client lines that say nothing to us: the cookie opens it',
      middle(
        /(auth-client .*\n)+/u,
        'auth-client AAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA\n',
      ),
    ),
    described(
      group,
      'restricted-unrestricted',
      'the inner layer is encrypted without a cookie',
      {},
      { code: 'BAD_MAC', layer: 'inner' },
    ),
    file(
      'inner-mac',
      'one bit of the inner layer',
      { editMiddle: inMessage(bytes => flipped(bytes, 30)) },
      'BAD_MAC',
    ),
  ];
}
