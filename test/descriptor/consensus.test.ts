import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/descriptor/bytes.ts';
import { hsDirNodes, parseConsensus, parseMicrodescriptors } from '../../src/descriptor/consensus.ts';
import { networkParameters } from '../../src/descriptor/network-parameters.ts';

/** Taken from a private network of stock tor 0.4.9.11 with a voting interval of 10 s. */
const read = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../publisher/data', name), 'utf8');
const CONSENSUS = read('consensus-microdesc.txt');
const MICRODESCRIPTORS = read('microdescriptors.txt');

const refusal = (text: string | RegExp) =>
  expect.objectContaining({
    name: 'DescriptorError',
    code: 'BAD_CONSENSUS',
    line: expect.any(Number) as number,
    message: expect.stringMatching(text) as string,
  }) as Error;

describe('A microdescriptor consensus', () => {
  it('gives its times, parameters and shared random values.', () => {
    const consensus = parseConsensus(CONSENSUS);
    expect(consensus.validAfter).toBe(Date.parse('2026-11-21T10:21:10Z') / 1000);
    expect(consensus.freshUntil - consensus.validAfter).toBe(10);
    expect(consensus.validUntil - consensus.validAfter).toBe(20);
    expect(Object.fromEntries(consensus.params)).toEqual({
      AuthDirMaxServersPerAddr: 0,
      cc_sendme_inc: 31,
      hsdir_interval: 4,
      hsdir_n_replicas: 2,
    });
    expect(Buffer.from(consensus.srvPrevious ?? []).toString('base64')).toBe(
      'XBZrpyo+zjfVD7LW0UrBlyE83FfgkoTQlny6o474Gi0=',
    );
    expect(Buffer.from(consensus.srvCurrent ?? []).toString('base64')).toBe(
      '2x5JhEEsxobOnwNLXdArT4mGvszHlyYxinoVXv6ZIUU=',
    );
  });

  it('gives fingerprint, flags and HSDir versions of every relay.', () => {
    const { relays } = parseConsensus(CONSENSUS);
    expect(relays.map(({ fingerprint }) => toHex(fingerprint))).toEqual([
      '8965030197d3231d19de91e2426abcaf3403db35',
      'b97d8d3d447458b0015a346146c31704175c3bee',
      'bfc651ce4717583071d3325f476cd1f9e95b7a3f',
    ]);
    expect(relays.every(({ flags }) => flags.has('HSDir') && !flags.has('BadExit'))).toBe(true);
    expect(relays.map(({ hsDirVersions }) => hsDirVersions)).toEqual([[2], [2], [2]]);
  });

  it('may lack shared random values, and lists protocol versions as ranges.', () => {
    const { srvCurrent, srvPrevious, relays } = parseConsensus(
      CONSENSUS.replace(/^shared-rand.*\n/gmu, '').replace(/^(pr .*) HSDir=2 /mu, '$1 HSDir=1-2,4 '),
    );
    expect([srvCurrent, srvPrevious]).toEqual([undefined, undefined]);
    expect(relays[0]?.hsDirVersions).toEqual([1, 2, 4]);
  });

  it('may have lines that nobody knows yet.', () => {
    const text = CONSENSUS.replace(/^w /gmu, 'future-line 1 2 3\nw ').replace(
      'known-flags',
      'future 1\nknown-flags',
    );
    expect(parseConsensus(text)).toEqual(parseConsensus(CONSENSUS));
  });

  it.each([
    ['is of another flavour', 'network-status-version 3 microdesc', 'network-status-version 3', /line 1/u],
    ['lacks valid-after', /^valid-after.*\n/mu, '', /valid-after/u],
    ['has a time that is none', 'fresh-until 2026-11-21', 'fresh-until 2026-13-41', /line 5.*fresh-until/u],
    ['ends before it begins', 'valid-until 2026', 'valid-until 2025', /order/u],
    ['has a parameter that is no number', 'cc_sendme_inc=31', 'cc_sendme_inc=x', /parameter/u],
    ['has a parameter beyond 32 bits', 'cc_sendme_inc=31', 'cc_sendme_inc=2147483648', /parameter/u],
    ['has a parameter twice', 'cc_sendme_inc=31', 'hsdir_interval=31', /parameter/u],
    ['has valid-after twice', 'voting-delay', 'valid-after 2026-11-21 10:21:10\nvoting-delay', /twice/u],
    ['has a cut shared random value', 'XBZrpyo+zjfVD7LW0UrBlyE83', 'XBZrpyo', /shared-rand-previous-value/u],
    ['has a relay without digest', /^m Tz4N.*\n/mu, '', /digest/u],
    ['has a relay with two digests', /^(m Tz4N.*\n)/mu, '$1$1', /twice/u],
    ['has a malformed identity', 'iWUDAZfTIx0Z3pHiQmq8rzQD2zU', 'iWUDAZ!', /identity/u],
    ['is cut off', /^directory-footer[^]*/mu, '', /footer/u],
  ])('that %s is refused with its line.', (_, from, to, message) => {
    const spoilt = CONSENSUS.replace(from, to);
    expect(spoilt).not.toBe(CONSENSUS);
    expect(() => parseConsensus(spoilt)).toThrow(refusal(message));
  });
});

describe('Microdescriptors', () => {
  it('are found by the digest that the consensus names.', () => {
    const identities = parseMicrodescriptors(MICRODESCRIPTORS);
    const digests = parseConsensus(CONSENSUS).relays.map(({ microdescDigest }) => microdescDigest);
    expect(new Set(identities.keys())).toEqual(new Set(digests));
    expect([...identities.values()].map(identity => identity.length)).toEqual([32, 32, 32]);
    expect(identities.get('7obu5DuIpkTFyHiec63U8EQoyYVxtaGo5cdE/q4HTD8')).toEqual(
      new Uint8Array(Buffer.from('Z+4WrGsE2kj84xYYiqDF2deJHgtO5f4KA/CS1ZwzzIY', 'base64')),
    );
  });

  it('with one byte changed are not found, and without an identity are left out.', () => {
    const changed = parseMicrodescriptors(MICRODESCRIPTORS.replace('ntor-onion-key a', 'ntor-onion-key b'));
    const digests = parseConsensus(CONSENSUS).relays.map(({ microdescDigest }) => microdescDigest);
    expect(digests.filter(digest => changed.has(digest))).toHaveLength(2);
    expect(parseMicrodescriptors(MICRODESCRIPTORS.replace(/^id ed25519.*\n/mu, '')).size).toBe(2);
    expect(parseMicrodescriptors('').size).toBe(0);
  });
});

describe('The nodes of a ring', () => {
  const consensus = parseConsensus(CONSENSUS);
  const identities = parseMicrodescriptors(MICRODESCRIPTORS);

  it('are the relays with HSDir, HSDir=2 and a known identity.', () => {
    const nodes = hsDirNodes(consensus, identities);
    expect(nodes.map(({ fingerprint }) => fingerprint)).toEqual(
      consensus.relays.map(({ fingerprint }) => fingerprint),
    );
    const [first, ...others] = consensus.relays;
    const without = (change: object) =>
      hsDirNodes({ relays: [{ ...first!, ...change }, ...others] }, identities).length;
    expect(without({})).toBe(3);
    expect(without({ flags: new Set(['Running']) })).toBe(2);
    expect(without({ hsDirVersions: [1, 3] })).toBe(2);
    expect(without({ microdescDigest: 'A'.repeat(43) })).toBe(2);
  });
});

describe('Parameters of a network', () => {
  const read = (params: string, isTesting?: boolean) =>
    networkParameters(parseConsensus(CONSENSUS.replace(/^params .*/mu, `params ${params}`)), isTesting);

  it('are tor’s defaults where the consensus has none.', () => {
    expect(read('')).toEqual({
      votingIntervalSeconds: 10,
      periodLengthMinutes: 1440,
      replicas: 2,
      spreadStore: 4,
      spreadFetch: 3,
      sendmeInc: 31,
      maxDescriptorSize: 50_000,
    });
    expect(networkParameters(parseConsensus(CONSENSUS.replace(/^params .*\n/mu, '')))).toEqual(read(''));
  });

  it.each([
    ['hsdir_interval', 'periodLengthMinutes', 5, 14_400],
    ['hsdir_n_replicas', 'replicas', 1, 16],
    ['hsdir_spread_store', 'spreadStore', 1, 128],
    ['hsdir_spread_fetch', 'spreadFetch', 1, 128],
    ['cc_sendme_inc', 'sendmeInc', 1, 254],
    ['HSV3MaxDescriptorSize', 'maxDescriptorSize', 1, 2_147_483_647],
  ] as const)('%s is clamped as by tor.', (name, field, min, max) => {
    const given = (value: number) => read(`${name}=${value}`)[field];
    for (const value of [min, min + 1, max - 1, max]) expect(given(value)).toBe(value);
    for (const value of [min - 1, -1, -2_147_483_648]) expect(given(value)).toBe(min);
    expect(given(2_147_483_647)).toBe(max);
    if (max < 2_147_483_647) expect(given(max + 1)).toBe(max);
  });

  it('of a testing network have the period of one run, whatever hsdir_interval says.', () => {
    expect(read('hsdir_interval=99', true).periodLengthMinutes).toBe(4);
    expect(read('hsdir_interval=99', false).periodLengthMinutes).toBe(99);
  });
});
