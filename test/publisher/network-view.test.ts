import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  deriveKpHsBlindId,
  parseConsensus,
  parseMicrodescriptors,
  responsibleHsDirs,
  testNetwork,
  toHex,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import {
  fetchRing,
  isMostlyComplete,
  isReasonablyLive,
  networkMismatch,
  networkViewOf,
  publicationRings,
  readNetworkView,
  readValidAfter,
} from '../../src/publisher/network-view.ts';
import { identity } from '../descriptor/forge.ts';

const read = (name: string): string => readFileSync(join(import.meta.dirname, 'data', name), 'utf8');
const [CONSENSUS, MICRODESCRIPTORS] = [read('consensus-microdesc.txt'), read('microdescriptors.txt')];
const VIEW = networkViewOf(parseConsensus(CONSENSUS), parseMicrodescriptors(MICRODESCRIPTORS));
const NETWORK = testNetwork('toy', 10);
const { kpHsId } = identity('toy');

describe('The view of the network', () => {
  it('has every relay that may store descriptors.', () => {
    expect(VIEW.hsdirs).toHaveLength(3);
    expect(VIEW.candidates).toBe(3);
    expect(isMostlyComplete(VIEW)).toBe(true);
  });

  it.each([
    ['the flag HSDir', ' HSDir Running', ' Running', 2],
    ['the protocol HSDir=2', ' HSDir=2 ', ' HSDir=1 ', 2],
  ])('leaves out a relay without %s.', (_, from, to, candidates) => {
    const relay = CONSENSUS.indexOf('\nr ');
    const text = CONSENSUS.slice(0, relay) + CONSENSUS.slice(relay).replace(from, to);
    const view = networkViewOf(parseConsensus(text), parseMicrodescriptors(MICRODESCRIPTORS));
    expect([view.hsdirs.length, view.candidates]).toEqual([candidates, candidates]);
  });

  it('says when microdescriptors are missing.', () => {
    const one = parseMicrodescriptors(MICRODESCRIPTORS.replace(/^id ed25519.*\n/mu, ''));
    const view = networkViewOf(parseConsensus(CONSENSUS), one);
    expect([view.hsdirs.length, view.candidates]).toEqual([2, 3]);
    expect(isMostlyComplete(view)).toBe(false);
    expect(isMostlyComplete(networkViewOf(parseConsensus(CONSENSUS), new Map()))).toBe(false);
  });

  it('is read from the control port.', async () => {
    const documents: Record<string, string> = {
      'dir/status-vote/current/consensus-microdesc': CONSENSUS,
      'md/all': MICRODESCRIPTORS,
      'consensus/valid-after': '2026-11-21 10:21:10',
    };
    const tor = { getInfo: async () => documents };
    expect(await readNetworkView(tor)).toEqual(VIEW);
    expect(await readValidAfter(tor)).toBe(VIEW.validAfter);
    await expect(
      readValidAfter({ getInfo: async () => ({ 'consensus/valid-after': '' }) }),
    ).rejects.toMatchObject({
      code: 'CONSENSUS_MISSING',
    });
  });

  it('is not read from a damaged consensus.', async () => {
    const documents = { 'dir/status-vote/current/consensus-microdesc': CONSENSUS.slice(0, 900) };
    const refused = { code: 'CONSENSUS_SYNTAX', message: expect.stringContaining('footer') as string };
    await expect(readNetworkView({ getInfo: async () => documents })).rejects.toMatchObject(refused);
  });

  it('counts as live as long as tor counts it.', () => {
    expect(isReasonablyLive(VIEW, VIEW.validUntil + 86_400)).toBe(true);
    expect(isReasonablyLive(VIEW, VIEW.validUntil + 86_401)).toBe(false);
    expect(isReasonablyLive(VIEW, VIEW.validAfter - 86_401)).toBe(false);
  });
});

describe('Rings', () => {
  it('are those of both published periods, the one that clients ask for first.', () => {
    const rings = publicationRings(VIEW, NETWORK, kpHsId);
    const asked = fetchRing(VIEW, NETWORK, kpHsId);
    expect(rings).toHaveLength(2);
    expect(rings[0]?.period).toEqual(asked.period);
    expect(Math.abs((rings[1]?.period.periodNum ?? 0) - asked.period.periodNum)).toBe(1);
    for (const { hsdirs } of rings) expect(new Set(hsdirs).size).toBe(3);
  });

  it('use the shared random value of the run of their period and the parameters of the consensus.', () => {
    const params = new Map([
      ['hsdir_n_replicas', 1],
      ['hsdir_spread_store', 1],
      ['hsdir_spread_fetch', 2],
    ]);
    const view = { ...VIEW, params };
    for (const { period, hsdirs } of publicationRings(view, NETWORK, kpHsId)) {
      const query = { nodes: VIEW.hsdirs, kpHsBlindId: deriveKpHsBlindId(kpHsId, period), period };
      const [older, newer] = [VIEW.srvPrevious, VIEW.srvCurrent].map(srv =>
        responsibleHsDirs({ ...query, srv: srv!, replicas: 1, spread: 1 }).map(each =>
          toHex(each).toUpperCase(),
        ),
      );
      const runStart = VIEW.validAfter - (VIEW.validAfter % 240);
      const firstHalf = period.periodNum * 240 + 120 - 120 < runStart;
      expect(hsdirs).toEqual(firstHalf ? older : newer);
    }
    expect(fetchRing(view, NETWORK, kpHsId).hsdirs).toHaveLength(2);
  });

  it('stay within the bounds of tor when a parameter is out of range.', () => {
    const view = {
      ...VIEW,
      params: new Map([
        ['hsdir_n_replicas', 0],
        ['hsdir_spread_store', 4000],
      ]),
    };
    expect(publicationRings(view, NETWORK, kpHsId)[0]?.hsdirs).toHaveLength(3);
  });
});

describe('A network other than that of policy', () => {
  it('is named, and the same one is not.', () => {
    expect(networkMismatch(VIEW, NETWORK)).toBeUndefined();
    expect(networkMismatch(VIEW, testNetwork('other', 20))).toMatch(/consensus 10 s, policy 20 s/u);
    const real = { ...VIEW, freshUntil: VIEW.validAfter + 3600, params: new Map<string, number>() };
    expect(networkMismatch(real, TOR_NETWORK)).toBeUndefined();
    expect(networkMismatch({ ...real, params: new Map([['hsdir_interval', 720]]) }, TOR_NETWORK)).toMatch(
      /consensus 720 min, policy 1440 min/u,
    );
  });
});
