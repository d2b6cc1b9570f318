import { concat, encodeBase64, encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { OWN_POINT } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { POINT, filer, inInner as inner } from './places.ts';

const file = filer(POINT, 'point');

const LINES: [string, RegExp][] = [
  ['onion-key', /onion-key .*\n/u],
  ['auth-key', /auth-key\n-----BEGIN[^]*?-----END ED25519 CERT-----\n/u],
  ['enc-key', /enc-key .*\n/u],
  ['enc-key-cert', /enc-key-cert\n-----BEGIN[^]*?-----END ED25519 CERT-----\n/u],
];

/** Items of an introduction point. */
export function pointItemFiles(): CorpusFile[] {
  return [
    file('plain', 'nothing changed', {}),
    ...LINES.flatMap(([name, line]) => [
      file(`${name}-missing`, `no ${name}`, inner(line, ''), 'MISSING_ITEM'),
      file(
        `${name}-twice`,
        `${name} twice`,
        inner(line, '$&$&'),
        name === 'onion-key' ? 'BAD_POINT' : 'DUPLICATE_ITEM',
      ),
    ]),
    file(
      'head-no-argument',
      'introduction-point without its argument',
      inner(/(?<=introduction-point) .*/u, ''),
      'BAD_SYNTAX',
    ),
    file(
      'head-two-arguments',
      'introduction-point with an argument more',
      inner(/introduction-point .*/u, '$& x'),
      'BAD_SYNTAX',
    ),
    file('head-missing', 'keys without a section', inner(/introduction-point .*\n/u, ''), 'BAD_SYNTAX'),
    file(
      'head-twice',
      'a section of one line before the whole one',
      inner(/introduction-point .*\n/u, '$&$&'),
      'MISSING_ITEM',
    ),
    file('other-order', 'lines of the section in another order', inner(/(onion-key .*\n)([^]*)$/u, '$2$1')),
    file(
      'onion-key-other-type',
      'an onion-key of another type',
      inner('onion-key ntor', 'onion-key ntor3'),
      'BAD_POINT',
    ),
    file(
      'onion-key-other-beside',
      'an onion-key of another type beside the right one',
      inner(/onion-key .*\n/u, '$&onion-key ntor3 AAAA\n'),
    ),
    file(
      'onion-key-no-key',
      'an onion-key line without key',
      inner(/(?<=onion-key ntor) .*/u, ''),
      'BAD_SYNTAX',
    ),
    file(
      'enc-key-other-type',
      'an enc-key of another type',
      inner('enc-key ntor', 'enc-key ntor3'),
      'BAD_POINT',
    ),
    file('enc-key-no-key', 'an enc-key line without key', inner(/(?<=enc-key ntor) .*/u, ''), 'BAD_SYNTAX'),
    file(
      'auth-key-argument',
      'an argument where only an object stands',
      inner('auth-key\n', 'auth-key x\n'),
      'BAD_SYNTAX',
    ),
    file(
      'auth-key-no-object',
      'auth-key without its object',
      inner(/(?<=auth-key\n)-----BEGIN[^]*?CERT-----\n(?=enc)/u, ''),
      'BAD_SYNTAX',
    ),
    file(
      'auth-key-other-label',
      'the object with another name',
      inner(/(?<=auth-key\n)([^]*?)ED25519 CERT([^]*?)ED25519 CERT/u, '$1ED25519 KEY$2ED25519 KEY'),
      'BAD_SYNTAX',
    ),
    file(
      'enc-key-cert-no-object',
      'enc-key-cert without its object',
      inner(/(?<=enc-key-cert\n)[^]*/u, ''),
      'BAD_SYNTAX',
    ),
    file('unknown-line', 'a line that nobody knows', inner('onion-key', 'unknown x\nonion-key')),
    ...[
      'create2-formats 2',
      'single-onion-service',
      'flow-control 1-2 31',
      'pow-params v9',
      'caa 0 issue "x"',
      'intro-auth-required ed25519',
    ].map(line =>
      file(
        `head-line-${line.split(' ')[0] ?? ''}`,
        'a line of the head within a section',
        inner('onion-key', `${line}\nonion-key`),
        'BAD_SYNTAX',
        'unknown-line',
      ),
    ),
  ];
}

/** Keys for relays of tor before 0.3: read, never written. */
export function legacyKeyFiles(): CorpusFile[] {
  const key = '\nlegacy-key\n-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----';
  const cert = '\nlegacy-key-cert\n-----BEGIN CROSSCERT-----\nAAAA\n-----END CROSSCERT-----';
  return [
    file('legacy', 'key and cross-certificate for old relays', inner(/\n$/u, `${key}${cert}\n`)),
    file(
      'legacy-key-alone',
      'the key without its certificate',
      inner(/\n$/u, `${key}\n`),
      'BAD_POINT',
      'legacy',
    ),
    file(
      'legacy-cert-alone',
      'the certificate without the key',
      inner(/\n$/u, `${cert}\n`),
      'BAD_POINT',
      'legacy',
    ),
    file(
      'legacy-key-twice',
      'the key twice',
      inner(/\n$/u, `${key}${key}${cert}\n`),
      'DUPLICATE_ITEM',
      'legacy',
    ),
    file(
      'legacy-key-label',
      'the key with another name',
      inner(/\n$/u, `${key.replaceAll('RSA', 'DSA')}${cert}\n`),
      'BAD_SYNTAX',
      'legacy',
    ),
  ];
}

/** `onion-key` and `enc-key`. */
export function pointKeyFiles(): CorpusFile[] {
  const files: CorpusFile[] = [];
  const low = new Uint8Array(32);
  const p = Uint8Array.of(0xed, ...new Uint8Array(30).fill(0xff), 0x7f);
  for (const [line, good] of [
    ['onion-key', OWN_POINT.onionKey],
    ['enc-key', OWN_POINT.encKey],
  ] as const) {
    const pattern = new RegExp(`(?<=\n${line} ntor ).*`, 'u');
    const key = (name: string, shows: string, text: string, code?: DescriptorErrorCode): CorpusFile =>
      file(`${line}-${name}`, shows, inner(pattern, text), code, `${line}-unpadded`);
    files.push(
      key('unpadded', 'the key without padding, as Arti writes it', encodeBase64Unpadded(good)),
      key('extra-argument', 'an argument behind the key', `${encodeBase64(good)} x`),
      key('low-order', 'a key of low order', encodeBase64(low), 'BAD_KEY'),
      key('not-canonical', 'a key that is p', encodeBase64(p), 'BAD_KEY'),
      key('top-bit', 'the top bit set', encodeBase64(good.with(31, (good[31] ?? 0) | 0x80)), 'BAD_KEY'),
      key('31-bytes', 'a byte less', encodeBase64(good.subarray(1)), 'BAD_LENGTH'),
      key('33-bytes', 'a byte more', encodeBase64(concat(good, Uint8Array.of(1))), 'BAD_LENGTH'),
      key('url-alphabet', 'a digit of the URL alphabet', `_${encodeBase64(good).slice(1)}`, 'BAD_BASE64'),
      key('padding-extra', 'a sign of padding too many', `${encodeBase64(good)}=`, 'BAD_BASE64'),
    );
  }
  return [
    ...files,
    file(
      'enc-key-twist',
      'an enc-key on the twist, which has no Ed25519 form',
      inner(/(?<=\nenc-key ntor ).*/u, encodeBase64(Uint8Array.of(2, ...new Uint8Array(31)))),
      'BAD_KEY',
    ),
    file(
      'enc-key-other',
      'another enc-key than the certified one',
      inner(/(?<=\nenc-key ntor ).*/u, encodeBase64(OWN_POINT.onionKey)),
      'WRONG_KEY',
    ),
    file(
      'onion-key-other',
      'the onion-key is certified by nobody here',
      inner(/(?<=\nonion-key ntor ).*/u, encodeBase64(OWN_POINT.encKey)),
    ),
  ];
}
