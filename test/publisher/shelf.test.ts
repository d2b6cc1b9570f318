import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolder, readSmallFile, replaceFile } from '../../src/publisher/durable-file.ts';
import { Shelf, type ShelfEntry } from '../../src/publisher/shelf.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shelf-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function entry(
  useFrom: number,
  more: { points?: string; periodNum?: number; variant?: number } = {},
): ShelfEntry {
  const { points = 'p', periodNum = 1, variant = 0 } = more;
  const period = { periodNum, lengthMinutes: 1440, offsetSeconds: 43_200 };
  return {
    descriptor: { period, variant, useFrom, revisionCounter: `${useFrom}`, text: `text ${useFrom}\n` },
    points,
    settings: 1,
    signedAt: 5,
  };
}

const nothing = (): boolean => false;
const times = (shelf: Shelf): number[] =>
  shelf.entries('frontpage').map(({ descriptor }) => descriptor.useFrom);

describe('The shelf', () => {
  it('keeps its texts over a restart, in order, readable for this user alone.', () => {
    const shelf = Shelf.open(folder);
    shelf.put('frontpage', [entry(30), entry(10), entry(5, { periodNum: 2 })], nothing);
    const again = Shelf.open(folder);
    expect(again.entries('frontpage')).toEqual([entry(10), entry(30), entry(5, { periodNum: 2 })]);
    expect(again.entries('other')).toEqual([]);
    expect(statSync(join(folder, 'shelf', 'frontpage.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'shelf')).mode & 0o777).toBe(0o700);
  });

  it('drops what a newer answer has overtaken, and keeps later texts with the same points.', () => {
    const shelf = Shelf.open(folder);
    shelf.put('frontpage', [entry(10), entry(20), entry(40)], nothing);
    shelf.put('frontpage', [entry(15), entry(30)], nothing);
    expect(times(shelf)).toEqual([15, 30, 40]);
  });

  it('drops every text with other points, but for those in use.', () => {
    const shelf = Shelf.open(folder);
    shelf.put('frontpage', [entry(10), entry(40)], nothing);
    shelf.put('frontpage', [entry(20, { points: 'q' })], ({ descriptor }) => descriptor.useFrom === 10);
    expect(times(shelf)).toEqual([10, 20]);
    expect(times(Shelf.open(folder))).toEqual([10, 20]);
  });

  it('keeps periods and variants apart.', () => {
    const shelf = Shelf.open(folder);
    shelf.put('frontpage', [entry(10), entry(10, { variant: 1 }), entry(10, { periodNum: 2 })], nothing);
    shelf.put('frontpage', [entry(20)], nothing);
    expect(shelf.entries('frontpage')).toEqual([
      entry(20),
      entry(10, { variant: 1 }),
      entry(10, { periodNum: 2 }),
    ]);
  });

  it('can be pruned and dropped.', () => {
    const shelf = Shelf.open(folder);
    shelf.put('frontpage', [entry(10), entry(20)], nothing);
    shelf.prune('frontpage', ({ descriptor }) => descriptor.useFrom > 10);
    expect(times(Shelf.open(folder))).toEqual([20]);
    shelf.drop('frontpage');
    expect(readdirSync(join(folder, 'shelf'))).toEqual([]);
    expect(times(shelf)).toEqual([]);
  });

  it('that is read only changes nothing on disk.', () => {
    Shelf.open(folder).put('frontpage', [entry(10)], nothing);
    const dry = Shelf.open(folder, { readOnly: true });
    dry.put('frontpage', [entry(20)], nothing);
    expect(times(dry)).toEqual([20]);
    expect(times(Shelf.open(folder))).toEqual([10]);
    dry.drop('frontpage');
    expect([times(dry), times(Shelf.open(folder))]).toEqual([[], [10]]);
  });

  it.each([
    ['not JSON', '{'],
    ['of another shape', '{"version":2,"entries":[{"text":1}]}'],
    ['of another version', '{"version":1,"entries":[]}'],
  ])('refuses a file that is %s, and takes a good one.', (_, content) => {
    openFolder(join(folder, 'shelf'));
    writeFileSync(join(folder, 'shelf', 'frontpage.json'), content);
    expect(() => Shelf.open(folder)).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }) as Error);
    writeFileSync(join(folder, 'shelf', 'frontpage.json'), '{"version":2,"entries":[]}');
    expect(Shelf.open(folder).entries('frontpage')).toEqual([]);
  });

  it('takes no service name that could be a path.', () => {
    expect(() => Shelf.open(folder).put('../x', [entry(1)], nothing)).toThrow(
      expect.objectContaining({ code: 'STATE_CORRUPT' }) as Error,
    );
    expect(readdirSync(folder)).toEqual(['shelf']);
  });
});

describe('A durable file', () => {
  it('is replaced whole and leaves no temporary file.', () => {
    const path = join(folder, 'file');
    replaceFile(path, 'first');
    replaceFile(path, 'second');
    expect(readFileSync(path, 'utf8')).toBe('second');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it('is undefined when missing and refused when too large or no file.', () => {
    replaceFile(join(folder, 'file'), '12345');
    expect(readSmallFile(join(folder, 'file'), 5)).toBe('12345');
    expect(readSmallFile(join(folder, 'none'), 5)).toBeUndefined();
    const corrupt = expect.objectContaining({ code: 'STATE_CORRUPT' }) as Error;
    expect(() => readSmallFile(join(folder, 'file'), 4)).toThrow(corrupt);
    expect(() => readSmallFile(folder, 4)).toThrow(corrupt);
  });

  it('lies in a folder that nobody else may write.', () => {
    openFolder(join(folder, 'mine'));
    chmodSync(join(folder, 'mine'), 0o770);
    expect(() => openFolder(join(folder, 'mine'))).toThrow(
      expect.objectContaining({ code: 'STATE_DIRECTORY' }) as Error,
    );
    chmodSync(join(folder, 'mine'), 0o750);
    expect(() => openFolder(join(folder, 'mine'))).not.toThrow();
  });
});
