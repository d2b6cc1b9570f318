import { describe, expect, it } from 'vitest';
import { difference } from '../../../src/signer/policy/difference.ts';
import { policyDigest } from '../../../src/signer/policy/types.ts';
import { failure } from '../failure.ts';
import { BACKENDS, load, MASTER, newService, serviceYaml } from './services.ts';

const OTHER = newService();
const [A, B, C] = BACKENDS.map(({ address }) => address);

/** Two services; `shared` stands above them, `own` in the first. */
const group = (shared = 'publishers: [vps1]\n', own = ''): string =>
  [
    `${shared}services:`,
    '  frontpage:',
    `    address: ${MASTER.address}`,
    `    backends: { torbox-1: ${A}, torbox-2: ${B} }`,
    ...(own === '' ? [] : [`    ${own}`]),
    '  intake:',
    `    address: ${OTHER.address}`,
    `    backends: { desk-1: ${C} }`,
    '',
  ].join('\n');

const intake = `service: intake\naddress: ${OTHER.address}\npublishers: [vps1]\nbackends: { desk-1: ${C} }\n`;

describe('a group', () => {
  it('is the same policy as one file for each of its services', () => {
    const [one, many] = [load(group()), load(serviceYaml(), intake)];
    expect(policyDigest(one)).toBe(policyDigest(many));
    expect(difference(one, many)).toEqual([]);
    expect(policyDigest(load(group('publishers: [vps2]\n')))).not.toBe(policyDigest(many));
  });

  it('stands over the defaults and below its services, limits one by one', () => {
    const defaults = {
      name: '_defaults.yaml',
      text: 'publishers: [vps2]\nsingle_onion: true\nlimits: { requests: 7/h, points: 4..9 }\n',
    };
    const shared = 'publishers: [vps1]\nlimits: { points: 5..8, points_per_backend: 8 }\n';
    const { services } = load(defaults, group(shared, 'limits: { points_per_backend: 3 }'));
    const limits = { minPoints: 5, maxPoints: 8, requestsPerHour: 7, pointSetsPerHour: 12 };
    expect(services).toMatchObject([
      { publishers: ['vps1'], singleOnion: true, limits: { ...limits, maxPointsPerBackend: 3 } },
      { publishers: ['vps1'], singleOnion: true, limits: { ...limits, maxPointsPerBackend: 8 } },
    ]);
  });

  it.each([
    ['servces', 'UNKNOWN_KEY', group().replace('services:', 'servces:'), 2, 1, '`services`'],
    ['a near miss above', 'UNKNOWN_KEY', group('publisher: [vps1]\n'), 1, 1, '`publishers`'],
    ['a near miss in a service', 'UNKNOWN_KEY', group(undefined, 'enabld: true'), 6, 5, '`enabled`'],
    ['an address above', 'UNKNOWN_KEY', group(`address: ${A}\n`), 1, 1, 'a group may have'],
    ['clients above', 'UNKNOWN_KEY', group('clients: {}\n'), 1, 1, 'a group may have'],
    ['an alias in a service', 'UNKNOWN_KEY', group(undefined, 'service: x'), 6, 5, 'not known'],
    ['both kinds', 'BAD_VALUE', group('service: frontpage\npublishers: [vps1]\n'), 4, 3, 'not both'],
    ['a bad name', 'BAD_VALUE', group().replace('frontpage', 'Front_Page'), 3, 3, 'name of a service'],
    ['a service twice', 'DUPLICATE_KEY', group().replace('intake', 'frontpage'), 6, 3, 'once'],
    ['a service without address', 'MISSING_KEY', group().replace(/ +address.*\n/, ''), 4, 5, '`address:`'],
    ['no publishers', 'MISSING_KEY', group(''), 3, 5, '`publishers: [NAME]`'],
    ['an unknown publisher', 'POLICY_PUBLISHER', group('publishers: [x]\n'), 1, 13, 'signer.yaml'],
    ['no service', 'BAD_VALUE', 'services: {}\n', 1, 11, '1 to 1000'],
    [
      'a limit that nothing meets',
      'BAD_VALUE',
      group(undefined, 'limits: { min_backends: 3 }'),
      6,
      29,
      'enable',
    ],
  ])('with %s is refused where it stands: %s', (_, code, text, line, column, words) => {
    expect(load(group()).services).toHaveLength(2);
    const error = failure(() => load(text));
    expect(error).toMatchObject({ code, file: 'policy-0.yaml', line, column });
    expect(error.message).toContain(words);
  });

  it('shares no alias, address or backend with another file', () => {
    expect(load(group(), { ...newFile('aside'), name: 'b.yaml' }).services).toHaveLength(3);
    const twice = (text: string): unknown => failure(() => load(group(), text));
    expect(twice(newFile('intake').text)).toMatchObject({
      code: 'POLICY_DUPLICATE',
      file: 'policy-1.yaml',
      line: 1,
    });
    const address = newFile('aside').text.replace(/address: \S+/u, `address: ${OTHER.address}`);
    expect(twice(address)).toMatchObject({ code: 'POLICY_DUPLICATE', file: 'policy-1.yaml', line: 2 });
    const backend = newFile('aside').text.replace(/far: \S+/u, `far: ${C}`);
    expect(twice(backend)).toMatchObject({ code: 'BACKEND-EXCLUSIVE', file: 'policy-1.yaml', line: 5 });
    const own = group().replace(String(C), MASTER.address);
    expect(failure(() => load(own))).toMatchObject({ code: 'BACKEND-NOT-OURS', line: 8 });
  });
});

function newFile(service: string): { name: string; text: string } {
  const head = `service: ${service}\naddress: ${newService().address}\npublishers: [vps1]\n`;
  return { name: `${service}.yaml`, text: `${head}backends:\n  far: ${newService().address}\n` };
}
