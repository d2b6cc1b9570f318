import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderTokens } from '../scripts/tokens/page.ts';
import { readProbe } from '../scripts/tokens/read.ts';
import { TokenProbeSchema } from '../src/signer/contract/token-probe.ts';

const DOCS = path.join(path.dirname(import.meta.dirname), 'docs');
const read = (name: string): string => readFileSync(path.join(DOCS, name), 'utf8');
const files = readdirSync(path.join(DOCS, 'probes')).sort();

describe('the page of tokens', () => {
  const probes = files.map(file => ({ file, probe: readProbe(read(path.join('probes', file))) }));

  test('is what `npm run tokens` makes of the submitted probes', () => {
    expect(files).toContain('softhsm-2.6.1.json');
    expect(read('tokens.md')).toBe(renderTokens(probes));
    expect(JSON.parse(read('probe.schema.json'))).toEqual(JSON.parse(JSON.stringify(TokenProbeSchema)));
  });

  test('calls no token tried that was not, and names a source for each other one', () => {
    const [tried = '', untried = ''] = renderTokens(probes).split('## Documented by makers, not tried by us');
    expect(tried.match(/^### /gmu)).toHaveLength(files.length);
    const rows = untried.split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| token |'));
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) if (!row.startsWith('| --- |')) expect(row).toMatch(/\[1\]\(https:\/\//u);
  });

  test('holds no markup of a token, and refuses what is no probe', () => {
    const [first] = probes;
    if (first === undefined) throw new Error('no probe was submitted');
    const token = { ...first.probe.token, model: '<b>|[x](http://y)' };
    expect(renderTokens([{ ...first, probe: { ...first.probe, token } }])).not.toMatch(/<b>|\[x\]/u);
    const text = JSON.stringify(first.probe);
    expect(readProbe(text)).toEqual(first.probe);
    for (const bad of ['{}', text.replace('"format":1', '"format":2'), text.replace('"works"', '"worked"')])
      expect(() => readProbe(bad)).toThrow(SyntaxError);
  });
});
