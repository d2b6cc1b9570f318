import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { allFaults } from '../../../src/signer/policy/all-faults.ts';
import { loadPolicy, mistakableNames } from '../../../src/signer/policy/load.ts';
import { failure } from '../failure.ts';
import { BACKENDS, newService, PUBLISHERS, serviceYaml } from './services.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'faults-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const options = { publishers: PUBLISHERS };
/** Writes the files and gives code, file and line of each fault. */
function faultsOf(files: Readonly<Record<string, string>>): unknown[] {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return allFaults(folder, options).map(({ code, file = '', line }) => [code, basename(file), line]);
}
const other = (lines = '', backend = 2): string =>
  `service: wiki\naddress: ${newService().address}\nbackends: { box-1: ${BACKENDS[backend]?.address} }\n${lines}`;

test('there is none where loading finds none', () => {
  expect(faultsOf({ 'a.yaml': serviceYaml(), 'b.yaml': other('publishers: [vps2]\n') })).toEqual([]);
  expect(loadPolicy(folder, options).services).toHaveLength(2);
});

test('all of all files are found, in their order; the first of loading is one of them', () => {
  const faults = faultsOf({
    '_administrators.yaml': 'threshold: 1\nadministrators: {}\n',
    '_retired.yaml': `retired: { old: ${BACKENDS[1]?.address} }\n`,
    'a.yaml': serviceYaml('enabld: true\nlimits: { points: 20..3, requests: 5, min_backends: 3 }\n'),
    'b.yaml': other('publishers: [vps9]\n'),
    'c.yaml': 'a: [\n',
    'd.yaml': other('publishers: [vps1]\nsingle_onion: yes\n', 3),
  });
  expect(faults).toEqual([
    ['BAD_VALUE', '_administrators.yaml', 2],
    ['BACKEND-RETIRED', 'a.yaml', 4],
    ['UNKNOWN_KEY', 'a.yaml', 5],
    ['BAD_VALUE', 'a.yaml', 6],
    ['BAD_VALUE', 'a.yaml', 6],
    ['BAD_VALUE', 'a.yaml', 6],
    ['POLICY_PUBLISHER', 'b.yaml', 4],
    ['YAML_SYNTAX', 'c.yaml', 2],
    ['BAD_VALUE', 'd.yaml', 5],
  ]);
  const first = failure(() => loadPolicy(folder, options));
  expect(faults).toContainEqual([first.code, basename(first.file ?? ''), first.line]);
});

test('a service that does not go with another is one fault, and what is beside them is judged', () => {
  const [a, b] = [serviceYaml(), other('publishers: [vps1]\n', 0)];
  expect(faultsOf({ 'a.yaml': a, 'b.yaml': b, 'c.yaml': 'x: y\n' })).toEqual([
    ['BACKEND-EXCLUSIVE', 'b.yaml', 3],
    ['UNKNOWN_KEY', 'c.yaml', 1],
    ['MISSING_KEY', 'c.yaml', 1],
  ]);
});

test('nothing is made up of defaults that are refused or cannot be read', () => {
  expect(faultsOf({ '_defaults.yaml': 'publishers: x\n', 'a.yaml': other(), 'b.yaml': 'a: [\n' })).toEqual([
    ['BAD_VALUE', '_defaults.yaml', 1],
    ['YAML_SYNTAX', 'b.yaml', 2],
  ]);
  rmSync(join(folder, '_defaults.yaml'));
  symlinkSync('a.yaml', join(folder, '_defaults.yaml'));
  expect(faultsOf({ 'b.yaml': serviceYaml() })).toEqual([['FILE_UNREADABLE', '_defaults.yaml', undefined]]);
  expect(failure(() => allFaults(join(folder, 'none'), options)).code).toBe('FILE_UNREADABLE');
});

test('a directory that others can write is one fault', () => {
  faultsOf({ 'a.yaml': serviceYaml(), 'b.yaml': other('publishers: [vps2]\n') });
  chmodSync(folder, 0o777);
  expect(faultsOf({})).toEqual([['FILE_MODE', basename(folder), undefined]]);
  chmodSync(folder, 0o700);
  expect(faultsOf({})).toEqual([]);
});

test('a name that somebody may take for a policy is told', () => {
  for (const name of ['a.yml', 'b.YAML', 'c.yaml', '.d.yml', 'README.md', 'e.yaml.old'])
    writeFileSync(join(folder, name), '');
  expect(mistakableNames(folder)).toEqual(['a.yml', 'b.YAML']);
});
