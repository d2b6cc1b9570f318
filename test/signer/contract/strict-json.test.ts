import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_JSON_DEPTH, parseStrictJson } from '../../../src/signer/contract/strict-json.ts';
import { failure } from '../failure.ts';

const parse = (text: string): unknown => parseStrictJson(new TextEncoder().encode(text));
const refuses = (text: string) => failure(() => parse(text));

function hasUnsafeInteger(text: string): boolean {
  let found = false;
  JSON.parse(text, (_, value: unknown) => {
    found ||= Number.isInteger(value) && !Number.isSafeInteger(value);
    return value;
  });
  return found;
}

describe('strict JSON', () => {
  it('reads every value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
        const text = JSON.stringify(value);
        fc.pre(!hasUnsafeInteger(text));
        expect(JSON.stringify(parse(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
    expect(parse(' {"a":[1,-0.5e1,"\\u00e4\\ud83e\\uddc5\\n\\/"],"b":{},"c":[],"d":null} ')).toEqual({
      a: [1, -5, 'ä🧅\n/'],
      b: {},
      c: [],
      d: null,
    });
  });

  it('refuses a key that stands twice in one object, however it is written', () => {
    expect(parse('{"a":1,"b":{"a":1}}')).toEqual({ a: 1, b: { a: 1 } });
    expect(refuses('{"a":1,"a":1}')).toMatchObject({ code: 'JSON_DUPLICATE_KEY', offset: 7 });
    expect(refuses('{"a":1,"\\u0061":1}')).toMatchObject({ code: 'JSON_DUPLICATE_KEY' });
  });

  it('keeps __proto__ an ordinary key', () => {
    const value = parse('{"__proto__":{"x":1}}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value['x']).toBeUndefined();
    expect(refuses('{"__proto__":1,"__proto__":2}')).toMatchObject({ code: 'JSON_DUPLICATE_KEY' });
  });

  it('refuses bytes that are not UTF-8 and names their place', () => {
    const good = Uint8Array.of(0x22, 0xc3, 0xa4, 0x22);
    expect(parseStrictJson(good)).toBe('ä');
    const cases: [number[], number][] = [
      [[0x22, 0xff, 0x22], 1],
      [[0x22, 0xc3, 0x22], 2],
      [[0x22, 0x61, 0xc0, 0x80, 0x22], 2],
      [[0x22, 0xed, 0xa0, 0x80, 0x22], 2],
    ];
    for (const [bytes, offset] of cases) {
      const error = failure(() => parseStrictJson(Uint8Array.from(bytes)));
      expect(error).toMatchObject({ code: 'JSON_ENCODING' });
      expect(Math.abs((error.offset ?? -9) - offset)).toBeLessThanOrEqual(1);
    }
    expect(failure(() => parseStrictJson(Uint8Array.of(0x22, 0xc3)))).toMatchObject({
      code: 'JSON_ENCODING',
    });
  });

  it('counts offsets in bytes', () => {
    expect(refuses('["ä",x]')).toMatchObject({ code: 'JSON_SYNTAX', offset: 6 });
  });

  it.each([
    ['', 'nothing'],
    ['\ufeff1', 'a byte order mark'],
    ['1 2', 'two values'],
    ['01', 'a leading zero'],
    ['+1', 'a plus sign'],
    ['.5', 'no integer part'],
    ['1.', 'no fraction'],
    ['NaN', 'NaN'],
    ['tru', 'half a word'],
    ["'a'", 'single quotes'],
    ['"a', 'an open string'],
    ['"\t"', 'a control character'],
    ['"\\x41"', 'a foreign escape'],
    ['"\\u12"', 'a short escape'],
    ['"\\ud800"', 'a lone surrogate'],
    ['[1,]', 'a trailing comma'],
    ['{"a":1,}', 'a trailing comma in an object'],
    ['{a:1}', 'a bare key'],
    ['{"a" 1}', 'no colon'],
    ['[1', 'an open array'],
    ['{"a":1', 'an open object'],
    ['/**/1', 'a comment'],
    ['\u00a01', 'a foreign space'],
  ])('refuses %j: %s', text => {
    expect(refuses(text)).toMatchObject({ code: 'JSON_SYNTAX' });
  });

  it('accepts as many levels as its limit and not one more', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(Array.isArray(parse(nested(MAX_JSON_DEPTH)))).toBe(true);
    expect(refuses(nested(MAX_JSON_DEPTH + 1))).toMatchObject({ code: 'JSON_DEPTH' });
    expect(refuses('[{"a":'.repeat(100_000))).toMatchObject({ code: 'JSON_DEPTH' });
  });

  it('refuses integers that a double cannot hold', () => {
    expect(parse('9007199254740991')).toBe(2 ** 53 - 1);
    for (const text of ['9007199254740992', '-9007199254740993', '1e400', '1e17']) {
      expect(refuses(text)).toMatchObject({ code: 'JSON_NUMBER' });
    }
  });
});
