import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeUtf8 } from '../../src/descriptor/bytes.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/error.ts';
import { type InnerLayer, encodeInnerLayer, parseInnerLayer } from '../../src/descriptor/inner-layer.ts';
import { expectRefusal } from './expect-refusal.ts';
import { forge } from './forge.ts';

type Case = [string, (text: string) => string, DescriptorErrorCode];

const { parts } = forge({ points: 2 });

describe('the inner layer', () => {
  const layer: InnerLayer = {
    ...parts.inner,
    singleOnionService: true,
    caa: [
      { flags: 128, tag: 'issue', value: 'ca.example;validationmethods=onion-csr-01' },
      { flags: 0, tag: 'iodef', value: 'mailto:x@example; y' },
    ],
  };
  const inner = decodeUtf8(encodeInnerLayer(layer));
  const read = (changed: string) => parseInnerLayer(Buffer.from(changed));

  test('is written in the order of tor and read back', () => {
    expect(inner.split('introduction-point')[0]).toBe(
      'create2-formats 2\nsingle-onion-service\nflow-control 1-2 31\n' +
        'caa 128 issue "ca.example;validationmethods=onion-csr-01"\ncaa 0 iodef "mailto:x@example; y"\n',
    );
    expect(inner.endsWith('-----END ED25519 CERT-----\n')).toBe(true);
    expect(read(inner)).toMatchObject(layer);
  });

  test('other handshakes, known authentication, unknown lines and a missing last LF are taken', () => {
    const other = inner
      .replace('formats 2\n', `formats 1 2 77\nintro-auth-required ed25519\nproto Relay=3\n`)
      .replace('"ca.example;validationmethods=onion-csr-01"', 'ca.example');
    const opened = read(other.slice(0, -1));
    expect(opened.create2Formats).toEqual([1, 2, 77]);
    expect(opened.introAuthRequired).toEqual(['ed25519']);
    expect(opened.unknown.map(({ keyword }) => keyword)).toEqual(['proto']);
    expect(opened.caa[0]?.value).toBe('ca.example');
  });

  test('a layer without introduction points is read, as by tor, and never written', () => {
    expect(read('create2-formats 2\n').introductionPoints).toEqual([]);
    expectRefusal('POINT_COUNT', () => encodeInnerLayer({ ...layer, introductionPoints: [] }));
  });

  test('twenty points are the most', () => {
    const twenty = Array.from({ length: 20 }, () => layer.introductionPoints[0]!);
    const most = { ...layer, introductionPoints: twenty };
    const more = { ...layer, introductionPoints: [...twenty, ...twenty.slice(19)] };
    expect(parseInnerLayer(encodeInnerLayer(most)).introductionPoints).toHaveLength(20);
    expectRefusal('POINT_COUNT', () => encodeInnerLayer(more));
    const section = inner.slice(inner.lastIndexOf('introduction-point'));
    expectRefusal('POINT_COUNT', () => read(decodeUtf8(encodeInnerLayer(most)) + section));
  });

  const SEED = 'A'.repeat(43);
  const pow = (line: string) => (t: string) =>
    t.replace('flow-control 1-2 31\n', `flow-control 1-2 31\n${line}\n`);

  test('pow-params is read, other types of it are passed over', () => {
    const line = `pow-params v1 ${SEED}= 4294967295 2026-02-28T23:59:59\npow-params v2\npow-params v2 x`;
    const { powParams } = read(pow(line)(inner));
    expect(powParams).toEqual({
      type: 'v1',
      seed: new Uint8Array(32),
      suggestedEffort: 4_294_967_295,
      expires: Date.UTC(2026, 1, 28, 23, 59, 59) / 1000,
    });
  });

  test.each<Case>([
    ['no create2-formats', t => t.replace('create2-formats 2\n', ''), 'MISSING_ITEM'],
    ['create2-formats second', t => t.replace(/^(.*\n)(.*\n)/, '$2$1'), 'BAD_SYNTAX'],
    ['create2-formats without ntor', t => t.replace('formats 2', 'formats 1 3'), 'BAD_LAYER'],
    ['create2-formats that are no numbers', t => t.replace('formats 2', 'formats 2 x'), 'BAD_INTEGER'],
    ['create2-formats beyond two bytes', t => t.replace('formats 2', 'formats 2 65536'), 'BAD_INTEGER'],
    ['create2-formats with a leading zero', t => t.replace('formats 2', 'formats 02 2'), 'BAD_INTEGER'],
    ['unknown authentication only', t => t.replace('\n', '\nintro-auth-required other\n'), 'BAD_LAYER'],
    [
      'unknown authentication first',
      t => t.replace('\n', '\nintro-auth-required other ed25519\n'),
      'BAD_LAYER',
    ],
    ['single-onion-service twice', t => t.replace('flow', 'single-onion-service\nflow'), 'DUPLICATE_ITEM'],
    ['flow-control twice', t => t.replace('caa', 'flow-control 1-2 31\ncaa'), 'DUPLICATE_ITEM'],
    ['flow-control without increment', t => t.replace('1-2 31', '1-2'), 'BAD_SYNTAX'],
    ['flow-control of 0', t => t.replace('1-2 31', '1-2 0'), 'BAD_SYNTAX'],
    ['flow-control of 256', t => t.replace('1-2 31', '1-2 256'), 'BAD_INTEGER'],
    ['flow-control of no versions', t => t.replace('1-2 31', 'x 31'), 'BAD_SYNTAX'],
    ['pow-params without type', pow('pow-params'), 'BAD_SYNTAX'],
    ['pow-params without time', pow(`pow-params v1 ${SEED}= 1`), 'MISSING_ITEM'],
    [
      'pow-params twice',
      pow(`pow-params v1 ${SEED}= 1 2026-01-01T00:00:00\n`.repeat(2).trimEnd()),
      'DUPLICATE_ITEM',
    ],
    ['pow-params with a short seed', pow('pow-params v1 AAAA 1 2026-01-01T00:00:00'), 'BAD_SYNTAX'],
    ['pow-params on a day that is none', pow(`pow-params v1 ${SEED}= 1 2026-02-29T00:00:00`), 'BAD_SYNTAX'],
    [
      'pow-params beyond 32 bits',
      pow(`pow-params v1 ${SEED}= 4294967296 2026-01-01T00:00:00`),
      'BAD_INTEGER',
    ],
    ['caa without value', t => t.replace(/caa 0 iodef.*/, 'caa 0 iodef'), 'BAD_SYNTAX'],
    ['caa with flags beyond a byte', t => t.replace('caa 0', 'caa 256'), 'BAD_INTEGER'],
    ['caa with a bare value of two words', t => t.replace(/caa 0 iodef.*/, 'caa 0 iodef a b'), 'BAD_SYNTAX'],
    ['a line of a section in the head', t => t.replace('flow', 'enc-key ntor x\nflow'), 'BAD_SYNTAX'],
    ['a line of the head in a section', t => `${t}caa 0 issue "x"\n`, 'BAD_SYNTAX'],
    [
      'an introduction point without argument',
      t => t.replace(/introduction-point .*/, 'introduction-point'),
      'BAD_SYNTAX',
    ],
    ['a NUL at the end', t => `${t}\0`, 'BAD_SYNTAX'],
  ])('%s is refused', (_, change, code) => {
    expect(change(inner)).not.toBe(inner);
    expectRefusal(code, () => read(change(inner)));
  });

  test('neither pow-params nor intro-auth-required is written: the types have no place for them', () => {
    const powParams = { type: 'v1', seed: new Uint8Array(32), suggestedEffort: 1, expires: 0 } as const;
    // @ts-expect-error a puzzle binds to the key of one service
    expectRefusal('BAD_LAYER', () => encodeInnerLayer({ ...layer, powParams }));
    // @ts-expect-error no client implements it
    expectRefusal('BAD_LAYER', () => encodeInnerLayer({ ...layer, introAuthRequired: ['ed25519'] }));
    const nothing = { ...layer, powParams: undefined, introAuthRequired: undefined };
    expect(encodeInnerLayer(nothing)).toEqual(encodeInnerLayer(layer));
  });

  test('any formats are written and read back, ntor among them', () => {
    const formats = fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 5 });
    fc.assert(
      fc.property(formats, formats, (before, after) => {
        const create2Formats = [...before, 2, ...after];
        const text = encodeInnerLayer({ ...layer, create2Formats });
        expect(parseInnerLayer(text).create2Formats).toEqual(create2Formats);
      }),
    );
  });

  test.each([1, 255])('an increment of %i is read and written', sendmeInc => {
    const flowControl = { versions: '1', sendmeInc };
    expect(parseInnerLayer(encodeInnerLayer({ ...layer, flowControl })).flowControl).toEqual(flowControl);
  });

  test.each([0, 255])('CAA flags of %i and the shortest and longest tag are read and written', flags => {
    const caa = [
      { flags, tag: 'x', value: '' },
      { flags, tag: 'x'.repeat(255), value: '~' },
    ];
    expect(parseInnerLayer(encodeInnerLayer({ ...layer, caa })).caa).toEqual(caa);
  });

  test.each<[string, Partial<InnerLayer>, DescriptorErrorCode]>([
    ['formats without ntor', { create2Formats: [1] }, 'BAD_LAYER'],
    ['a format beyond two bytes', { create2Formats: [2, 65_536] }, 'BAD_SYNTAX'],
    ['a negative format', { create2Formats: [2, -1] }, 'BAD_SYNTAX'],
    ['a broken format', { create2Formats: [2, 0.5] }, 'BAD_SYNTAX'],
    ['an increment of 256', { flowControl: { versions: '1', sendmeInc: 256 } }, 'BAD_SYNTAX'],
    ['a CAA tag of 256', { caa: [{ flags: 0, tag: 'x'.repeat(256), value: '' }] }, 'BAD_SYNTAX'],
    ['a CAA tag of none', { caa: [{ flags: 0, tag: '', value: '' }] }, 'BAD_SYNTAX'],
    [
      'another line in the versions of flow-control',
      { flowControl: { versions: '1 1\nx', sendmeInc: 1 } },
      'BAD_SYNTAX',
    ],
    ['an increment of 0', { flowControl: { versions: '1', sendmeInc: 0 } }, 'BAD_SYNTAX'],
    ['a quotation mark in a CAA value', { caa: [{ flags: 0, tag: 'issue', value: 'x"' }] }, 'BAD_SYNTAX'],
    ['another line in a CAA value', { caa: [{ flags: 0, tag: 'issue', value: 'x\ny' }] }, 'BAD_SYNTAX'],
    ['another line in a CAA tag', { caa: [{ flags: 0, tag: 'issue\n', value: 'x' }] }, 'BAD_SYNTAX'],
    ['CAA flags beyond a byte', { caa: [{ flags: 256, tag: 'issue', value: 'x' }] }, 'BAD_SYNTAX'],
    ['broken CAA flags', { caa: [{ flags: 0.5, tag: 'issue', value: 'x' }] }, 'BAD_SYNTAX'],
  ])('%s is never written', (_, change, code) => {
    expectRefusal(code, () => encodeInnerLayer({ ...layer, ...change }));
  });
});
