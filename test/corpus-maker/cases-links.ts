import { concat, encodeBase64, encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import type { Bytes, DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import { type CorpusFile, type Group, fileOf } from './corpus-file.ts';
import { POINT, filer, inInner as inner } from './places.ts';

const file = filer(POINT, 'point');

const LINK: Group = {
  format: 'link-specifiers',
  section: 'tor-spec 5.1.2',
  control: 'links-plain',
  ending: '.bin',
};

/** Blocks of link specifiers, by themselves and in a descriptor. */
export function linkSpecifierFiles(): CorpusFile[] {
  const spec = (type: number, length: number, data = noise(`link ${type}`, length)): Bytes =>
    concat(Uint8Array.of(type, length), data);
  const [ipv4, ipv6, rsa, ed] = [spec(0, 6), spec(1, 18), spec(2, 20), spec(3, 32)];
  const block = (count: number, ...parts: Bytes[]): Bytes => concat(Uint8Array.of(count), ...parts);
  const bin = (name: string, shows: string, bytes: Bytes, refused = true, control?: string): CorpusFile =>
    fileOf(LINK, `links-${name}`, shows, bytes, {
      ...(refused ? { code: 'BAD_LINK_SPECIFIER' } : {}),
      ...(control && { control: `links-${control}` }),
    });
  const many = (count: number): Bytes => block(count, ...Array.from({ length: count }, () => spec(77, 0)));
  const inPoint = (name: string, shows: string, text: string, code?: DescriptorErrorCode): CorpusFile =>
    file(`links-${name}`, shows, inner(/(?<=introduction-point ).*/u, text), code);
  const good = block(3, ipv4, rsa, ed);
  return [
    bin('plain', 'address and both identities', good, false),
    bin('ipv6', 'with an IPv6 address', block(4, ipv4, ipv6, rsa, ed), false),
    bin('one', 'one specifier', block(1, ipv4), false),
    bin('unknown-type', 'an unknown type', block(2, ipv4, spec(77, 5)), false),
    bin('unknown-type-empty', 'an unknown type without data', block(2, ipv4, spec(77, 0)), false),
    bin('two-addresses', 'two addresses', block(2, ipv4, spec(0, 6, noise('other', 6))), false),
    bin('255', '255 specifiers', many(255), false),
    bin('empty', 'no byte', new Uint8Array()),
    bin('none', 'no specifier', block(0), true, 'one'),
    bin('none-but-data', 'no specifier is counted', block(0, ipv4), true, 'one'),
    bin('count-too-small', 'one specifier fewer is counted', block(2, ipv4, rsa, ed)),
    bin('count-too-big', 'one specifier more is counted', block(4, ipv4, rsa, ed)),
    bin('cut-in-data', 'the last byte missing', good.subarray(0, good.length - 1)),
    bin('cut-in-header', 'cut off behind a type', concat(block(2, ipv4), Uint8Array.of(2))),
    bin('trailing', 'a byte behind', concat(good, Uint8Array.of(0))),
    bin('length-beyond', 'a length beyond the end', block(1, Uint8Array.of(77, 5, 1)), true, 'unknown-type'),
    bin('ipv4-5', 'an IPv4 address of 5 bytes', block(1, spec(0, 5)), true, 'one'),
    bin('ipv4-7', 'an IPv4 address of 7 bytes', block(1, spec(0, 7)), true, 'one'),
    bin('ipv6-17', 'an IPv6 address of 17 bytes', block(2, ipv4, spec(1, 17)), true, 'ipv6'),
    bin('ipv6-19', 'an IPv6 address of 19 bytes', block(2, ipv4, spec(1, 19)), true, 'ipv6'),
    bin('rsa-19', 'an RSA identity of 19 bytes', block(2, ipv4, spec(2, 19))),
    bin('rsa-21', 'an RSA identity of 21 bytes', block(2, ipv4, spec(2, 21))),
    bin('ed25519-31', 'an Ed25519 identity of 31 bytes', block(2, ipv4, spec(3, 31))),
    bin('ed25519-33', 'an Ed25519 identity of 33 bytes', block(2, ipv4, spec(3, 33))),
    bin('two-rsa', 'a second RSA identity', block(4, ipv4, rsa, spec(2, 20, noise('other', 20)), ed)),
    bin('two-ed25519', 'a second Ed25519 identity', block(4, ipv4, rsa, ed, spec(3, 32, noise('other', 32)))),
    bin('same-ed25519-twice', 'the same identity twice', block(4, ipv4, rsa, ed, ed)),
    inPoint('unpadded', 'the block without padding', encodeBase64Unpadded(good)),
    inPoint(
      'bad-length',
      'an identity of 19 bytes',
      encodeBase64(block(2, ipv4, spec(2, 19))),
      'BAD_LINK_SPECIFIER',
    ),
    inPoint('none', 'no specifier', encodeBase64(block(0)), 'BAD_LINK_SPECIFIER'),
    inPoint(
      'trailing',
      'a byte behind the block',
      encodeBase64(concat(good, Uint8Array.of(0))),
      'BAD_LINK_SPECIFIER',
    ),
    inPoint('url-alphabet', 'a digit of the URL alphabet', `_${encodeBase64(good).slice(1)}`, 'BAD_BASE64'),
    inPoint(
      'dirty-bits',
      'set bits behind the last byte',
      encodeBase64(good).replace(/.(?==$)/u, digit => String.fromCharCode(digit.charCodeAt(0) + 1)),
      'BAD_BASE64',
    ),
  ];
}
