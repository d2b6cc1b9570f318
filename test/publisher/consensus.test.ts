import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConsensus, parseMicrodescriptors } from '../../src/publisher/consensus.ts';

/** Taken from a private network of stock tor 0.4.9.11 with a voting interval of 10 s. */
const read = (name: string): string => readFileSync(join(import.meta.dirname, 'data', name), 'utf8');
const CONSENSUS = read('consensus-microdesc.txt');
const MICRODESCRIPTORS = read('microdescriptors.txt');

const refusal = (text: string | RegExp) =>
  expect.objectContaining({
    code: 'CONSENSUS_SYNTAX',
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
    expect(relays.map(({ fingerprint }) => fingerprint)).toEqual([
      '8965030197D3231D19DE91E2426ABCAF3403DB35',
      'B97D8D3D447458B0015A346146C31704175C3BEE',
      'BFC651CE4717583071D3325F476CD1F9E95B7A3F',
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
