import { describe, expect, it } from 'vitest';
import { subjectOf } from '../../../src/signer/commands/explain.ts';
import { formatFile } from '../../../src/signer/commands/explain-text.ts';
import { explainFile, type FileExplanation } from '../../../src/signer/policy/explain-file.ts';
import { SHARED_VALUES } from '../../../src/signer/policy/explain-values.ts';
import { lonelyNotices } from '../../../src/signer/policy/explain-words.ts';
import type { PolicyFile } from '../../../src/signer/policy/load.ts';
import { LIMIT_KEYS, SHARED_KEYS } from '../../../src/signer/policy/read-service.ts';
import { RULE_REFERENCE } from '../../../src/signer/policy/reference/index.ts';
import { failure } from '../failure.ts';
import { softwareToken } from '../../ssh-keys.ts';
import { BACKENDS, load, MASTER, newService, PUBLISHERS, serviceYaml } from './services.ts';

const file = (text: string, name = 'frontpage.yaml'): PolicyFile => ({ name, text });
const explain = (text: string, ...others: PolicyFile[]): FileExplanation =>
  explainFile(file(text), others, { publishers: PUBLISHERS });

const DEFAULTS = file('single_onion: true\nlimits:\n  points: 4..9\n  requests: 7/h\n', '_defaults.yaml');
const [A, B, C] = BACKENDS.map(({ address }) => address);
const GROUP = [
  'publishers: [vps2]',
  'limits: { requests: 9/h }',
  'services:',
  '  frontpage:',
  `    address: ${MASTER.address}`,
  `    backends: { torbox-1: ${A}, torbox-2: ${B} }`,
  '    limits: { min_backends: 2 }',
  '  intake:',
  `    address: ${newService().address}`,
  `    backends: { desk-1: ${C} }`,
  '',
].join('\n');

describe('what is explained', () => {
  it.each([
    ['SIGN-RATE', 'rule'],
    ['sign-rate', 'rule'],
    ['HORIZON', 'rule'],
    ['frontpage.yaml', 'file'],
    ['./SIGN-RATE.yaml', 'file'],
    ['/a/b/request.json', 'request'],
    ['SIGN-RATE.json', 'request'],
  ])('%s is a %s by its ending alone', (name, kind) => {
    expect(subjectOf(name, {})).toEqual({ kind, name });
  });

  it.each(['frontpage', 'frontpage.yml', './SIGN-RATE', 'x.json.gz', '', '-', 'SIGN_RATE'])(
    '%j is none of them, or a rule that nobody knows',
    name => {
      const isWord = /^[a-z]+$/u.test(name);
      if (isWord) expect(subjectOf(name, {}).kind).toBe('rule');
      else expect(failure(() => subjectOf(name, {}))).toMatchObject({ code: 'NOT_FOUND' });
    },
  );

  it('asks by whom only of a request', () => {
    expect(subjectOf('a.json', { publisher: 'vps1' }).kind).toBe('request');
    for (const [name, publisher] of [
      ['a.yaml', 'vps1'],
      ['HORIZON', 'vps1'],
      ['a.json', 'a/b'],
    ] as const)
      expect(failure(() => subjectOf(name, { publisher }))).toMatchObject({ code: 'BAD_VALUE' });
  });
});

describe('a policy file that is explained', () => {
  it('names each value that holds, its rule, and where it came from', () => {
    const { problems, what, services } = explain(GROUP, DEFAULTS);
    expect([problems, what, services.map(({ service }) => service)]).toEqual([
      [],
      'group',
      ['frontpage', 'intake'],
    ]);
    const values = services.map(each => Object.fromEntries(each.values.map(value => [value.key, value])));
    expect(values[0]).toMatchObject({
      publishers: { value: 'vps2', from: 'group', place: 'frontpage.yaml:1', rule: 'PUBLISHER-SERVICE' },
      'limits.min_backends': { value: '2', from: 'service', place: 'frontpage.yaml:7', rule: 'MIN-BACKENDS' },
      'limits.requests': { value: '9/h', from: 'group', place: 'frontpage.yaml:2', rule: 'SIGN-RATE' },
      'limits.points': { value: '4..9', from: 'defaults', place: '_defaults.yaml:3', rule: 'POINT-COUNT' },
      'limits.point_sets': { value: '12/h', from: 'built in', place: undefined, rule: 'CONTENT-CHURN' },
      single_onion: { value: 'true', from: 'defaults', place: '_defaults.yaml:1', rule: 'SINGLE-ONION' },
    });
    expect(values[1]?.['limits.min_backends']).toMatchObject({ value: '1', from: 'built in' });
  });

  it('knows every key that the reader knows, and every rule that has one', () => {
    const heads = new Set(Object.keys(SHARED_VALUES).map(key => key.replace(/\..*/u, '')));
    expect([...heads].sort()).toEqual([...SHARED_KEYS].sort());
    const limits = Object.keys(SHARED_VALUES).filter(key => key.startsWith('limits.'));
    expect(limits.sort()).toEqual(LIMIT_KEYS.map(key => `limits.${key}`).sort());
    const parameters = RULE_REFERENCE.flatMap(({ parameter }) => parameter ?? []);
    expect(parameters.filter(key => !Object.hasOwn(SHARED_VALUES, key))).toEqual([
      'retired in _retired.yaml',
      'clients',
    ]);
  });

  it('says in words what it allows and refuses', () => {
    const text = serviceYaml(
      `clients: { alice: descriptor:x25519:jpw2s3nfqsrjls53m6rrswny3xwy7t432pr3zco4kvq5qkegc5eq }\n`,
    ).replace(/torbox-2: (\S+)/u, 'torbox-2: { address: $1, enabled: false }');
    const [service] = explain(text).services;
    expect(service?.allows.join('\n')).toMatch(
      /vps1 may ask, 60 times an hour\n.*3 to 20.*torbox-1 [^]*alice/u,
    );
    expect(service?.refuses.join('\n')).toMatch(/vps2: not named[^]*torbox-2: not enabled[^]*HORIZON/u);
    const [asleep] = explain(`${text}enabled: false\n`).services;
    expect([asleep?.allows, asleep?.refuses[0]]).toEqual([
      [],
      'everything: it answers as if it did not exist',
    ]);
  });

  it('says what would be refused at load, where, and what to write; as loading does', () => {
    const bad = serviceYaml('enabld: true\nlimits: { points: 3-20, requests: 5 }\nsingle_onion: yes\n');
    const { problems, services } = explain(bad);
    expect(problems.map(({ code, file: name, line }) => [code, name, line])).toEqual([
      ['UNKNOWN_KEY', 'frontpage.yaml', 5],
      ['BAD_VALUE', 'frontpage.yaml', 7],
      ['BAD_VALUE', 'frontpage.yaml', 6],
      ['BAD_VALUE', 'frontpage.yaml', 6],
    ]);
    expect(problems[0]?.message).toBe('frontpage.yaml:5:1: `enabld` is not known here; write `enabled`');
    expect(failure(() => load(file(bad)))).toMatchObject(problems[0] ?? {});
    expect(services.map(({ service }) => service)).toEqual(['frontpage']);
    expect(explain(serviceYaml()).problems).toEqual([]);
  });

  const told = (text: string) => {
    const { services, notJudged, problems } = explain(text);
    const [service] = services;
    const valueOf = (key: string) => service?.values.find(each => each.key === key)?.value;
    return { valueOf, allows: service?.allows.join('\n'), notJudged, problems: problems.length };
  };

  it('of a refused limit tells no value, and of the others those of the file', () => {
    const { valueOf, allows, notJudged, problems } = told(
      serviceYaml('limits: { min_backends: 3, requests: 30/h }\n'),
    );
    expect(problems).toBe(1);
    expect([valueOf('limits.requests'), valueOf('limits.points')]).toEqual(['30/h', '3..20']);
    expect([valueOf('limits.min_backends'), allows?.includes('are enough')]).toEqual([undefined, false]);
    expect(allows).toContain('30 times an hour');
    expect(notJudged).toEqual(['limits.min_backends: it is refused as it stands here']);
    const good = told(serviceYaml('limits: { min_backends: 2, requests: 30/h }\n'));
    expect([good.valueOf('limits.min_backends'), good.allows?.includes('are enough')]).toEqual(['2', true]);
    expect(good.notJudged).toEqual([]);
  });

  it('of refused limits, clients or state tells nothing that follows from them', () => {
    const limits = told(serviceYaml('limits: []\n'));
    expect(LIMIT_KEYS.map(key => limits.valueOf(`limits.${key}`))).toEqual(LIMIT_KEYS.map(() => undefined));
    expect(limits.allows).toBe('whoever knows the address reads it');
    expect(told(serviceYaml('clients: { alice: x }\n')).allows).not.toContain('reads it');
    expect(told(serviceYaml('enabled: no\n'))).toMatchObject({ allows: '', problems: 1 });
  });

  it('reads a misspelt key as what was meant, so that nothing follows from it', () => {
    const limit = told(serviceYaml('limits: { request: 30/h }\n'));
    expect([limit.problems, limit.valueOf('limits.requests'), limit.notJudged]).toEqual([1, '30/h', []]);
    expect(told(serviceYaml().replace('backends:', 'backend:')).problems).toBe(1);
    const twice = told(serviceYaml('enabled: false\nenabld: true\n'));
    expect([twice.problems, twice.valueOf('enabled')]).toEqual([1, 'false']);
    expect(told('services: x\n').problems).toBe(1);
  });

  it('tells of a service what stands above a refused value of its group', () => {
    const { problems, services } = explain(GROUP.replace('{ requests: 9/h }', '{ min_backends: x }'));
    const shown = services.map(({ values }) => values.map(({ key }) => key));
    expect(problems.map(({ line }) => line)).toEqual([2]);
    expect(shown.map(keys => keys.includes('limits.min_backends'))).toEqual([true, false]);
  });

  it('has one backend that published itself, and two that did so themselves', () => {
    const one = serviceYaml().replace(/torbox-2: (\S+)/u, 'torbox-2: { address: $1, enabled: false }');
    expect(told(one).allows).toContain('that torbox-1 published itself\n');
    expect(told(serviceYaml()).allows).toContain('torbox-1, torbox-2 published themselves\n');
  });

  it.each([
    ['no YAML', 'a: [', 'YAML_SYNTAX'],
    ['no address', serviceYaml().replace(/address.*\n/u, ''), 'MISSING_KEY'],
    ['a bad address', serviceYaml().replace('.onion\n', '.onio\n'), 'BAD_VALUE'],
    ['an unknown publisher', serviceYaml().replace('vps1', 'vps9'), 'POLICY_PUBLISHER'],
    ['a limit out of reach', serviceYaml('limits: { min_backends: 3 }\n'), 'BAD_VALUE'],
    ['limits of the defaults out of reach', serviceYaml(), 'BAD_VALUE', 'limits: { min_backends: 3 }\n'],
    ['defaults that cannot be read', serviceYaml(), 'UNKNOWN_KEY', 'service: x\n'],
  ])(
    'with %s has one problem, and no other that follows from it',
    (_, text, code, defaults = 'enabled: true\n') => {
      expect(explain(text, file(defaults, '_defaults.yaml')).problems.map(each => each.code)).toEqual([code]);
      expect(explain(serviceYaml()).problems).toEqual([]);
    },
  );

  it('drops a service of a group at fault, and explains the others', () => {
    const { problems, services } = explain(GROUP.replace(/ {4}address.*\n/u, ''), DEFAULTS);
    expect(problems.map(({ code, line }) => [code, line])).toEqual([['MISSING_KEY', 5]]);
    expect(services.map(({ service }) => service)).toEqual(['intake']);
    const both = explain(GROUP.replace('    limits: {', '    limit: {').replace(String(C), 'x'), DEFAULTS);
    expect(both.problems.map(({ code, line }) => [code, line])).toEqual([
      ['UNKNOWN_KEY', 7],
      ['BAD_VALUE', 10],
    ]);
    expect(both.services.map(({ service }) => service)).toEqual(['frontpage']);
  });

  it('is judged beside the other files, each alone', () => {
    const twice = explain(GROUP, DEFAULTS, file(serviceYaml('enabled: true\n'), 'other.yaml'));
    expect(twice.problems.map(({ code }) => code)).toEqual(['POLICY_DUPLICATE']);
    const broken = explain(GROUP, DEFAULTS, file('x: y\n', 'other.yaml'));
    expect(broken.problems).toEqual([]);
    expect(broken.notJudged.join()).toContain('other.yaml');
  });

  it('may be the defaults, which are explained alone', () => {
    const said = explainFile(DEFAULTS, [file(serviceYaml())], { publishers: PUBLISHERS });
    expect(said).toMatchObject({ what: 'defaults', problems: [], services: [] });
    expect(said.values.find(({ key }) => key === 'limits.points')).toMatchObject({
      value: '4..9',
      from: 'defaults',
    });
    expect(said.values.find(({ key }) => key === 'publishers')).toMatchObject({
      value: 'none',
      from: 'built in',
    });
    const bad = explainFile(file('address: x\n', '_defaults.yaml'), [], { publishers: PUBLISHERS });
    expect(bad).toMatchObject({ what: 'defaults', problems: [{ code: 'UNKNOWN_KEY', line: 1 }] });
  });

  it('is a page of short lines for people', () => {
    const text = formatFile(explain(GROUP, DEFAULTS));
    expect(text).toContain('frontpage.yaml: a group of services; would be taken\n');
    expect(text).toMatch(/limits\.points +4\.\.9 +the defaults, _defaults\.yaml:3, for POINT-COUNT\n/u);
    expect(formatFile(explain('x: y\n'))).toMatch(
      /would be refused\n {2}refused at load\n {4}UNKNOWN_KEY {2}/u,
    );
  });
});

it('a service with several backends of which one is enough gets a notice, others none', () => {
  const noticed = (text: string): number => lonelyNotices(load(text).services).length;
  expect(noticed(serviceYaml())).toBe(1);
  expect(noticed(serviceYaml('limits: { min_backends: 2 }\n'))).toBe(0);
  expect(noticed(serviceYaml('enabled: false\n'))).toBe(0);
  const one = serviceYaml().replace(/torbox-2: (\S+)/u, 'torbox-2: { address: $1, enabled: false }');
  expect(noticed(one)).toBe(0);
});

describe('a file that is about no service', () => {
  const beside = file(serviceYaml());
  const say = (name: string, text: string): FileExplanation =>
    explainFile(file(text, name), [beside], { publishers: PUBLISHERS });

  it('says who signs, with which key', () => {
    const { line } = softwareToken();
    const said = say('_administrators.yaml', `threshold: 1\nadministrators:\n  anna: ${line}\n`);
    expect([said.what, said.problems]).toEqual(['administrators', []]);
    expect(said.values.map(({ key, value, place }) => [key, value, place])).toEqual([
      [
        'administrators.anna',
        expect.stringMatching(/^sk-ssh-ed25519@openssh\.com SHA256:/u),
        '_administrators.yaml:3',
      ],
      ['threshold', '1 of 1', '_administrators.yaml:1'],
      ['threshold_loosening', '1 of 1', undefined],
    ]);
    expect(formatFile(said)).toMatch(
      /^_administrators\.yaml: who signs the policies that follow; would be taken\n[^]*threshold_loosening +1 of 1 +built in\n/u,
    );
    const bad = say('_administrators.yaml', `threshold: 2\nadministrators:\n  anna: ${line}\n`);
    expect([bad.what, bad.problems.map(({ code, line: at }) => [code, at])]).toEqual([
      'administrators',
      [['BAD_VALUE', 1]],
    ]);
  });

  it('says what never comes back, and who still has it', () => {
    const said = say(
      '_retired.yaml',
      `retired:\n  old: ${C}\n  lent: { address: ${MASTER.address}, may_return: true }\n`,
    );
    expect([said.what, said.problems]).toEqual(['retired', []]);
    expect(said.values.map(({ key, value, place, rule }) => [key, value, place, rule])).toEqual([
      ['retired.lent', `${MASTER.address}, may return`, '_retired.yaml:3', 'BACKEND-RETIRED'],
      ['retired.old', `${C}, never again`, '_retired.yaml:2', 'BACKEND-RETIRED'],
    ]);
    const [problem] = say('_retired.yaml', `retired: { old: ${A} }\n`).problems;
    expect(problem).toMatchObject({ code: 'BACKEND-RETIRED', file: 'frontpage.yaml', line: 4 });
  });
});
