import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPolicy, parsePolicy } from '../../../src/signer/policy/load.ts';
import { failure } from '../failure.ts';
import { BACKENDS, MASTER, PUBLISHERS, load, loadOne, newService, serviceYaml } from './services.ts';

const CORPUS = join(import.meta.dirname, '../../corpus');

const refuses = (lines: string, head?: string) => failure(() => load(serviceYaml(lines, head)));

describe('a policy file', () => {
  it('needs a service, an address, publishers and backends; the rest has defaults', () => {
    const service = loadOne(serviceYaml());
    expect(service).toMatchObject({
      service: 'frontpage',
      address: MASTER.address,
      enabled: true,
      singleOnion: false,
      publishers: ['vps1'],
      limits: {
        minPoints: 3,
        maxPoints: 20,
        minBackends: 1,
        maxPointsPerBackend: 20,
        requestsPerHour: 60,
        pointSetsPerHour: 12,
      },
    });
    expect(service.backends.map(({ name, enabled }) => [name, enabled])).toEqual([
      ['torbox-1', true],
      ['torbox-2', true],
    ]);
    expect(
      Object.isFrozen(service) && Object.isFrozen(service.backends) && Object.isFrozen(service.limits),
    ).toBe(true);
  });

  it.each(['service', 'address', 'publishers', 'backends'])('is refused without %s', key => {
    const text = serviceYaml()
      .split('\n')
      .filter(line => !line.startsWith(`${key}:`))
      .join('\n');
    const error = failure(() => load(text));
    expect(error).toMatchObject({ code: 'MISSING_KEY', file: 'policy-0.yaml' });
    expect(error.message).toContain(`\`${key}:`);
  });

  it('takes limits with their units and both ends of every bound', () => {
    const service = loadOne(
      serviceYaml(
        'limits: { min_backends: 2, points: 1..20, points_per_backend: 10, requests: 3600/h, point_sets: 3600/h }\n',
      ),
    );
    expect(service.limits).toEqual({
      minPoints: 1,
      maxPoints: 20,
      minBackends: 2,
      maxPointsPerBackend: 10,
      requestsPerHour: 3600,
      pointSetsPerHour: 3600,
    });
    expect(loadOne(serviceYaml('limits: { requests: 1/h, points: 20..20 }\n')).limits.minPoints).toBe(20);
  });

  it.each([
    'limits: { points: 0..20 }',
    'limits: { point_sets: 0/h }',
    'limits: { point_sets: 3601/h }',
    'limits: { points: 3..21 }',
    'limits: { points: 4..3 }',
    'limits: { points: 3-20 }',
    'limits: { points: 3 }',
    'limits: { points: 03..20 }',
    'limits: { min_backends: 0 }',
    'limits: { min_backends: 21 }',
    'limits: { min_backends: 1.5 }',
    'limits: { min_backends: "1" }',
    'limits: { min_backends: 3 }',
    'limits: { min_backends: 2, points: 1..1 }',
    'limits: { points_per_backend: 0 }',
    'limits: { points_per_backend: 1, points: 3..20 }',
    'limits: { requests: 60 }',
    'limits: { requests: 0/h }',
    'limits: { requests: 3601/h }',
    'limits: { requests: 60/d }',
    'limits: []',
    'enabled: yes',
    'enabled: "true"',
    'enabled: True',
    'single_onion: 0',
    'enabled:',
  ])('is refused with %s', lines => {
    expect(loadOne(serviceYaml('enabled: true\nlimits: { points: 3..20 }')).enabled).toBe(true);
    expect(['BAD_VALUE', 'YAML_SYNTAX']).toContain(refuses(`${lines}\n`).code);
  });

  it('may disable a backend, which then counts for no limit', () => {
    const text = serviceYaml().replace(/torbox-2: (\S+)/, 'torbox-2: { address: $1, enabled: false }');
    expect(loadOne(text).backends.map(({ enabled }) => enabled)).toEqual([true, false]);
    const limit = 'limits: { min_backends: 2 }\n';
    expect(loadOne(serviceYaml(limit)).limits.minBackends).toBe(2);
    expect(failure(() => load(text + limit)).code).toBe('BAD_VALUE');
    expect(loadOne(`${text}${limit}enabled: false\n`).enabled).toBe(false);
  });

  it('names file, line, column and the right word for an unknown key', () => {
    const error = refuses('enabld: true\n');
    expect(error).toMatchObject({ code: 'UNKNOWN_KEY', file: 'policy-0.yaml', line: 5, column: 1 });
    expect(error.message).toBe('policy-0.yaml:5:1: `enabld` is not known here; write `enabled`');
    expect(refuses('limits: { point: 3..20 }\n')).toMatchObject({ code: 'UNKNOWN_KEY', line: 5, column: 11 });
    expect(refuses('backend_list: x\n').message).toContain('a policy may have `service`, `address`');
  });

  it('repeats no address in a message', () => {
    const stranger = newService().address;
    for (const lines of [
      `${stranger}: true\n`,
      `limits: { ${stranger}: 1 }\n`,
      `single_onion: ${stranger}\n`,
    ]) {
      expect(refuses(lines).message).not.toContain(stranger.slice(0, 56));
    }
  });

  it.each([
    [
      'a wrong checksum',
      (a: string) =>
        a[52] === 'a' ? `${a.slice(0, 52)}b${a.slice(53)}` : `${a.slice(0, 52)}a${a.slice(53)}`,
    ],
    ['a short address', (a: string) => a.slice(1)],
    ['a version-2 address', () => 'expyuzz4wqqyqhjn.onion'],
    ['a subdomain', (a: string) => `www.${a}`],
    ['a list', (a: string) => `[${a}]`],
  ])('is refused with %s, as its own address or as a backend', (_, change) => {
    const head = `service: frontpage\naddress: ${change(MASTER.address)}\n`;
    expect(failure(() => load(serviceYaml('', head)))).toMatchObject({
      code: 'BAD_VALUE',
      line: 2,
      column: 10,
    });
    const backend = BACKENDS[0]!.address;
    const text = serviceYaml().replace(backend, change(backend));
    expect(failure(() => load(text))).toMatchObject({ code: 'BAD_VALUE', line: 4 });
  });

  it('takes no backend whose key anybody could sign for: BACKEND-KEY', () => {
    const [good, bad] = [BACKENDS[0]!.address, (name: string) => readFileSync(join(CORPUS, name), 'utf8')];
    for (const name of ['address-small-order.txt', 'address-torsion.txt']) {
      const error = failure(() => load(serviceYaml().replace(good, bad(name))));
      expect(error).toMatchObject({ code: 'BACKEND-KEY', line: 4 });
    }
    expect(load(serviceYaml().replace(good, bad('address-plain.txt'))).services).toHaveLength(1);
  });

  it.each(['Torbox', 'tor_box', '"tor box"', 'a-'])('is refused with the backend name %s', name => {
    expect(failure(() => load(serviceYaml().replace('torbox-1', name)))).toMatchObject({
      code: 'BAD_VALUE',
      line: 4,
    });
  });

  it('names each backend address and each publisher once', () => {
    const [first, second] = BACKENDS.map(({ address }) => address);
    expect(failure(() => load(serviceYaml().replace(second!, first!))).code).toBe('BAD_VALUE');
    expect(loadOne(serviceYaml().replace('[vps1]', '[vps2, vps1]')).publishers).toEqual(['vps1', 'vps2']);
    expect(failure(() => load(serviceYaml().replace('[vps1]', '[vps1, vps1]'))).code).toBe('BAD_VALUE');
    expect(failure(() => load(serviceYaml().replace('[vps1]', '[]'))).code).toBe('BAD_VALUE');
    expect(failure(() => load(serviceYaml().replace('[vps1]', 'vps1'))).code).toBe('BAD_VALUE');
  });
});

describe('_defaults.yaml', () => {
  const defaults = (text: string) => ({ name: '/etc/policies/_defaults.yaml', text });

  it('stands under every service, limits one by one', () => {
    const text = serviceYaml('limits: { requests: 9/h }\n').replace('publishers: [vps1]\n', '');
    const service = loadOne(text, defaults('publishers: [vps2]\nlimits: { points: 2..4, requests: 7/h }\n'));
    expect(service.publishers).toEqual(['vps2']);
    expect(service.limits).toMatchObject({ minPoints: 2, maxPoints: 4, requestsPerHour: 9 });
    expect(loadOne(serviceYaml(), defaults('publishers: [vps2]\n')).publishers).toEqual(['vps1']);
  });

  it.each(['service: a', 'address: a', 'backends: {}'])('must not have %s', line => {
    expect(failure(() => load(serviceYaml(), defaults(`${line}\n`))).code).toBe('UNKNOWN_KEY');
  });
});

describe('the policies together', () => {
  const [, , third, fourth] = BACKENDS;
  const other = newService();
  const second = (service = 'archive', address = other.address, backend = third!.address): string =>
    `service: ${service}\naddress: ${address}\npublishers: [vps2]\nbackends: { b: ${backend} }\n`;

  it('are sorted by alias', () => {
    expect(load(serviceYaml(), second()).services.map(({ service }) => service)).toEqual([
      'archive',
      'frontpage',
    ]);
  });

  it('name each service and each address once', () => {
    expect(failure(() => load(serviceYaml(), second('frontpage')))).toMatchObject({
      code: 'POLICY_DUPLICATE',
      file: 'policy-1.yaml',
      line: 1,
    });
    const same = MASTER.address.replace('.onion', '');
    expect(failure(() => load(serviceYaml(), second('archive', same)))).toMatchObject({
      code: 'POLICY_DUPLICATE',
      line: 2,
    });
  });

  it('name no identity of this signer as a backend: BACKEND-NOT-OURS', () => {
    expect(
      failure(() => load(serviceYaml(), second('archive', other.address, MASTER.address))),
    ).toMatchObject({
      code: 'BACKEND-NOT-OURS',
      file: 'policy-1.yaml',
      line: 4,
    });
    expect(failure(() => load(second('archive', other.address, other.address))).code).toBe(
      'BACKEND-NOT-OURS',
    );
    const files = [{ name: 'a.yaml', text: second() }];
    expect(
      parsePolicy(files, { publishers: PUBLISHERS, held: new Set([fourth!.address]) }).services,
    ).toHaveLength(1);
    const held = new Set([third!.address]);
    expect(failure(() => parsePolicy(files, { publishers: PUBLISHERS, held })).code).toBe('BACKEND-NOT-OURS');
  });

  it('share no backend: BACKEND-EXCLUSIVE', () => {
    expect(load(serviceYaml(), second()).services).toHaveLength(2);
    const shared = second('archive', other.address, BACKENDS[0]!.address);
    expect(failure(() => load(serviceYaml(), shared))).toMatchObject({ code: 'BACKEND-EXCLUSIVE', line: 4 });
  });

  it('name only publishers of signer.yaml', () => {
    expect(failure(() => load(serviceYaml().replace('[vps1]', '[vps1, vps3]')))).toMatchObject({
      code: 'POLICY_PUBLISHER',
      line: 3,
    });
  });

  it('are at least one', () => {
    expect(failure(() => load({ name: '_defaults.yaml', text: 'enabled: true\n' })).code).toBe(
      'POLICY_EMPTY',
    );
  });
});

describe('the directory of policies', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'policies-'));
    writeFileSync(join(directory, 'frontpage.yaml'), serviceYaml());
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const loadDirectory = () => loadPolicy(directory, { publishers: PUBLISHERS });

  it('is read with its *.yaml files and no others', () => {
    writeFileSync(join(directory, 'frontpage.yaml~'), 'x');
    writeFileSync(join(directory, 'README'), 'x');
    writeFileSync(join(directory, '.hidden.yaml'), 'x');
    writeFileSync(join(directory, '_defaults.yaml'), 'limits: { requests: 5/h }\n');
    expect(loadDirectory().services.map(({ limits }) => limits.requestsPerHour)).toEqual([5]);
  });

  it('must not have links, directories or other bytes under a policy name', () => {
    const path = join(directory, 'other.yaml');
    symlinkSync(join(directory, 'frontpage.yaml'), path);
    expect(failure(loadDirectory)).toMatchObject({ code: 'FILE_UNREADABLE', file: path });
    rmSync(path);
    mkdirSync(path);
    expect(failure(loadDirectory).code).toBe('FILE_UNREADABLE');
    rmSync(path, { recursive: true });
    writeFileSync(path, Uint8Array.of(0x61, 0x3a, 0x20, 0xff));
    expect(failure(loadDirectory).code).toBe('YAML_SYNTAX');
    rmSync(path);
    expect(loadDirectory().services).toHaveLength(1);
  });

  it('must be written by nobody else: FILE_MODE', () => {
    chmodSync(join(directory, 'frontpage.yaml'), 0o666);
    expect(failure(loadDirectory).code).toBe('FILE_MODE');
  });

  it('must exist', () => {
    expect(failure(() => loadPolicy(join(directory, 'none'), { publishers: PUBLISHERS })).code).toBe(
      'FILE_UNREADABLE',
    );
  });
});
