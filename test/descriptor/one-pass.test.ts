import { afterEach, describe, expect, test, vi } from 'vitest';
import { concat, decodeUtf8 } from '../../src/descriptor/bytes.ts';
import { openDescriptor } from '../../src/descriptor/open.ts';
import { parseNetdoc } from '../../src/descriptor/netdoc.ts';
import { encodeInnerLayer } from '../../src/descriptor/inner-layer.ts';
import { encodeMiddleLayer } from '../../src/descriptor/middle-layer.ts';
import { forge } from './forge.ts';

const decode = vi.spyOn(TextDecoder.prototype, 'decode');
const split = vi.spyOn(String.prototype, 'split');
afterEach(() => {
  decode.mockClear();
  split.mockClear();
});

/** Lengths of the texts that were decoded, and of those that were cut into lines. */
function passes(): { decoded: number[]; cut: number[] } {
  const decoded = decode.mock.calls.map(([bytes]) => (bytes as Uint8Array).length);
  const cut = split.mock.contexts.flatMap((text, call) =>
    split.mock.calls[call]?.[0] === ('\n' as unknown) ? [String(text).length] : [],
  );
  return { decoded, cut };
}

describe('reading', () => {
  const { text, kpHsId, period, parts, at } = forge({ points: 20 });
  const inner = encodeInnerLayer(parts.inner).length;
  const encrypted = new Uint8Array(16 + inner + 32);
  const middle = encodeMiddleLayer({ ...parts.middle, caaCritical: false, encrypted }).length;

  test('passes once over the text of each layer', () => {
    const opened = openDescriptor(text, { kpHsId, periods: [period], nowSeconds: at });
    expect(opened.inner?.introductionPoints).toHaveLength(20);
    expect(passes()).toEqual({ decoded: [text.length, middle, inner], cut: [text.length, middle, inner] });
  });

  test('a second pass would be seen', () => {
    parseNetdoc(text);
    expect(passes()).toEqual({ decoded: [text.length], cut: [text.length] });
    decodeUtf8(text).split('\n');
    expect(passes()).toEqual({ decoded: [text.length, text.length], cut: [text.length, text.length] });
  });

  test('looks again only to refuse: a control character is named before every other fault', () => {
    const bad = concat(text, Uint8Array.of(0));
    expect(() => parseNetdoc(bad)).toThrow(expect.objectContaining({ offset: text.length }));
    expect(passes().decoded).toEqual([bad.length]);
  });
});
