import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inspectDescriptor } from '../../src/publisher/inspect.ts';
import { DIAGNOSIS_REASONS } from '../../src/publisher/inspect-diagnosis.ts';
import { INSPECT_CODES, REMARK_CODES } from '../../src/publisher/inspect-report.ts';
import { formatInspection } from '../../src/publisher/inspect-text.ts';

const DOCUMENT = readFileSync(new URL('../../docs/inspect.md', import.meta.url), 'utf8');
const [, CODES = ''] = DOCUMENT.split('\n## Codes\n');

/** The first column of the tables below `## Codes`, in their order. */
const tables = CODES.split(/^\| --- \| --- \|\n/mu)
  .slice(1)
  .map(table => [...table.matchAll(/^\| `([A-Z0-9_]+)` \| [^|]+ \|$/gmu)].map(([, code]) => code));

describe('The codes of inspect', () => {
  it.each(
    [
      ['findings', INSPECT_CODES],
      ['remarks', REMARK_CODES],
      ['reasons', DIAGNOSIS_REASONS],
    ].map(([name, codes], i) => [name, codes, tables[i]]),
  )('of %s stand in the document, these and no others.', (_, codes, documented) => {
    expect(documented).toEqual(codes);
  });

  it('stand in three tables.', () => {
    expect(tables).toHaveLength(3);
  });
});

describe('The text', () => {
  it('counts one mark as one.', () => {
    const text = readFileSync(new URL('../vectors/arti-hsdesc1.txt', import.meta.url));
    const report = inspectDescriptor(text, { now: Date.UTC(2023, 1, 11) / 1000 });
    expect(report.origin?.marks).toHaveLength(1);
    expect(formatInspection(report)).toContain(': 1 mark for it, 0 against\n');
  });
});
