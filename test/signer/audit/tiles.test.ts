import { describe, expect, test } from 'vitest';
import { encodeBundle, parseBundle } from '../../../src/signer/audit/source.ts';
import { TileWriter, tilePath } from '../../../src/signer/audit/tiles.ts';
import { leafHash, rootOf } from '../../../src/signer/contract/log-proof.ts';
import { failure } from '../failure.ts';

// Examples and numbers are those of c2sp.org/tlog-tiles.
describe('tiles', () => {
  test('have the paths of the specification', () => {
    expect(tilePath(0, 1_234_067, 256)).toBe('tile/0/x001/x234/067');
    expect(tilePath('entries', 0, 3)).toBe('tile/entries/000.p/3');
    expect(tilePath(1, 1000, 256)).toBe('tile/1/x001/000');
  });

  test('are as many as the specification says for 70,000 entries', () => {
    const entry = Uint8Array.of(1);
    const leaf = leafHash(entry);
    const writer = new TileWriter();
    const files: { path: string; bytes: Uint8Array }[] = [];
    for (let at = 0; at < 70_000; at += 256) {
      const width = Math.min(256, 70_000 - at);
      const fill = <T>(value: T): T[] => Array.from({ length: width }, () => value);
      files.push(...writer.add(fill(entry), fill(leaf)));
    }
    files.push(...writer.end());
    const paths = files.map(({ path }) => path);
    const count = (pattern: RegExp): number => paths.filter(path => pattern.test(path)).length;
    expect(count(/^tile\/entries\//)).toBe(274);
    expect(count(/^tile\/0\/[^.]*$/)).toBe(273);
    expect(paths.filter(path => /^tile\/\d.*\.p\//.test(path))).toEqual([
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
    const full = rootOf(Array.from({ length: 256 }, () => leaf));
    const level1 = files.find(({ path }) => path === 'tile/1/000');
    expect(level1?.bytes).toEqual(Buffer.concat(Array.from({ length: 256 }, () => full)));
  });
});

describe('a bundle of entries', () => {
  const entries = [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(0xffff)];

  test('reads back as it was written, and is refused when it was cut or is too long', () => {
    const bytes = encodeBundle(entries);
    expect(parseBundle(bytes)).toEqual(entries.map(each => Buffer.from(each)));
    expect(failure(() => parseBundle(bytes.subarray(0, -1))).code).toBe('AUDIT_SOURCE');
    expect(failure(() => parseBundle(Buffer.concat([bytes, Buffer.of(0)]))).code).toBe('AUDIT_SOURCE');
    expect(parseBundle(new Uint8Array(2 * 256))).toHaveLength(256);
    expect(failure(() => parseBundle(new Uint8Array(2 * 257))).code).toBe('AUDIT_SOURCE');
    expect(failure(() => encodeBundle([new Uint8Array(0x1_0000)])).code).toBe('JOURNAL_ENTRY');
  });
});
