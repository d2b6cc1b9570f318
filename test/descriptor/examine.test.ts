import { describe, expect, test } from 'vitest';
import {
  DescriptorError,
  type ExamineOptions,
  examineDescriptor,
  openDescriptor,
} from '../../src/descriptor/index.ts';
import { parseNetdoc, readableItems } from '../../src/descriptor/netdoc.ts';
import { type Forgery, ed25519Pair, forge, makePoint, noise, NOON, PERIOD } from './forge.ts';

const nowSeconds = NOON + 7200;

/** The code with which a strict opening refuses; undefined when it does not. */
function refusal(text: Uint8Array, options: ExamineOptions): string | undefined {
  const { kpHsId, periods = [] } = options;
  if (kpHsId === undefined) throw new Error('an opening needs an address');
  try {
    openDescriptor(text, { kpHsId, periods, nowSeconds });
    return undefined;
  } catch (error) {
    if (error instanceof DescriptorError) return error.code;
    throw error;
  }
}

const FORGERIES: readonly [string, Forgery][] = [
  ['nothing', {}],
  ['twenty points', { points: 20 }],
  ['a signature', { signDescriptor: () => noise('none', 64) }],
  ['the certificate of the signing key', { signCert: () => noise('none', 64) }],
  ['an expiry', { expiryHours: NOON / 3600 }],
  ['the expiry of the points', { innerExpiryHours: NOON / 3600 }],
  [
    'points of another signer',
    { editPoint: (_, i) => makePoint(`${i}`, ed25519Pair('other'), NOON / 3600 + 54) },
  ],
  ['padding', { editPadded: padded => padded.fill(1, -1) }],
  ['the lifetime', { editOuter: outer => outer.replace('180', '9999') }],
  ['the middle text', { editMiddle: middle => middle.replace('x25519', 'x448') }],
  ['the inner head', { editInner: inner => inner.replace('create2-formats 2', 'create2-formats 1') }],
  ['a keyword of a point', { editInner: inner => inner.replace('enc-key ntor', 'enc-kex ntor') }],
  ['the end', { editInner: inner => inner.slice(0, -20) }],
];

describe('an examination', () => {
  test.each(FORGERIES)(
    'of a descriptor with a change of %s finds the fault of a strict opening',
    (_, forgery) => {
      const { text, kpHsId } = forge(forgery);
      const options = { kpHsId, periods: [PERIOD], nowSeconds };
      const { faults } = examineDescriptor(text, options);
      const code = refusal(text, options);
      const codes = faults.map(({ error }) => error.code);
      if (code === undefined) expect(codes).toEqual([]);
      else expect(codes).toContain(code);
    },
  );

  test('of a good descriptor reads what an opening reads', () => {
    const { text, kpHsId } = forge();
    const opened = openDescriptor(text, { kpHsId, periods: [PERIOD], nowSeconds });
    const { outer, middle, inner, points, access, period } = examineDescriptor(text, {
      kpHsId,
      periods: [PERIOD],
    });
    expect({ outer: outer.parsed, middle: middle?.parsed, access, period }).toEqual({
      outer: opened.outer,
      middle: opened.middle,
      access: 'open',
      period: PERIOD,
    });
    expect({ ...inner?.parsed, introductionPoints: points.map(({ point }) => point) }).toEqual(opened.inner);
  });

  test('goes no further than the outside without an address', () => {
    const { middle, access, faults } = examineDescriptor(forge().text);
    expect({ middle, access, faults }).toEqual({ middle: undefined, access: 'unknown', faults: [] });
  });

  test('opens the layers of the right address in a period that was not asked for', () => {
    const { text, kpHsId } = forge();
    const right = examineDescriptor(text, { kpHsId });
    expect(right.faults.map(({ part }) => part)).toEqual(['period']);
    expect(right.points).toHaveLength(3);
    const wrong = examineDescriptor(text, { kpHsId: forge({ label: 'other' }).kpHsId, periods: [PERIOD] });
    expect(wrong.faults.map(({ part }) => part)).toEqual(['period', 'encryption']);
  });

  test('opens a restricted descriptor with a client’s key, and says when the key is none of them', () => {
    const clientKey = noise('a client', 32);
    const { text, kpHsId } = forge({ clients: [clientKey] });
    const options = { kpHsId, periods: [PERIOD] };
    expect(examineDescriptor(text, options)).toMatchObject({ access: 'closed', faults: [] });
    const opened = examineDescriptor(text, { ...options, clientKey });
    expect(opened).toMatchObject({ access: 'client', faults: [] });
    expect(opened.points).toHaveLength(3);
    const other = examineDescriptor(text, { ...options, clientKey: noise('other', 32) });
    expect(other).toMatchObject({
      access: 'closed',
      faults: [{ part: 'client', error: { code: 'COOKIE_MISSING' } }],
    });
  });
});

describe('items before a fault', () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

  test('are all of them where there is no fault', () => {
    const { text } = forge();
    expect(readableItems(text)).toEqual(parseNetdoc(text));
  });

  test.each([
    ['a line that is none', 'a 1\nb 2\n_\nc\n', ['a', 'b']],
    ['an object without END', 'a 1\nb\n-----BEGIN X-----\nAAAA\n', ['a']],
    ['bytes that are no UTF-8', 'a 1\nb \xff\nc\n', ['a']],
    ['such bytes at once', '\xff\n', []],
    ['nothing', '', []],
  ])('stay with %s', (_, text, keywords) => {
    expect(readableItems(bytes(text)).map(({ keyword }) => keyword)).toEqual(keywords);
  });
});
