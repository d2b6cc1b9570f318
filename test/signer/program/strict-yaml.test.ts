import { describe, expect, it } from 'vitest';
import { failure } from '../failure.ts';
import { load, loadOne, serviceYaml } from '../policy/services.ts';

describe('the YAML of a policy', () => {
  it.each([
    ['an anchor', serviceYaml('limits: &a { points: 3..20 }\n'), 'YAML_SUBSET'],
    ['an alias', serviceYaml('enabled: &a true\nsingle_onion: *a\n'), 'YAML_SUBSET'],
    ['a key with an anchor', serviceYaml('&a enabled: true\n'), 'YAML_SUBSET'],
    ['a merge key', serviceYaml('<<: { enabled: true }\n'), 'YAML_SUBSET'],
    ['a tag', serviceYaml('enabled: !!bool true\n'), 'YAML_SUBSET'],
    ['a tag that says what is implied', serviceYaml('enabled: !!str true\n'), 'YAML_SUBSET'],
    ['a foreign tag', serviceYaml('enabled: !x true\n'), 'YAML_SUBSET'],
    ['two documents', `${serviceYaml()}---\na: b\n`, 'YAML_SUBSET'],
    ['a document mark', `---\n${serviceYaml()}`, 'YAML_SUBSET'],
    ['a directive', `%YAML 1.1\n---\n${serviceYaml()}`, 'YAML_SUBSET'],
    ['a list as key', serviceYaml('? [a]\n: b\n'), 'YAML_SUBSET'],
    ['a duplicate key', serviceYaml('enabled: true\nenabled: true\n'), 'DUPLICATE_KEY'],
    ['a duplicate key below', serviceYaml('limits: { points: 3..20, "points": 3..20 }\n'), 'DUPLICATE_KEY'],
    ['an open bracket', serviceYaml('limits: { points: 3..20\n'), 'YAML_SYNTAX'],
    ['a tab as indentation', serviceYaml('limits:\n\tpoints: 3..20\n'), 'YAML_SYNTAX'],
    ['a list at the top', '- a\n', 'YAML_SYNTAX'],
    ['nothing', '', 'YAML_SYNTAX'],
    ['a comment alone', '# nothing\n', 'YAML_SYNTAX'],
    ['too much', `# ${'x'.repeat(1_048_576)}\n${serviceYaml()}`, 'YAML_SYNTAX'],
    ['too many levels', serviceYaml(`limits: ${'['.repeat(12)}${']'.repeat(12)}\n`), 'YAML_SUBSET'],
    ['lists in a list without end', serviceYaml(`limits:\n  ${'- '.repeat(400_000)}x\n`), 'YAML_SUBSET'],
    ['brackets without end', serviceYaml(`limits: ${'[{a: '.repeat(100_000)}\n`), 'YAML_SUBSET'],
    ['keys without end', serviceYaml(`limits:\n  ${'? '.repeat(400_000)}x\n`), 'YAML_SUBSET'],
  ])('must not have %s', (_, text, code) => {
    const error = failure(() => load(text));
    expect(error.code).toBe(code);
    expect(error.line).toBeGreaterThan(0);
    expect(error.message.startsWith('policy-0.yaml:')).toBe(true);
  });

  it('may have brackets and marks in any number that are text or stand beside one another', () => {
    const marks = '[{- '.repeat(100);
    const quoted = `# ${marks}\nlimits: { points: "${marks}" }\n`;
    expect(failure(() => load(serviceYaml(quoted))).code).toBe('BAD_VALUE');
    const wide = `[${Array.from({ length: 60 }, (_, i) => `p${i}`).join(', ')}, [a]]`;
    expect(failure(() => load(serviceYaml(`limits: { points: ${wide} }\n`))).code).toBe('BAD_VALUE');
  });

  it('may have comments, quotes and block style', () => {
    const text = `# the front page\n${serviceYaml('limits:\n  points: "3..20" # quoted\n  requests: 60/h\n')}`;
    expect(loadOne(text).limits.maxPoints).toBe(20);
  });

  it('says how a range and a value are written', () => {
    for (const range of ['20..3', '5..30', '0..3'])
      expect(failure(() => load(serviceYaml(`limits: { points: ${range} }\n`))).message).toMatch(
        /write `points` as a range such as 1\.\.20: lower bound first, at least 1, at most 20$/u,
      );
    const flat = serviceYaml().replace(/backends: \{ (\S+ \S+),.*/u, 'backends:\n$1');
    expect(failure(() => load(flat))).toMatchObject({ code: 'YAML_SYNTAX', line: 4 });
    expect(failure(() => load(flat)).message).toContain('or indent the lines below it');
    expect(load(flat.replace('\ntorbox', '\n  torbox')).services).toHaveLength(1);
  });
});
