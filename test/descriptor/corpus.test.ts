import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { DESCRIPTOR_ERROR_CODES } from '../../src/descriptor/error.ts';
import { makeCorpus } from '../corpus-maker/corpus.ts';
import { type CorpusFile, type Group, fileOf } from '../corpus-maker/corpus-file.ts';
import { parseIndex } from '../corpus-maker/corpus-index.ts';
import { FIRST, verdictOf } from '../corpus-maker/corpus-readers.ts';
import { SMALL_ORDER } from '../corpus-maker/curve.ts';

const FOLDER = path.join(path.dirname(import.meta.dirname), 'corpus');
const read = (file: string): Uint8Array => new Uint8Array(readFileSync(path.join(FOLDER, file)));

const { keys, files } = parseIndex(Buffer.from(read('index.json')).toString());
const byName = new Map(files.map(entry => [entry.file, entry]));

/** No text of any format leads to it: it belongs to configuration. */
const NOT_BY_TEXT = ['BAD_PERIOD'];

test('making the corpus again gives the same bytes and no other file', { timeout: 600_000 }, () => {
  const made = makeCorpus();
  expect(made.faults).toEqual([]);
  expect(readdirSync(FOLDER).filter(name => name !== 'README.md')).toEqual([...made.files.keys()].sort());
  const changed = [...made.files].filter(([name, bytes]) => !Buffer.from(bytes).equals(read(name)));
  expect(changed.map(([name]) => name)).toEqual([]);
  expect(made.files.size).toBeGreaterThan(900);
});

test('a case whose file is judged otherwise is found while the corpus is made', () => {
  const group: Group = { format: 'hex', section: 'ours', control: 'good', ending: '.txt' };
  const of = (name: string, text: string, code?: 'BAD_HEX' | 'BAD_KEY'): CorpusFile =>
    fileOf(group, name, 'a case', Buffer.from(text), code && { code });
  expect(makeCorpus([of('good', '00'), of('bad', 'x', 'BAD_HEX')]).faults).toEqual([]);
  expect(makeCorpus([of('a', 'x'), of('b', '00', 'BAD_HEX'), of('c', 'x', 'BAD_KEY')]).faults).toHaveLength(
    3,
  );
  expect(makeCorpus([of('good', '00'), of('good', '01')]).faults).toHaveLength(1);
});

describe('the index', () => {
  const refused = files.filter(({ verdict }) => verdict === 'refused');

  test('has the verdict of the reader on every file: code, layer, line, offset', { timeout: 600_000 }, () => {
    const wrong = files.flatMap(({ file, format, control, shows, section, ...verdict }) => {
      const judged = verdictOf(FIRST[format], read(file), keys);
      return JSON.stringify({ file, format, ...judged }) === JSON.stringify({ file, format, ...verdict })
        ? []
        : [{ file, judged, verdict, control, shows, section }];
    });
    expect(wrong).toEqual([]);
  });

  test('names for each refused file a taken neighbour of the same format', () => {
    const lonely = refused.filter(({ file, format, control = '' }) => {
      const neighbour = byName.get(control);
      return neighbour?.verdict !== 'taken' || neighbour.format !== format || neighbour.file === file;
    });
    expect(lonely).toEqual([]);
    expect(files.length - refused.length).toBeGreaterThan(150);
  });

  test('reaches every code that a text can lead to', () => {
    const reached = new Set<string | undefined>(refused.map(({ code }) => code));
    expect(DESCRIPTOR_ERROR_CODES.filter(code => !reached.has(code))).toEqual(NOT_BY_TEXT);
  });

  test('says for each refused descriptor in which layer, and names no other layer', () => {
    const descriptors = refused.filter(({ format }) =>
      ['descriptor', 'hsdir', 'restricted'].includes(format),
    );
    expect(descriptors.filter(({ layer }) => layer === undefined)).toEqual([]);
    expect(new Set(descriptors.map(({ layer }) => layer))).toEqual(new Set(['outer', 'middle', 'inner']));
  });

  test('has with a line of the outer document an offset in that line: its beginning, or the byte at fault', () => {
    const placed = refused.filter(({ layer, line }) => layer === 'outer' && line !== undefined);
    const misplaced = placed.filter(({ file, code, line = 0, offset = -1 }) => {
      const bytes = Buffer.from(read(file));
      const lines = bytes.toString('latin1').split('\n');
      const begin = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
      const inLine = offset >= begin && offset <= begin + (lines[line - 1]?.length ?? 0);
      const byte = bytes[offset] ?? 0;
      const isByteAtFault = code === 'BAD_UTF8' || (code === 'BAD_SYNTAX' && (byte < 0x20 || byte === 0x7f));
      return !inLine || (offset !== begin && !isByteAtFault);
    });
    expect(misplaced).toEqual([]);
    expect(placed.length).toBeGreaterThan(60);
  });

  test('has line and offset for every fault of the text of a descriptor', () => {
    // Others are found later, by keys and hashes, or lie nowhere: what is missing, a MAC, the number of points.
    const codes = [
      'BAD_SYNTAX',
      'BAD_BASE64',
      'BAD_INTEGER',
      'BAD_UTF8',
      'DUPLICATE_ITEM',
      'UNKNOWN_VERSION',
    ];
    codes.push('BAD_LENGTH', 'BAD_POINT', 'BAD_LINK_SPECIFIER', 'TRAILING_DATA');
    const ofText = refused.filter(({ format, code = '' }) => format === 'descriptor' && codes.includes(code));
    const placeless = ofText.filter(({ line, offset }) => line === undefined || offset === undefined);
    expect(placeless.map(({ file, code }) => `${file} ${code}`)).toEqual([]);
    expect(ofText.length).toBeGreaterThan(250);
  });
});

test('the points of small order are the eight that there are', () => {
  expect(new Set(SMALL_ORDER.map(point => Buffer.from(point).toString('hex'))).size).toBe(8);
});
