import { describe, expect, test } from 'vitest';
import {
  type KeywordRules,
  type NetdocItem,
  checkItems,
  encodeObject,
  parseDecimal,
  parseNetdoc,
} from '../../src/descriptor/netdoc.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/error.ts';
import { expectRefusal } from './expect-refusal.ts';

const FULL_LINE = 'A'.repeat(64);
const GOOD = `first 3\nflag\nmessage\n-----BEGIN MESSAGE-----\n${FULL_LINE}\nAAA=\n-----END MESSAGE-----\nnew-line a b\nlast x\n`;

function read(text: string): NetdocItem[] {
  return parseNetdoc(Buffer.from(text));
}

describe('splitting a document into items', () => {
  test('items have keyword, arguments, object, line and byte offset', () => {
    const items = read(GOOD);
    expect(items.map(({ keyword, args, line }) => [keyword, args, line])).toEqual([
      ['first', ['3'], 1],
      ['flag', [], 2],
      ['message', [], 3],
      ['new-line', ['a', 'b'], 8],
      ['last', ['x'], 9],
    ]);
    expect(items[2]?.object).toEqual({ label: 'MESSAGE', bytes: new Uint8Array(50) });
    expect(items.map(({ offset }) => GOOD.slice(offset).split(/[ \n]/)[0])).toEqual(
      items.map(i => i.keyword),
    );
  });

  test('offsets count bytes when characters are longer', () => {
    const text = 'a ü\nb €€\nc\n';
    const bytes = Buffer.from(text);
    expect(parseNetdoc(bytes).map(({ offset }) => String.fromCharCode(bytes[offset]!))).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  test('the last LF may be missing', () => {
    expect(read(GOOD.slice(0, -1))).toEqual(read(GOOD));
    expect(read('message\n-----BEGIN X-----\nAAAA\n-----END X-----')).toHaveLength(1);
  });

  test('more than one space and a space at the end separate arguments as in tor', () => {
    expect(read('a  b   c \n')[0]).toMatchObject({ args: ['b', 'c'], rest: ' b   c ' });
  });

  test.each<[string, string, DescriptorErrorCode]>([
    ['nothing', '', 'BAD_SYNTAX'],
    ['a lone LF', '\n', 'BAD_SYNTAX'],
    ['an empty line', 'a\n\nb\n', 'BAD_SYNTAX'],
    ['an empty line at the end', 'a\n\n', 'BAD_SYNTAX'],
    ['a line that starts with a space', 'a\n b\n', 'BAD_SYNTAX'],
    ['a NUL', 'a\0\n', 'BAD_SYNTAX'],
    ['a CR', 'a\r\n', 'BAD_SYNTAX'],
    ['a tab', 'a\tb\n', 'BAD_SYNTAX'],
    ['a DEL', 'a\u007f\n', 'BAD_SYNTAX'],
    ['the prefix opt', 'opt a\n', 'BAD_SYNTAX'],
    ['an annotation', '@a\n', 'BAD_SYNTAX'],
    ['a keyword that is no keyword', 'a_b\n', 'BAD_SYNTAX'],
    ['a byte order mark', '\ufeffa\n', 'BAD_SYNTAX'],
    ['an object without a keyword', '-----BEGIN X-----\nAAAA\n-----END X-----\n', 'BAD_SYNTAX'],
    ['two objects', `a\n${'-----BEGIN X-----\nAAAA\n-----END X-----\n'.repeat(2)}`, 'BAD_SYNTAX'],
    ['an object without an end', 'a\n-----BEGIN X-----\nAAAA\n', 'BAD_SYNTAX'],
    ['an object that ends as another', 'a\n-----BEGIN X-----\nAAAA\n-----END Y-----\n', 'BAD_SYNTAX'],
    ['an object inside another', 'a\n-----BEGIN X-----\n-----BEGIN X-----\n-----END X-----\n', 'BAD_SYNTAX'],
    ['a bad BEGIN line', 'a\n-----BEGIN X----\nAAAA\n-----END X-----\n', 'BAD_SYNTAX'],
    ['an empty object', 'a\n-----BEGIN X-----\n-----END X-----\n', 'BAD_SYNTAX'],
    ['an empty line in an object', 'a\n-----BEGIN X-----\n\nAAAA\n-----END X-----\n', 'BAD_SYNTAX'],
    [
      'an empty last line in an object',
      `a\n-----BEGIN X-----\n${FULL_LINE}\n\n-----END X-----\n`,
      'BAD_SYNTAX',
    ],
    ['a short line in an object', 'a\n-----BEGIN X-----\nAAAA\nAAAA\n-----END X-----\n', 'BAD_SYNTAX'],
    ['a long line in an object', `a\n-----BEGIN X-----\n${FULL_LINE}AAAA\n-----END X-----\n`, 'BAD_SYNTAX'],
    ['base64 that is not canonical', 'a\n-----BEGIN X-----\nAAB=\n-----END X-----\n', 'BAD_BASE64'],
    ['base64 without its padding', 'a\n-----BEGIN X-----\nAAA\n-----END X-----\n', 'BAD_BASE64'],
    ['a space in base64', 'a\n-----BEGIN X-----\nAA A\n-----END X-----\n', 'BAD_BASE64'],
  ])('%s is refused', (_, text, code) => {
    expectRefusal(code, () => read(text));
  });

  test.each([
    ['a keyword line', 'a b\u0001\n', 3],
    ['a keyword line behind a good object', `a\n${encodeObject('X', Uint8Array.of(1))}b \r\n`, 43],
    ['a BEGIN line', 'a\n-----BEGIN X-----\u0001\nAAAA\n-----END X-----\n', 19],
    ['the base64 of an object', 'a\n-----BEGIN X-----\nAAA\u0001A\n-----END X-----\n', 23],
    ['an END line', 'a\n-----BEGIN X-----\nAAAA\n-----END X-----\r\n', 40],
  ])('a control character in %s is refused where it stands', (_, text, offset) => {
    const line = text.slice(0, offset).split('\n').length;
    expect(expectRefusal('BAD_SYNTAX', () => read(text))).toMatchObject({ line, offset });
    expect(read(text.replace('\u0001', '').replace('\r', ''))[0]?.keyword).toBe('a');
  });

  test.each([
    ['a byte that UTF-8 does not have', [0xff], 6],
    ['an overlong NUL', [0xc0, 0x80], 6],
    ['a sequence that goes on wrongly', [0xe2, 0x9c, 0x41], 8],
    ['a surrogate', [0xed, 0xa0, 0x80], 7],
  ])('%s is refused where it stands', (_, bytes, offset) => {
    const text = Uint8Array.of(0x61, 0x20, 0x62, 0x0a, 0x63, 0x20, ...bytes, 0x0a);
    expect(expectRefusal('BAD_UTF8', () => parseNetdoc(text))).toMatchObject({ line: 2, offset });
  });

  test('a character that is cut off by the end is refused there', () => {
    const text = Uint8Array.of(0x61, 0x20, 0xe2, 0x9c);
    expect(expectRefusal('BAD_UTF8', () => parseNetdoc(text))).toMatchObject({ line: 1, offset: 4 });
    expect(parseNetdoc(Uint8Array.of(0x61, 0x20, 0xe2, 0x9c, 0x93))).toHaveLength(1);
  });

  test.each([
    ['its base64', 'BAD_BASE64', 'ü x\na\n-----BEGIN X-----\nAAB=\n-----END X-----\n'],
    ['its lines', 'BAD_SYNTAX', 'ü x\na\n-----BEGIN X-----\n\n-----END X-----\n'],
    ['its END line', 'BAD_SYNTAX', 'ü x\na\n-----BEGIN X-----\nAAAA\n'],
  ] as const)('an object is refused for %s at its BEGIN line', (_, code, text) => {
    const given = text.replace('ü', 'u ü');
    expect(expectRefusal(code, () => read(given))).toMatchObject({ line: 3, offset: 9 });
  });

  test('a refusal names the line', () => {
    expect(expectRefusal('BAD_SYNTAX', () => read('a\nb\n c\n'))).toMatchObject({ line: 3, offset: 4 });
  });

  test('what is encoded is read back', () => {
    for (const length of [1, 47, 48, 49, 96]) {
      const bytes = new Uint8Array(length).fill(length);
      expect(read(`a\n${encodeObject('MESSAGE', bytes)}`)[0]?.object).toEqual({ label: 'MESSAGE', bytes });
    }
  });
});

describe('the rules of a section', () => {
  const RULES: KeywordRules<'first' | 'flag' | 'message' | 'many' | 'foreign' | 'last'> = {
    first: { count: 'one', place: 'first', args: { min: 1, max: 1 } },
    flag: { count: 'optional' },
    message: { count: 'one', object: 'MESSAGE' },
    many: { count: 'any', args: { min: 1 } },
    foreign: { count: 'elsewhere' },
    last: { count: 'one', place: 'last', args: { min: 1, max: 1 } },
  };

  test('a document that keeps them is sorted, and unknown items are kept', () => {
    const section = checkItems(read(GOOD), RULES);
    expect(section.one('first').args).toEqual(['3']);
    expect(section.optional('flag')).toBeDefined();
    expect(section.all('many')).toEqual([]);
    expect(section.unknown.map(({ keyword }) => keyword)).toEqual(['new-line']);
    expectRefusal('MISSING_ITEM', () => section.one('many'));
  });

  test('items that may repeat keep their order', () => {
    const section = checkItems(read(GOOD.replace('flag', 'many 1\nmany 2')), RULES);
    expect(section.all('many').map(({ args }) => args[0])).toEqual(['1', '2']);
  });

  test.each<[string, string, string, DescriptorErrorCode]>([
    ['a missing item', 'last x\n', '', 'MISSING_ITEM'],
    ['a repeated item', 'flag\n', 'flag\nflag\n', 'DUPLICATE_ITEM'],
    ['a repeated first item', 'flag\n', 'first 3\n', 'BAD_SYNTAX'],
    ['an item before the first', 'first 3', 'flag\nfirst 3', 'BAD_SYNTAX'],
    ['an unknown item before the first', 'first 3', 'new\nfirst 3', 'BAD_SYNTAX'],
    ['an item after the last', 'last x\n', 'last x\nnew\n', 'BAD_SYNTAX'],
    ['too few arguments', 'first 3', 'first', 'BAD_SYNTAX'],
    ['too many arguments', 'first 3', 'first 3 4', 'BAD_SYNTAX'],
    ['an argument where none may be', 'flag', 'flag x', 'BAD_SYNTAX'],
    ['another object', ' MESSAGE-', ' MASSAGE-', 'BAD_SYNTAX'],
    ['an object where none may be', 'flag\nmessage\n', 'message\nflag\n', 'BAD_SYNTAX'],
    ['an item of another section', 'flag', 'foreign', 'BAD_SYNTAX'],
  ])('%s is refused', (_, from, to, code) => {
    expectRefusal(code, () => checkItems(read(GOOD.replaceAll(from, to)), RULES));
  });
});

describe('decimal integers', () => {
  test('the canonical text up to the limit is read', () => {
    expect(parseDecimal('0', 5n)).toBe(0n);
    expect(parseDecimal('5', 5n)).toBe(5n);
    expect(parseDecimal('18446744073709551615', 2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
  });

  test.each(['', '6', '05', '+5', '-5', ' 5', '5 ', '5.0', '0x5', '5e0', '٥', '99999999999999999999999'])(
    '%j is refused where 5 is the limit',
    text => {
      expectRefusal('BAD_INTEGER', () => parseDecimal(text, 5n));
    },
  );

  test('one above the largest 64-bit integer is refused', () => {
    expectRefusal('BAD_INTEGER', () => parseDecimal('18446744073709551616', 2n ** 64n - 1n));
  });
});
