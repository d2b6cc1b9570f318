import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSources } from '../setup/module-graph.ts';
import { hastyComparisons, looksAndBranches } from '../setup/secret-rules.ts';

const SOURCES = readSources(path.dirname(path.dirname(import.meta.dirname)), 'src/descriptor');

describe('bytes are compared', () => {
  test('by equalBytes, but for public ones in two places', () => {
    expect(hastyComparisons(SOURCES)).toEqual([
      // The two sides of the equation that a signature must fulfil.
      'src/descriptor/noble-verify.ts: noble.Point.BASE.multiply(s, false).equals(r.add(a.multiply(k, false)))',
      // What is read strictly is compared with how it would be written.
      'src/descriptor/text-encodings.ts: toHex(bytes) !== text',
    ]);
  });

  test.each([
    'toHex(mac) === toHex(other)',
    'other == toKey(mac)',
    'mac.toString() !== text',
    'mac.every((byte, at) => byte === other[at])',
    'mac.some((byte, at) => other[at] !== byte)',
    'Buffer.compare(mac, other)',
    'mac.equals(other)',
  ])('%s would be found', text => {
    expect(hastyComparisons(new Map([['a.ts', text]]))).toEqual([`a.ts: ${text}`]);
  });

  test.each([
    'equalBytes(mac, other)',
    'names.some(name => name === other)',
    'a === b',
    'toHex(a) + toHex(b)',
  ])('%s is none', text => {
    expect(hastyComparisons(new Map([['a.ts', text]]))).toEqual([]);
  });

  test('which looks at every byte, whatever it holds', () => {
    const text = SOURCES.get('src/descriptor/bytes.ts') ?? '';
    const start = text.indexOf('export function equalBytes');
    const body = text.slice(start, text.indexOf('\n}\n', start) + 3);
    expect(looksAndBranches('bytes.ts', body)).toEqual([
      'a.length !== b.length',
      'at < a.length',
      'a[at] ?? 0',
      'b[at] ?? 0',
    ]);
  });

  test.each([
    ['src/descriptor/layer-crypt.ts', 'equalBytes(mac,'],
    ['src/descriptor/client-auth.ts', 'equalBytes(clientId,'],
  ])('%s compares with %s', (file, text) => {
    expect(SOURCES.get(file)).toContain(text);
  });
});

describe('digits of a secret', () => {
  test('are looked up in no table, and no condition is on them', () => {
    const text = SOURCES.get('src/descriptor/secret-text.ts') ?? '';
    expect(looksAndBranches('secret-text.ts', text)).toEqual([
      'count >= 8',
      'out[at++]',
      // After the last digit, once: whether all were digits.
      'seen >= 0 && held === 0 && count < bits && at === out.length',
      'count >= bits',
      'out[at]',
      'count > 0',
      'out[at]',
    ]);
  });

  test.each([
    ['TABLE[digit]', 'TABLE[digit]'],
    ['if (digit < 3) f();', 'digit < 3'],
    ['digit > 3 ? 1 : 2', 'digit > 3'],
    ['while (digit) f();', 'digit'],
    ['digit > 3 && f();', 'digit > 3 && f()'],
  ])('%s would be found', (text, found) => {
    expect(looksAndBranches('a.ts', text)).toEqual([found]);
  });
});
