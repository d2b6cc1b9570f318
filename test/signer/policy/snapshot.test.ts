import { describe, expect, it } from 'vitest';
import { LIST_LIMITS, encodeList, parseList, type KeyholderList } from '../../../src/pkcs11/list.ts';
import { TOR_NETWORK } from '../../../src/descriptor/index.ts';
import { compileKeyholderList } from '../../../src/signer/policy/compile.ts';
import { difference, formatDifference } from '../../../src/signer/policy/difference.ts';
import { parsePolicySnapshot } from '../../../src/signer/policy/snapshot.ts';
import { encodePolicy, policyDigest, type Policy } from '../../../src/signer/policy/types.ts';
import { failure } from '../failure.ts';
import { BACKENDS, load, newService, serviceYaml } from './services.ts';

const other = newService();
const archive = `service: archive\naddress: ${other.address}\npublishers: [vps2]\nbackends: { b: ${BACKENDS[2]!.address} }\n`;

describe('a stored policy', () => {
  it('is read back as it was, whatever the order of the files', () => {
    const policy = load(serviceYaml('limits: { points: 4..6 }\n'), archive);
    expect(parsePolicySnapshot(encodePolicy(policy))).toEqual(policy);
    expect(policyDigest(load(archive, serviceYaml('limits: { points: 4..6 }\n')))).toBe(policyDigest(policy));
    expect(policyDigest(load(archive, serviceYaml()))).not.toBe(policyDigest(policy));
  });

  it('is refused when a byte of it differs from the canonical form', () => {
    const text = new TextDecoder().decode(encodePolicy(load(serviceYaml())));
    const changes = [
      text.trimEnd(),
      text.replace('{"version"', '{ "version"'),
      text.replace('"enabled":true', '"enabled":1'),
      text.replace('"version":4', '"version":3'),
      text.replace('"clients":[]', '"clients":[{"name":"a","key":"' + 'a'.repeat(52) + '"}]'),
      text.replace('"caaCritical":false', '"caaCritical":0'),
      text.replace('"services":[', '"more":1,"services":['),
      text.replace(BACKENDS[0]!.address, BACKENDS[0]!.address.replace('.onion', '')),
      '',
    ];
    for (const change of changes) {
      expect(change).not.toBe(text);
      expect(failure(() => parsePolicySnapshot(new TextEncoder().encode(change))).code).toBe(
        'POLICY_SNAPSHOT',
      );
    }
  });
});

describe('the difference of two policies', () => {
  const before = load(serviceYaml('limits: { points: 4..6, requests: 10/h }\n'), archive);
  const after = (text: string): Policy => load(text, archive);
  const loosens = (text: string) =>
    difference(before, after(text)).map(change => [change.what, change.loosens]);
  const limits = 'limits: { points: 4..6, requests: 10/h }\n';

  it('is empty for equal policies', () => {
    expect(difference(before, before)).toEqual([]);
    expect(formatDifference([])).toBe('no change\n');
  });

  it('marks as loosening what permits more, and only that', () => {
    expect(
      loosens(
        serviceYaml('limits: { points: 3..7, requests: 11/h, min_backends: 2, points_per_backend: 4 }\n'),
      ),
    ).toEqual([
      ['least points', true],
      ['most points', true],
      ['min_backends', false],
      ['points_per_backend', false],
      ['requests per hour', true],
    ]);
    expect(loosens(serviceYaml('limits: { points: 5..5, requests: 9/h }\n'))).toEqual([
      ['least points', false],
      ['most points', false],
      ['requests per hour', false],
    ]);
    expect(loosens(serviceYaml(`${limits}enabled: false\nsingle_onion: true\n`))).toEqual([
      ['enabled', false],
      ['single_onion', true],
    ]);
    expect(loosens(serviceYaml(limits).replace('[vps1]', '[vps2]'))).toEqual([
      ['publisher vps1', false],
      ['publisher vps2', true],
    ]);
  });

  it('marks a backend as loosening when its address proves points that it did not prove before', () => {
    const [first, second, , , fifth] = BACKENDS.map(({ address }) => address);
    const text = serviceYaml(limits);
    expect(loosens(text.replace('torbox-1', 'torbox-9'))).toEqual([
      ['backend torbox-1', false],
      ['backend torbox-9', false],
    ]);
    expect(loosens(text.replace(first!, fifth!))).toEqual([['backend torbox-1', true]]);
    const disabled = text.replace(second!, `{ address: ${second}, enabled: false }`);
    expect(loosens(disabled)).toEqual([['backend torbox-2', false]]);
    expect(difference(after(disabled), before).map(change => change.loosens)).toEqual([true]);
  });

  it('shows services that come in full, and services that go', () => {
    const alone = load(serviceYaml(limits));
    expect(difference(before, alone)).toEqual([
      { service: 'archive', what: 'service', from: 'present', to: 'absent', loosens: false },
    ]);
    const text = formatDifference(difference(alone, before));
    expect(text).toContain('LOOSENS  archive  service: absent → present\n');
    expect(text).toContain(`LOOSENS  archive  backend b: absent → ${BACKENDS[2]!.address}\n`);
    expect(difference(undefined, before).filter(change => change.what === 'service')).toHaveLength(2);
  });

  it('loosens with a new address', () => {
    const moved = load(
      serviceYaml(limits, `service: frontpage\naddress: ${newService().address}\n`),
      archive,
    );
    expect(difference(before, moved)).toMatchObject([{ what: 'address', loosens: true }]);
  });
});

describe('the compiled list', () => {
  const settings = {
    serial: 3,
    profile: TOR_NETWORK,
    aheadSeconds: LIST_LIMITS.aheadSeconds,
    runwaySeconds: 21_600,
    deadlineMs: 10_000,
    tokens: [{ uri: 'pkcs11:token=a', modulePath: '/usr/lib/module.so' }],
    pinSource: 'tty',
    periodKeys: 'keyholder' as const,
    lockedMemory: 'required' as const,
    envelopePath: (service: string) => `/var/lib/onion-signer/identities/${service}.age`,
  };

  it("is accepted by the keyholder's encoder and read back equal", () => {
    const list: KeyholderList = compileKeyholderList(
      load(serviceYaml('limits: { points: 4..6 }\n'), archive),
      settings,
    );
    expect(parseList(encodeList(list))).toEqual(list);
    expect(list.services.map(({ alias }) => alias)).toEqual(['archive', 'frontpage']);
    expect(list.services[1]).toMatchObject({ minPoints: 4, maxPoints: 6, enabled: true, singleOnion: false });
  });

  it('holds the limits that the keyholder judges itself, what publishers may use up added up over them', () => {
    const lines = 'limits: { min_backends: 2, points_per_backend: 5, requests: 7/h, point_sets: 5/h }\n';
    const limits = { minBackends: 2, maxPointsPerBackend: 5 };
    const compiled = (text: string) => compileKeyholderList(load(text), settings).services[0];
    expect(compiled(serviceYaml(lines))).toMatchObject({
      ...limits,
      requestsPerHour: 7,
      pointSetsPerHour: 5,
    });
    const two = serviceYaml(lines).replace(/publishers: \[(\S+)\]/, 'publishers: [$1, vps2]');
    expect(compiled(two)).toMatchObject({ ...limits, requestsPerHour: 14, pointSetsPerHour: 10 });
    expect(compiled(two.replace('5/h', '3600/h'))).toMatchObject({ pointSetsPerHour: 3600 });
  });

  it('leaves disabled backends out', () => {
    const text = serviceYaml().replace(/torbox-2: (\S+)/, 'torbox-2: { address: $1, enabled: false }');
    expect(compileKeyholderList(load(serviceYaml()), settings).services[0]?.backends).toHaveLength(2);
    expect(compileKeyholderList(load(text), settings).services[0]?.backends.map(({ name }) => name)).toEqual([
      'torbox-1',
    ]);
  });
});
