import { encodeBase32, encodeBase64, concat } from '../../src/descriptor/bytes.ts';
import { type DescriptorErrorCode, formatOnionAddress } from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import { SERVICE, latin1 } from './compact.ts';
import { type CorpusFile, type CorpusFormat, type Group, fileOf } from './corpus-file.ts';

const ADDRESS = formatOnionAddress(SERVICE.kpHsId);
const LABEL = ADDRESS.slice(0, 56);

/** Makes files of one format from text. */
function texts(format: CorpusFormat, section: string) {
  const group: Group = { format, section, control: `${format}-plain`, ending: '.txt' };
  return (
    name: string,
    shows: string,
    text: string,
    code?: DescriptorErrorCode,
    control?: string,
  ): CorpusFile =>
    fileOf(group, `${format}-${name}`, shows, latin1(text), {
      ...(code && { code }),
      ...(control && { control: `${format}-${control}` }),
    });
}

/** A private key in PEM, as Onionbalance keeps it. */
export function pemFiles(): CorpusFile[] {
  const file = texts('pem-key', 'RFC 8410 7');
  const bad = (name: string, shows: string, text: string, control?: string): CorpusFile =>
    file(name, shows, text, 'BAD_KEY_FILE', control);
  const head = Buffer.from('302e020100300506032b657004220420', 'hex');
  const der = concat(head, noise('a seed of the corpus', 32));
  const pem = (bytes: Uint8Array, label = 'PRIVATE KEY'): string =>
    `-----BEGIN ${label}-----\n${encodeBase64(bytes)}\n-----END ${label}-----\n`;
  const good = pem(der);
  return [
    file('plain', 'a seed of nobody', good),
    file('crlf', 'CR LF line ends', good.replaceAll('\n', '\r\n')),
    file('last-lf-missing', 'the last LF missing', good.slice(0, -1)),
    file('encrypted', 'an encrypted key', pem(der, 'ENCRYPTED PRIVATE KEY'), 'KEY_FILE_ENCRYPTED'),
    bad('public', 'a public key', pem(der, 'PUBLIC KEY')),
    bad('x25519', 'a key for X25519', pem(der.with(11, 0x6e))),
    bad('version-1', 'PKCS #8 of version 1, which may hold more', pem(der.with(4, 1))),
    bad(
      'long-form-length',
      'a length in another form',
      pem(concat(Uint8Array.of(0x30, 0x81, 0x2e), der.subarray(2))),
    ),
    bad('seed-31', 'a seed of 31 bytes', pem(der.subarray(0, 47))),
    bad('seed-33', 'a seed of 33 bytes', pem(concat(der, Uint8Array.of(0)))),
    bad('url-alphabet', 'a digit of the URL alphabet', good.replace(/(?<=\n.{30})./u, '_')),
    bad('two-lines', 'the digits in two lines', good.replace(/(?<=\n.{32})(?=.)/u, '\n')),
    bad('text-before', 'text before the key', `x\n${good}`),
    bad('text-after', 'text behind the key', `${good}x\n`),
    bad('second-key', 'a second key', good + good),
    bad('space-after-begin', 'a space behind the BEGIN line', good.replace('-----\n', '----- \n'), 'crlf'),
    bad('empty', 'no byte', ''),
  ];
}

/** Files of authorized clients, tor's and theirs. */
export function clientFiles(): CorpusFile[] {
  const publicFile = texts('client-file', 'tor');
  const privateFile = texts('client-private-file', 'tor');
  const digits = encodeBase32(Uint8Array.of(9, ...new Uint8Array(31)));
  const line = `descriptor:x25519:${digits}`;
  const own = `${LABEL}:${line}`;
  const dirty = `${digits.slice(0, -1)}b`;
  const bad = (name: string, shows: string, text: string, code: DescriptorErrorCode = 'BAD_KEY_FILE') =>
    publicFile(name, shows, text, code);
  const badPrivate = (
    name: string,
    shows: string,
    text: string,
    code: DescriptorErrorCode = 'BAD_KEY_FILE',
  ) => privateFile(name, shows, text, code);
  return [
    publicFile('plain', 'a client', `${line}\n`),
    publicFile('no-lf', 'the LF missing', line),
    publicFile(
      'upper-case',
      'the key in upper case, as some tools write it',
      `descriptor:x25519:${digits.toUpperCase()}\n`,
    ),
    bad('51-digits', 'a digit less', `${line.slice(0, -1)}\n`),
    bad('53-digits', 'a digit more', `${line}a\n`),
    bad('dirty-bits', 'set bits behind the last byte', `descriptor:x25519:${dirty}\n`, 'BAD_BASE32'),
    bad('padding', 'padding', `${line}====\n`),
    bad('other-type', 'another type of key', `${line.replace('x25519', 'x448')}\n`),
    bad(
      'low-order',
      'a key of low order',
      `descriptor:x25519:${encodeBase32(new Uint8Array(32))}\n`,
      'BAD_KEY',
    ),
    bad(
      'not-canonical',
      'a key of 2^256 - 1',
      `descriptor:x25519:${encodeBase32(new Uint8Array(32).fill(0xff))}\n`,
      'BAD_KEY',
    ),
    bad('two-lines', 'two clients', `${line}\n${line}\n`),
    bad('crlf', 'CR before LF', `${line}\r\n`),
    bad('private', 'the file of a client itself', `${own}\n`),
    bad('empty', 'no byte', ''),
    privateFile('plain', 'a client of the service', `${own}\n`),
    privateFile('no-lf', 'the LF missing', own),
    badPrivate('suffix', 'the address with .onion', `${ADDRESS}:${line}\n`),
    badPrivate('dirty-bits', 'set bits behind the last byte', `${LABEL}:descriptor:x25519:${dirty}\n`),
    badPrivate('public', 'the file that tor keeps', `${line}\n`),
    badPrivate('two-lines', 'two services', `${own}\n${own}\n`),
    badPrivate('crlf', 'CR before LF', `${own}\r\n`),
    badPrivate(
      'other-address',
      'an address with a wrong checksum',
      `${LABEL.slice(0, -4)}aaad:${line}\n`,
      'BAD_ADDRESS',
    ),
    badPrivate(
      'upper-case-address',
      'the address in upper case',
      `${LABEL.toUpperCase()}:${line}\n`,
      'BAD_ADDRESS',
    ),
    badPrivate('empty', 'no byte', ''),
  ];
}

/** `ob_config` of a backend. */
export function obConfigFiles(): CorpusFile[] {
  const file = texts('ob-config', 'tor');
  const bad = (name: string, shows: string, text: string, code: DescriptorErrorCode = 'BAD_KEY_FILE') =>
    file(name, shows, text, code);
  const line = `MasterOnionAddress ${ADDRESS}\n`;
  return [
    file('plain', 'one service', line),
    file('comment', 'comments and empty lines', `# backends\n\n${line}`),
    file('twice', 'two lines', line + line),
    file('no-lf', 'the LF missing', line.slice(0, -1)),
    bad('empty', 'no address', ''),
    bad('comment-alone', 'a comment and no address', '# x\n'),
    bad('no-suffix', 'without .onion', `MasterOnionAddress ${LABEL}\n`),
    bad('two-addresses', 'two addresses on one line', `MasterOnionAddress ${ADDRESS} ${ADDRESS}\n`),
    bad('other-option', 'another option', `HiddenServicePort 80\n${line}`),
    bad('lower-case', 'the option in lower case', line.toLowerCase()),
    bad(
      'checksum',
      'an address with a wrong checksum',
      `MasterOnionAddress ${LABEL.slice(0, -4)}aaad.onion\n`,
      'BAD_ADDRESS',
    ),
    bad('crlf', 'CR before LF', line.replace('\n', '\r\n')),
  ];
}

const SRV = Buffer.alloc(32, 7).toString('base64');

/** The consensus, as far as hash rings need it. */
export function consensusFiles(): CorpusFile[] {
  const file = texts('consensus', 'dir-spec 3.4');
  const identity = encodeBase64(noise('a relay', 20)).slice(0, 27);
  const relay = `r one ${identity} 2038-01-01 00:00:00 127.0.0.1 9001 0\nm ${'A'.repeat(43)}\ns HSDir Valid\npr HSDir=2\n`;
  const good = `network-status-version 3 microdesc
valid-after 2026-09-04 13:00:00
fresh-until 2026-09-04 14:00:00
valid-until 2026-09-04 16:00:00
params hsdir_interval=1440 x=-1
shared-rand-previous-value 9 ${SRV}
shared-rand-current-value 9 ${SRV}
${relay}directory-footer
`;
  const edited = (name: string, shows: string, pattern: string | RegExp, by: string): CorpusFile =>
    file(name, shows, good.replace(pattern, by));
  const bad = (
    name: string,
    shows: string,
    pattern: string | RegExp,
    by: string,
    control?: string,
  ): CorpusFile => file(name, shows, good.replace(pattern, by), 'BAD_CONSENSUS', control);
  return [
    file('plain', 'one relay', good),
    edited('unknown-line', 'a line that nobody knows', 'params', 'unknown x\nparams'),
    edited('no-srv', 'no shared random values', /shared-rand.*\n/gu, ''),
    edited('no-params', 'no parameters', /params.*\n/u, ''),
    edited('no-relay', 'no relay', relay, ''),
    edited('param-min', 'the smallest value', 'x=-1', 'x=-2147483648'),
    bad('param-below', 'one less', 'x=-1', 'x=-2147483649', 'param-min'),
    edited('param-max', 'the largest value', 'x=-1', 'x=2147483647'),
    bad('param-above', 'one more', 'x=-1', 'x=2147483648', 'param-max'),
    bad('param-twice', 'a parameter twice', 'x=-1', 'x=1 x=1'),
    bad('param-word', 'a value that is no number', 'x=-1', 'x=one'),
    bad('param-fraction', 'a fraction', 'x=-1', 'x=1.5'),
    bad('param-empty', 'no value', 'x=-1', 'x='),
    bad('version-4', 'another version', 'version 3', 'version 4'),
    bad('flavour', 'a consensus without microdescriptors', ' microdesc\n', '\n'),
    bad('footer-missing', 'cut off before its footer', /directory-footer\n/u, ''),
    bad('valid-after-missing', 'no valid-after', /valid-after.*\n/u, ''),
    bad('valid-after-twice', 'valid-after twice', /valid-after.*\n/u, '$&$&'),
    bad('time-month-13', 'month 13', 'after 2026-09', 'after 2026-13'),
    bad('time-zone', 'a time with a zone', '13:00:00', '13:00:00Z'),
    bad('time-order', 'fresh-until before valid-after', '14:00:00', '12:00:00'),
    bad('time-equal', 'fresh-until at valid-after', '14:00:00', '13:00:00'),
    bad('srv-31', 'a shared random value of 31 bytes', SRV, Buffer.alloc(31, 7).toString('base64')),
    bad('srv-url-alphabet', 'a digit of the URL alphabet', SRV, `_${SRV.slice(1)}`),
    bad('srv-twice', 'the current value twice', /shared-rand-current.*\n/u, '$&$&'),
    bad(
      'relay-identity-short',
      'an identity of 19 bytes',
      identity,
      encodeBase64(noise('a relay', 19)).slice(0, 26),
    ),
    bad('relay-no-digest', 'a relay without microdescriptor', /m A+\n/u, ''),
    bad('relay-short-digest', 'a digest of 42 characters', 'A'.repeat(43), 'A'.repeat(42)),
    bad('relay-two-digests', 'two digests', /m A+\n/u, '$&$&'),
    bad('empty', 'no byte', /^[^]*$/u, ''),
  ];
}
