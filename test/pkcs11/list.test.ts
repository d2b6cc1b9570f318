import { describe, expect, test } from 'vitest';
import {
  type Bytes,
  type KpHscDescEnc,
  TOR_NETWORK,
  parseKpHscDescEnc,
  testNetwork,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import {
  type KeyholderList,
  LIST_LIMITS,
  type ListService,
  encodeList,
  parseList,
} from '../../src/pkcs11/list.ts';
import { identity, noise } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';
import { OPEN_TO_ALL } from './keyholder-rig.ts';

const backend = (name: string) => ({ name, kpHsId: identity(name).kpHsId });

const service = (alias: string, changes: Partial<ListService> = {}): ListService => ({
  alias,
  kpHsId: identity(`service ${alias}`).kpHsId,
  envelopePath: `/var/lib/onion-signer/${alias}.age`,
  singleOnion: false,
  enabled: true,
  minPoints: 1,
  maxPoints: 20,
  minBackends: 1,
  maxPointsPerBackend: 20,
  requestsPerHour: 60,
  pointSetsPerHour: 12,
  backends: [backend(`${alias}-1`), backend(`${alias}-2`)],
  ...OPEN_TO_ALL,
  ...changes,
});

const list = (changes: Partial<KeyholderList> = {}): KeyholderList => ({
  serial: 7,
  profile: TOR_NETWORK,
  aheadSeconds: 3 * 86_400,
  runwaySeconds: 6 * 3600,
  deadlineMs: 10_000,
  tokens: [{ uri: 'pkcs11:token=press-a', modulePath: '/usr/lib/softhsm/libsofthsm2.so' }],
  pinSource: 'credential:pin',
  retired: [],
  periodKeys: 'keyholder',
  lockedMemory: 'required',
  services: [service('frontpage'), service('intake', { singleOnion: true, enabled: false })],
  ...changes,
});

const withService = (changes: Partial<ListService>) => list({ services: [service('frontpage', changes)] });

const RETIRED = ['x', 'y', 'z']
  .map(name => identity(`retired ${name}`).kpHsId)
  .sort((a, b) => Buffer.compare(a, b));

describe('the canonical list', () => {
  test('is read as it was written, and has one encoding', () => {
    const retired = RETIRED.slice(0, 2);
    for (const each of [
      list(),
      list({ retired }),
      list({ profile: testNetwork('chutney', 20), services: [] }),
    ]) {
      const bytes = encodeList(each);
      expect(parseList(bytes)).toEqual(each);
      expect(encodeList(parseList(bytes))).toEqual(bytes);
    }
  });

  test('is refused when it is cut anywhere, continued, or of another version', () => {
    const bytes = encodeList(list());
    for (const length of [0, 19, 30, 100, bytes.length - 1]) {
      expectCode('LIST_SYNTAX', () => parseList(bytes.subarray(0, length)));
    }
    expectCode('LIST_SYNTAX', () => parseList(Buffer.concat([bytes, Buffer.alloc(1)])));
    const other = Buffer.from(bytes);
    other[18] = 0x31;
    expectCode('LIST_SYNTAX', () => parseList(other));
  });

  test('has services and backends in order and once', () => {
    expectCode('LIST_ORDER', () => encodeList(list({ services: [service('b'), service('a')] })));
    expectCode('LIST_DUPLICATE', () => encodeList(list({ services: [service('a'), service('a')] })));
    const [one, two] = [backend('one'), backend('two')];
    expectCode('LIST_ORDER', () => encodeList(withService({ backends: [two, one] })));
    expectCode('LIST_DUPLICATE', () => encodeList(withService({ backends: [one, one] })));
    expectCode('LIST_DUPLICATE', () =>
      encodeList(withService({ backends: [one, { ...two, kpHsId: one.kpHsId }] })),
    );
    expect(encodeList(withService({ backends: [one, two] }))).toBeInstanceOf(Uint8Array);
    const twin = service('b', { kpHsId: identity('service a').kpHsId });
    expectCode('LIST_DUPLICATE', () => encodeList(list({ services: [service('a'), twin] })));
  });

  test('never names one of our own services as a backend', () => {
    const ours = { name: 'ours', kpHsId: identity('service intake').kpHsId };
    const services = [service('frontpage', { backends: [ours] }), service('intake')];
    const error = expectCode('LIST_BACKEND', () => encodeList(list({ services })));
    expect(error.denial?.rule).toBe('BACKEND-NOT-OURS');
    expect(encodeList(list({ services: services.slice(0, 1) }))).toBeInstanceOf(Uint8Array);
  });

  test('gives a backend to one service only', () => {
    const shared = [backend('shared')];
    const services = [service('a', { backends: shared }), service('b', { backends: shared })];
    const error = expectCode('LIST_BACKEND', () => encodeList(list({ services })));
    expect(error.denial?.rule).toBe('BACKEND-EXCLUSIVE');
    expect(encodeList(list({ services: [service('a', { backends: shared }), service('b')] }))).toBeInstanceOf(
      Uint8Array,
    );
  });

  test('names no retired key as a backend', () => {
    const services = [service('frontpage', { backends: [backend('gone')] })];
    const gone = backend('gone').kpHsId;
    const error = expectCode('LIST_BACKEND', () => encodeList(list({ services, retired: [gone] })));
    expect(error.denial?.rule).toBe('BACKEND-RETIRED');
    expect(encodeList(list({ services, retired: RETIRED }))).toBeInstanceOf(Uint8Array);
    expectCode('LIST_ORDER', () => encodeList(list({ retired: RETIRED.toReversed() })));
    expectCode('LIST_DUPLICATE', () =>
      encodeList(list({ retired: [...RETIRED.slice(0, 1), ...RETIRED.slice(0, 1)] })),
    );
    const bytes = Buffer.from(encodeList(list({ services, retired: RETIRED })));
    const [first = new Uint8Array()] = RETIRED;
    // A list that our encoder never wrote.
    bytes.set(gone, bytes.indexOf(first));
    expectCode(Buffer.compare(gone, RETIRED[1] ?? gone) < 0 ? 'LIST_BACKEND' : 'LIST_ORDER', () =>
      parseList(bytes),
    );
  });

  test('takes keys that are onion services and no others', () => {
    const bytes = encodeList(list());
    const at = Buffer.from(bytes).indexOf(identity('frontpage-1').kpHsId);
    const mixed = Buffer.from(bytes);
    mixed.fill(0, at, at + 32);
    const error = expectCode('LIST_BACKEND', () => parseList(mixed));
    expect(error.denial?.rule).toBe('BACKEND-KEY');
    const own = Buffer.from(bytes);
    const place = own.indexOf(identity('service frontpage').kpHsId);
    own.fill(0, place, place + 32);
    expectCode('LIST_BOUNDS', () => parseList(own));
  });

  test.each([
    ['serial', { serial: 0 }, { serial: 1 }],
    ['ahead', { aheadSeconds: 7 * 86_400 + 1 }, { aheadSeconds: 7 * 86_400 }],
    [
      'runway',
      { runwaySeconds: LIST_LIMITS.runwaySeconds + 1 },
      { runwaySeconds: LIST_LIMITS.runwaySeconds },
    ],
    ['deadline', { deadlineMs: 999 }, { deadlineMs: 1000 }],
    ['tokens', { tokens: [] }, { tokens: [{ uri: 'pkcs11:token=a', modulePath: '' }] }],
    [
      'age of evidence',
      { profile: { ...TOR_NETWORK, evidenceMaxAgeSeconds: 10_801 } },
      { profile: { ...TOR_NETWORK, evidenceMaxAgeSeconds: 3600 } },
    ],
    [
      'skew of evidence',
      { profile: { ...TOR_NETWORK, evidenceMaxSkewSeconds: 301 } },
      { profile: { ...TOR_NETWORK, evidenceMaxSkewSeconds: 0 } },
    ],
    ['name of the network', { profile: testNetwork('tor', 20) }, { profile: testNetwork('test', 20) }],
  ])('bounds the %s whatever policy says', (_what, bad, good) => {
    expectCode('LIST_BOUNDS', () => encodeList(list(bad)));
    expect(parseList(encodeList(list(good)))).toMatchObject(good);
  });

  test.each([
    ['points', { minPoints: 0 }, { minPoints: 1 }],
    ['points', { maxPoints: 21 }, { maxPoints: 20 }],
    ['points', { minPoints: 4, maxPoints: 3 }, { minPoints: 3, maxPoints: 3 }],
    ['backends in a descriptor', { minBackends: 0 }, { minBackends: 1 }],
    ['backends in a descriptor', { minBackends: 21 }, { minBackends: 20 }],
    ['points of one backend', { maxPointsPerBackend: 0 }, { maxPointsPerBackend: 1 }],
    ['points of one backend', { maxPointsPerBackend: 21 }, { maxPointsPerBackend: 20 }],
    ['sets of points in an hour', { pointSetsPerHour: 0 }, { pointSetsPerHour: 1 }],
    ['sets of points in an hour', { pointSetsPerHour: 3601 }, { pointSetsPerHour: 3600 }],
    ['requests in an hour', { requestsPerHour: 0 }, { requestsPerHour: 1 }],
    ['requests in an hour', { requestsPerHour: 230_401 }, { requestsPerHour: 230_400 }],
    ['alias', { alias: 'Frontpage' }, { alias: 'front-page' }],
    ['envelope', { envelopePath: 'frontpage.age' }, { envelopePath: '/frontpage.age' }],
    ['backends', { backends: [] }, { backends: [], enabled: false }],
  ])('bounds the %s of a service', (_what, bad, good) => {
    expectCode('LIST_BOUNDS', () => encodeList(withService(bad)));
    expect(encodeList(withService(good))).toBeInstanceOf(Uint8Array);
  });

  const clients = [1, 2].map(i => parseKpHscDescEnc(x25519PublicKey(noise(`client ${i}`, 32))));
  const sorted = clients.toSorted((a, b) => Buffer.compare(a, b));
  const caa = { flags: 128, tag: 'issue', value: 'ca.example' };

  test('keeps who may read and who may certify', () => {
    const one = withService({
      clients: sorted,
      clientsSerial: 3,
      settingsSerial: 7,
      caa: [caa],
      caaCritical: true,
    });
    expect(parseList(encodeList(one))).toEqual(one);
    expect(parseList(encodeList(withService({ clients: [] })))).toEqual(withService({ clients: [] }));
  });

  test('has the clients in order and once', () => {
    expectCode('LIST_ORDER', () => encodeList(withService({ clients: sorted.toReversed() })));
    const twice = sorted.flatMap(key => [key, key]);
    const error = expectCode('LIST_CLIENT', () => encodeList(withService({ clients: twice })));
    expect(error.denial?.rule).toBe('CLIENT-KEY');
  });

  test('takes no client key of low order or in another encoding, written or read', () => {
    const low = new Uint8Array(32) as Bytes as KpHscDescEnc;
    expectCode('LIST_CLIENT', () => encodeList(withService({ clients: [low] })));
    const bytes = encodeList(withService({ clients: sorted.slice(0, 1) }));
    const at = Buffer.from(bytes).indexOf(Buffer.from(sorted[0] ?? []));
    for (const key of [new Uint8Array(32), new Uint8Array(32).fill(0xff)]) {
      const spoilt = Uint8Array.from(bytes);
      spoilt.set(key, at);
      expect(expectCode('LIST_CLIENT', () => parseList(spoilt)).denial?.rule).toBe('CLIENT-KEY');
    }
    expect(parseList(bytes).services[0]?.clients).toHaveLength(1);
  });

  test.each<[string, Partial<ListService>, Partial<ListService>]>([
    ['serial of the clients', { clientsSerial: 0 }, { clientsSerial: 1 }],
    [
      'serial of the settings',
      { clientsSerial: 3, settingsSerial: 2 },
      { clientsSerial: 3, settingsSerial: 3 },
    ],
    ['serial of the settings', { settingsSerial: 8 }, { settingsSerial: 7 }],
    [
      'number of CAA records',
      { caa: Array.from({ length: 9 }, () => caa) },
      { caa: Array.from({ length: 8 }, () => caa) },
    ],
    ['flags of a CAA record', { caa: [{ ...caa, flags: 64 }] }, { caa: [{ ...caa, flags: 0 }] }],
    ['tag of a CAA record', { caa: [{ ...caa, tag: 'Issue' }] }, { caa: [{ ...caa, tag: 'x' }] }],
    [
      'tag of a CAA record',
      { caa: [{ ...caa, tag: 'x'.repeat(16) }] },
      { caa: [{ ...caa, tag: 'x'.repeat(15) }] },
    ],
    ['value of a CAA record', { caa: [{ ...caa, value: '"' }] }, { caa: [{ ...caa, value: '' }] }],
    [
      'value of a CAA record',
      { caa: [{ ...caa, value: 'x'.repeat(256) }] },
      { caa: [{ ...caa, value: 'x'.repeat(255) }] },
    ],
  ])('bounds the %s', (_what, bad, good) => {
    expectCode('LIST_BOUNDS', () => encodeList(withService(bad)));
    expect(parseList(encodeList(withService(good)))).toEqual(withService(good));
  });

  test('bounds the number of clients', () => {
    const many = Array.from({ length: 369 }, (_, i) =>
      parseKpHscDescEnc(x25519PublicKey(noise(`many ${i}`, 32))),
    );
    const all = many.sort((a, b) => Buffer.compare(a, b));
    expectCode('LIST_BOUNDS', () => encodeList(withService({ clients: all })));
    expect(parseList(encodeList(withService({ clients: all.slice(1) }))).services[0]?.clients).toHaveLength(
      368,
    );
  });

  test('says where period keys are made; in a token only with a PIN that can be read again', () => {
    const uri = 'pkcs11:token=a?pin-source=file:/etc/pin';
    for (const periodKeys of ['keyholder', 'token'] as const)
      expect(parseList(encodeList(list({ periodKeys }))).periodKeys).toBe(periodKeys);
    expect(parseList(encodeList(list({ pinSource: 'tty' }))).periodKeys).toBe('keyholder');
    expectCode('LIST_BOUNDS', () => encodeList(list({ pinSource: 'tty', periodKeys: 'token' })));
    const filed = list({ pinSource: 'tty', tokens: [{ uri, modulePath: '' }], periodKeys: 'token' });
    const bytes = Buffer.from(encodeList(filed));
    expect(parseList(bytes).periodKeys).toBe('token');
    bytes[bytes.indexOf('tty', 0, 'latin1') + 3] = 2;
    expectCode('LIST_SYNTAX', () => parseList(bytes));
  });

  test('names a source of the PIN and never holds one', () => {
    for (const pinSource of ['1234', 'pin:1234', '', 'file:1234']) {
      expectCode('PIN_LITERAL', () => encodeList(list({ pinSource })));
    }
    for (const pinSource of ['tty', 'credential:pin', 'file:/etc/pin']) {
      expect(parseList(encodeList(list({ pinSource }))).pinSource).toBe(pinSource);
    }
    const uri = 'pkcs11:token=a?pin-value=1234';
    expectCode('PIN_LITERAL', () => encodeList(list({ tokens: [{ uri, modulePath: '' }] })));
  });
});
