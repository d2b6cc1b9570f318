import { describe, expect, it } from 'vitest';
import {
  assembleDescriptor,
  encodeLinkSpecifiers,
  TOR_NETWORK,
  x25519PublicKey,
} from '../../../src/descriptor/index.ts';
import { encodeBase32 } from '../../../src/descriptor/bytes.ts';
import { ACCESS_LIMITS } from '../../../src/pkcs11/list-access.ts';
import { encodeList, parseList } from '../../../src/pkcs11/list.ts';
import { compileKeyholderList, type EarlierList } from '../../../src/signer/policy/compile.ts';
import { roomForPoints } from '../../../src/signer/policy/descriptor-room.ts';
import { difference, formatDifference } from '../../../src/signer/policy/difference.ts';
import { MAX_CLIENTS, unknownCaaTags } from '../../../src/signer/policy/read-access.ts';
import { parsePolicySnapshot } from '../../../src/signer/policy/snapshot.ts';
import { encodePolicy, policyDigest } from '../../../src/signer/policy/types.ts';
import { forge, noise } from '../../descriptor/forge.ts';
import { failure } from '../failure.ts';
import { load, loadOne, serviceYaml } from './services.ts';

const keyOf = (name: string): string => encodeBase32(x25519PublicKey(noise(`client ${name}`, 32)));
const [ALICE, BOB] = [keyOf('alice'), keyOf('bob')];
const DEFAULTS = '_defaults.yaml';
/** u = 1, of low order, and p + 9, which is 9 written otherwise. */
const LOW_ORDER = encodeBase32(Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0)));
const NOT_CANONICAL = encodeBase32(
  Uint8Array.from({ length: 32 }, (_, i) => [0xf6, 0x7f][[0, 31].indexOf(i)] ?? 0xff),
);

const withLines = (lines: string) => loadOne(serviceYaml(lines));
const refuses = (lines: string) => failure(() => load(serviceYaml(lines)));
const manyClients = (count: number): string =>
  `clients: { ${Array.from({ length: count }, (_, i) => `c${i}: ${keyOf(`${i}`)}`).join(', ')} }\n`;

describe('clients of a policy', () => {
  it('are taken in tor’s form and as the key alone, in either case, sorted by name', () => {
    const lines = `clients: { bob: ${BOB}, alice: "descriptor:x25519:${ALICE.toUpperCase()}" }\n`;
    const { clients } = withLines(lines);
    expect(clients.map(({ name, key }) => [name, encodeBase32(key)])).toEqual([
      ['alice', ALICE],
      ['bob', BOB],
    ]);
    expect(Object.isFrozen(clients)).toBe(true);
    expect(withLines('').clients).toEqual([]);
  });

  it.each([
    ['BAD_VALUE', 'clients: {}', 'leave `clients` out'],
    ['BAD_VALUE', `clients: [${ALICE}]`, 'as a map'],
    ['BAD_VALUE', `clients: { Alice: ${ALICE} }`, 'names are lower-case'],
    ['BAD_VALUE', `clients: { alice: ${ALICE.slice(1)} }`, 'descriptor:x25519:KEY'],
    ['BAD_VALUE', `clients: { alice: descriptor:ed25519:${ALICE} }`, 'descriptor:x25519:KEY'],
    ['BAD_VALUE', `clients: { alice: { key: ${ALICE} } }`, 'as one value'],
    ['DUPLICATE_KEY', `clients: { alice: ${ALICE}, alice: ${BOB} }`, 'once'],
    ['CLIENT-KEY', `clients: { alice: ${ALICE}, bob: ${ALICE} }`, 'a key of its own'],
    ['CLIENT-KEY', `clients: { alice: ${LOW_ORDER} }`, 'another key'],
    ['CLIENT-KEY', `clients: { alice: ${NOT_CANONICAL} }`, 'another key'],
    ['CLIENT-KEY', `clients: { alice: ${ALICE.slice(0, -1)}b }`, 'another key'],
  ])('are refused as %s with line and column and what to write: %s', (code, lines, advice) => {
    const error = refuses(`${lines}\n`);
    expect(error).toMatchObject({ code, file: 'policy-0.yaml', line: 5 });
    expect(error.message).toContain(advice);
    expect(error.message).not.toContain(ALICE);
    expect(withLines(`clients: { alice: ${ALICE}, bob: ${BOB} }\n`).clients).toHaveLength(2);
  });

  it('are no matter of the defaults, which every service shares', () => {
    const text = `clients: { alice: ${ALICE} }\n`;
    expect(failure(() => load({ name: DEFAULTS, text }, serviceYaml())).code).toBe('UNKNOWN_KEY');
  });

  it('are at most as many as leave room for three points, and for the most that `points` allows', () => {
    const three = 'limits: { points: 3..3 }\n';
    expect(withLines(manyClients(MAX_CLIENTS) + three).clients).toHaveLength(MAX_CLIENTS);
    expect(refuses(manyClients(MAX_CLIENTS + 1) + three).message).toContain(`1 to ${MAX_CLIENTS}`);
    expect(refuses(manyClients(MAX_CLIENTS) + three.replace('3..3', '3..4')).message).toContain('end at 3');
    expect(withLines(manyClients(100)).limits.maxPoints).toBe(20);
    expect(MAX_CLIENTS).toBe(ACCESS_LIMITS.clients);
  });
});

describe('the room for points', () => {
  it('is never more than a descriptor takes, and at most one less', () => {
    const { parts } = forge({ points: 20 });
    // The longest points there are: an address of each kind.
    const linkSpecifiers = encodeLinkSpecifiers([
      { type: 0, data: noise('IPv4', 6) },
      { type: 1, data: noise('IPv6', 18) },
      { type: 2, data: noise('RSA', 20) },
      { type: 3, data: noise('Ed25519', 32) },
    ]);
    const introductionPoints = parts.inner.introductionPoints.map(point => ({ ...point, linkSpecifiers }));
    const [line] = parts.middle.authClients;
    const fits = (clients: number, points: number, caa: typeof parts.inner.caa): boolean => {
      const authClients = Array.from(
        { length: clients },
        () => line ?? { clientId: noise('', 8), iv: noise('', 16), encryptedCookie: noise('', 16) },
      );
      const inner = {
        ...parts.inner,
        singleOnionService: true,
        caa,
        introductionPoints: introductionPoints.slice(0, points),
      };
      try {
        assembleDescriptor({ ...parts, inner, middle: { ...parts.middle, authClients, caaCritical: true } });
        return true;
      } catch {
        return false;
      }
    };
    const long = Array.from({ length: 8 }, (_, i) => ({
      flags: 128,
      tag: 'issue',
      value: `${i}`.repeat(255),
    }));
    for (const clients of [16, 128, 144, 256, 368]) {
      for (const caa of [[], long]) {
        const room = roomForPoints(clients, caa);
        expect(room === 0 || fits(clients, room, caa)).toBe(true);
        expect(room === 20 || !fits(clients, room + 2, caa)).toBe(true);
      }
    }
  });
});

describe('CAA records of a policy', () => {
  it('are taken in their order, from the defaults too, with critical flag and known values', () => {
    const lines = `caa:
  - { flags: 128, tag: issue, value: "ca.example.net; account=230123" }
  - { flags: 0, tag: issuewild, value: ";" }
  - { flags: 0, tag: iodef, value: "mailto:security@example.org" }
caa_critical: true
`;
    const service = withLines(lines);
    expect(service.caa.map(({ tag }) => tag)).toEqual(['issue', 'issuewild', 'iodef']);
    expect([service.caa[0]?.flags, service.caaCritical]).toEqual([128, true]);
    expect(loadOne({ name: DEFAULTS, text: lines }, serviceYaml()).caa).toEqual(service.caa);
    const own = 'caa: [ { flags: 0, tag: issue, value: own.example } ]\ncaa_critical: false\n';
    const over = loadOne({ name: DEFAULTS, text: lines }, serviceYaml(own));
    expect([over.caa.length, over.caaCritical]).toEqual([1, false]);
    expect([withLines('').caa, withLines('').caaCritical]).toEqual([[], false]);
  });

  it.each([
    'caa: []',
    'caa: { flags: 0, tag: issue, value: a.example }',
    'caa: [ { flags: 1, tag: issue, value: a.example } ]',
    'caa: [ { flags: 256, tag: issue, value: a.example } ]',
    'caa: [ { flags: 0, tag: Issue, value: a.example } ]',
    'caa: [ { flags: 0, tag: issue-x, value: a.example } ]',
    'caa: [ { flags: 0, tag: sixteenletterstag, value: a.example } ]',
    'caa: [ { flags: 0, tag: issue, value: "a example" } ]',
    'caa: [ { flags: 0, tag: issue, value: "a.example; account" } ]',
    'caa: [ { flags: 0, tag: iodef, value: security@example.org } ]',
    'caa: [ { flags: 0, tag: other, value: "a\\"b" } ]',
    'caa: [ { flags: 0, tag: other, value: "a\\\\b" } ]',
    'caa: [ { flags: 0, tag: other, value: "a\\nb" } ]',
    `caa: [ { flags: 0, tag: other, value: ${'a'.repeat(256)} } ]`,
    'caa: [ { flags: 0, tag: issue, value: a.example }, { flags: 0, tag: issue, value: a.example } ]',
    'caa_critical: 1',
  ])('are refused with line and column: %s', lines => {
    expect(refuses(`${lines}\n`)).toMatchObject({ code: 'BAD_VALUE', file: 'policy-0.yaml', line: 5 });
    const good = `caa: [ { flags: 0, tag: other, value: ${'a'.repeat(255)} }, { flags: 0, tag: issue, value: a.example } ]\n`;
    expect(withLines(good).caa).toHaveLength(2);
  });

  it('with tags that nobody may know are named, so that a slip is seen', () => {
    const tags = ['issue', 'isue', 'contactemail', 'isue'].map(tag => ({ flags: 0, tag, value: '' }));
    expect(unknownCaaTags(tags)).toEqual(['isue']);
  });
});

const RESTRICTED = `clients: { alice: ${ALICE}, bob: ${BOB} }\n`;

describe('a stored policy', () => {
  it('keeps clients and CAA records, and its digest knows them', () => {
    const policy = load(serviceYaml(`${RESTRICTED}caa: [ { flags: 0, tag: issue, value: a.example } ]\n`));
    expect(parsePolicySnapshot(encodePolicy(policy))).toEqual(policy);
    const digests = ['', RESTRICTED, RESTRICTED.replace(BOB, keyOf('carol'))].map(lines =>
      policyDigest(load(serviceYaml(lines))),
    );
    expect(new Set(digests).size).toBe(3);
  });
});

describe('the difference of two policies', () => {
  const changes = (from: string, to: string) =>
    difference(load(serviceYaml(from)), load(serviceYaml(to))).map(({ what, loosens }) => [what, loosens]);
  const only = `clients: { alice: ${ALICE} }\n`;
  const issue = 'caa: [ { flags: 0, tag: issue, value: a.example } ]\n';

  it('shows clients with their keys, for whoever signs it to compare', () => {
    const text = formatDifference(difference(load(serviceYaml(only)), load(serviceYaml(RESTRICTED))));
    expect(text).toBe(`LOOSENS  frontpage  client bob: absent → descriptor:x25519:${BOB}\n`);
    const moved = `clients: { alice: ${BOB} }\n`;
    const other = formatDifference(difference(load(serviceYaml(only)), load(serviceYaml(moved))));
    expect(other).toBe(
      `LOOSENS  frontpage  client alice: descriptor:x25519:${ALICE} → descriptor:x25519:${BOB}\n`,
    );
  });

  it('marks what lets somebody in who could not read before, and only that', () => {
    expect(changes('', only)).toEqual([
      ['who may read', false],
      ['client alice', false],
    ]);
    expect(changes(only, '')).toEqual([
      ['who may read', true],
      ['client alice', false],
    ]);
    expect(changes(RESTRICTED, only)).toEqual([['client bob', false]]);
    expect(changes(only, `clients: { anna: ${ALICE} }\n`)).toEqual([
      ['client alice', false],
      ['client anna', false],
    ]);
  });

  it('marks every change of CAA records but the first ones, and the end of caa_critical', () => {
    expect(changes('', issue)).toEqual([['caa', false]]);
    expect(changes(issue, '')).toEqual([['caa', true]]);
    expect(changes(issue, issue.replace('a.example', 'b.example'))).toEqual([['caa', true]]);
    expect(changes('', 'caa_critical: true\n')).toEqual([['caa_critical', false]]);
    expect(changes('caa_critical: true\n', '')).toEqual([['caa_critical', true]]);
  });
});

describe('the compiled list', () => {
  const compile = (lines: string, serial: number, earlier?: EarlierList) =>
    compileKeyholderList(load(serviceYaml(lines)), {
      serial,
      earlier,
      profile: TOR_NETWORK,
      aheadSeconds: 86_400,
      runwaySeconds: 3600,
      deadlineMs: 10_000,
      tokens: [{ uri: 'pkcs11:token=a', modulePath: '' }],
      pinSource: 'tty',
      periodKeys: 'keyholder',
      lockedMemory: 'required',
      envelopePath: (service: string) => `/identities/${service}.age`,
    });
  const serials = (list: EarlierList) =>
    list.services.map(({ clientsSerial, settingsSerial }) => [clientsSerial, settingsSerial]);

  it('has the keys alone, ascending, and is taken by the keyholder', () => {
    const list = compile(RESTRICTED, 5);
    expect(parseList(encodeList(list))).toEqual(list);
    const keys = list.services[0]?.clients.map(key => Buffer.from(key).toString('hex')) ?? [];
    expect(keys).toEqual(keys.toSorted());
    expect(keys).toHaveLength(2);
    expect(Buffer.from(encodeList(list)).includes('alice')).toBe(false);
  });

  it('raises a serial with every change, so that what returns is another one', () => {
    const first = compile(RESTRICTED, 5);
    expect(serials(first)).toEqual([[5, 5]]);
    const renamed = compile(RESTRICTED.replace('alice', 'anna'), 6, first);
    expect(serials(renamed)).toEqual([[5, 5]]);
    const onion = compile(`${RESTRICTED}single_onion: true\n`, 7, renamed);
    expect(serials(onion)).toEqual([[5, 7]]);
    const certified = compile(`${RESTRICTED}single_onion: true\ncaa_critical: true\n`, 8, onion);
    expect(serials(certified)).toEqual([[5, 8]]);
    const fewer = compile(`clients: { alice: ${ALICE} }\n`, 9, certified);
    expect(serials(fewer)).toEqual([[9, 9]]);
    expect(serials(compile(RESTRICTED, 10, fewer))).toEqual([[10, 10]]);
  });

  it('raises the serial of the settings with a change of CAA records alone', () => {
    const first = compile("caa: [{ flags: 0, tag: issue, value: 'a.example' }]\n", 5);
    expect(serials(compile("caa: [{ flags: 0, tag: issue, value: 'a.example' }]\n", 6, first))).toEqual([
      [5, 5],
    ]);
    expect(serials(compile("caa: [{ flags: 0, tag: issue, value: 'b.example' }]\n", 6, first))).toEqual([
      [5, 6],
    ]);
  });

  it('begins anew where the list before is not known or did not have the service', () => {
    expect(serials(compile(RESTRICTED, 11))).toEqual([[11, 11]]);
    expect(serials(compile(RESTRICTED, 11, { services: [] }))).toEqual([[11, 11]]);
  });
});
