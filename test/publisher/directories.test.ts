import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  deriveKpHsBlindId,
  encodeBase64Unpadded,
  encodeLinkSpecifiers,
  formatOnionAddress,
  parseRelayEd25519Id,
  parseRelayFingerprint,
  sha256Hex,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import {
  availablePoints,
  type BackendDescriptor,
  evidenceFault,
  fetchBackend,
  newerDescriptor,
} from '../../src/publisher/backends.ts';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import type { NetworkView } from '../../src/publisher/network-view.ts';
import { uploadDescriptor } from '../../src/publisher/upload.ts';
import { parseSignRequest } from '../../src/signer/contract/requests.ts';
import { forge, noise, NOON, PERIOD } from '../descriptor/forge.ts';
import { ScriptedPeer } from './scripted-peer.ts';

const HSDIR = 'A'.repeat(40);
const BACKEND = forge();
const ADDRESS = formatOnionAddress(BACKEND.kpHsId);
const LABEL = ADDRESS.slice(0, 56);
const BLINDED = encodeBase64Unpadded(deriveKpHsBlindId(BACKEND.kpHsId, PERIOD));
const NOW = NOON + 7200;

let folder = '';
let peer: ScriptedPeer;
let tor: ControlPort;
/** What the scripted tor says to a line; the lines that it got. */
let script: (line: string) => string = () => '';
let heard: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cookie-'));
  const cookiePath = join(folder, 'cookie');
  writeFileSync(cookiePath, Buffer.alloc(32));
  heard = [];
  script = () => '';
  peer = await ScriptedPeer.listenLines(line => {
    if (line.startsWith('PROTOCOLINFO')) return '250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE\r\n250 OK\r\n';
    if (line.startsWith('AUTHENTICATE')) return '250 OK\r\n';
    heard.push(line);
    return script(line);
  });
  tor = await ControlPort.open(peer.endpoint, { cookiePath });
});
afterEach(() => {
  tor.close();
  peer.close();
  rmSync(folder, { recursive: true });
});

describe('An upload to one HSDir', () => {
  const query = { address: ADDRESS, fingerprint: HSDIR, timeoutMs: 5000 };
  const upload = async (answers: string, more = {}) => {
    script = line => (line === '.' ? answers : '');
    return uploadDescriptor(tor, { ...query, ...more }, 'hs-descriptor 3\n');
  };

  it('names the HSDir and the address without .onion, and ends with UPLOADED.', async () => {
    expect(await upload(`250 OK\r\n650 HS_DESC UPLOADED ${LABEL} UNKNOWN $${HSDIR}~relay\r\n`)).toEqual({
      result: 'uploaded',
    });
    expect(heard[0]).toBe(`+HSPOST SERVER=${HSDIR} HSADDRESS=${LABEL}`);
  });

  it.each([
    ['UPLOAD_REJECTED', { result: 'rejected', code: 'UPLOAD_REJECTED' }],
    ['UNEXPECTED', { result: 'failed', code: 'UNEXPECTED' }],
    ['x', { result: 'failed', code: 'UNKNOWN' }],
  ])('ends with FAILED for the reason %s.', async (reason, outcome) => {
    const event = `650 HS_DESC FAILED ${LABEL} UNKNOWN $${HSDIR}~relay ${BLINDED} REASON=${reason}\r\n`;
    expect(await upload(`250 OK\r\n${event}`)).toEqual(outcome);
  });

  it('does not take the event of another HSDir or another address for its own.', async () => {
    const others = [
      `650 HS_DESC UPLOADED ${LABEL} UNKNOWN $${'B'.repeat(40)}~relay\r\n`,
      `650 HS_DESC UPLOADED ${'b'.repeat(56)} UNKNOWN $${HSDIR}~relay\r\n`,
      `650 HS_DESC REQUESTED ${LABEL} NO_AUTH $${HSDIR}~relay ${BLINDED} HSDIR_INDEX=00\r\n`,
    ];
    expect(await upload(`250 OK\r\n${others.join('')}`, { timeoutMs: 100 })).toEqual({ result: 'timeout' });
  });

  it.each([
    ['552 Server "x" not found', 'HSDIR_UNKNOWN'],
    ['554 Invalid descriptor', 'DESCRIPTOR_INVALID'],
    ['510 what?', 'REPLY_510'],
  ])('that tor refuses with %s has failed.', async (reply, code) => {
    expect(await upload(`${reply}\r\n`)).toEqual({ result: 'failed', code });
  });

  it('throws when the connection to tor ends, because nobody knows what became of it.', async () => {
    script = line => (line === '.' ? '250 OK\r\n' : '');
    const ending = uploadDescriptor(tor, query, 'hs-descriptor 3\n');
    await expect.poll(() => heard.at(-1)).toBe('.');
    peer.close();
    await expect(ending).rejects.toMatchObject({ code: 'CONTROL_CLOSED' });
    await expect(uploadDescriptor(tor, query, 'x\n')).rejects.toMatchObject({ code: 'CONTROL_CLOSED' });
  });

  it('ends when the publisher ends.', async () => {
    const ended = new AbortController();
    const ending = uploadDescriptor(tor, { ...query, signal: ended.signal }, 'hs-descriptor 3\n');
    ended.abort(new Error('stop'));
    await expect(ending).rejects.toThrow('stop');
    expect(tor.listenerCount('HS_DESC')).toBe(0);
  });
});

describe('Reading a backend', () => {
  const hsdirs = Array.from({ length: 9 }, (_, place) => ({
    fingerprint: parseRelayFingerprint(noise(`relay ${place}`, 20)),
    ed25519Id: parseRelayEd25519Id(noise(`identity ${place}`, 32)),
  }));
  const view: NetworkView = {
    validAfter: NOW,
    freshUntil: NOW + 3600,
    validUntil: NOW + 7200,
    srvCurrent: undefined,
    srvPrevious: undefined,
    params: new Map(),
    hsdirs,
    candidates: 9,
  };
  const fetch = async (rng: (below: number) => number = () => 0, timeoutMs = 5000) =>
    fetchBackend(tor, { view, profile: TOR_NETWORK, address: ADDRESS, timeoutMs, rng, now: () => NOW });

  const content = (line: string, text: string): string => {
    const server = /SERVER=(\w+)/u.exec(line)?.[1] ?? '';
    const data = text.replaceAll('\n', '\r\n');
    return `650+HS_DESC_CONTENT ${LABEL} ${BLINDED} $${server}~relay\r\n${data}.\r\n650 OK\r\n`;
  };
  const notFound = (line: string): string => {
    const server = /SERVER=(\w+)/u.exec(line)?.[1] ?? '';
    return `650 HS_DESC FAILED ${LABEL} NO_AUTH $${server}~relay ${BLINDED} REASON=NOT_FOUND\r\n${content(line, '\n')}`;
  };
  const TEXT = Buffer.from(BACKEND.text).toString('latin1');

  it('asks one responsible HSDir after another until one has the descriptor.', async () => {
    script = line => `250 OK\r\n${heard.length < 3 ? notFound(line) : content(line, TEXT)}`;
    const result = await fetch();
    expect(result).toMatchObject({ ok: true, descriptor: { text: TEXT, evidence: { period: PERIOD } } });
    expect(heard).toHaveLength(3);
    expect(new Set(heard).size).toBe(3);
    expect(heard.every(line => line.startsWith(`HSFETCH ${LABEL} SERVER=`))).toBe(true);
  });

  it('keeps every byte of a text that is not ASCII: in a request it is UTF-8.', async () => {
    const { text } = forge({
      editOuter: outer => outer.replace('\nrevision', '\nnote \u00c3\u00a9\nrevision'),
    });
    script = line => `250 OK\r\n${content(line, Buffer.from(text).toString('latin1'))}`;
    const result = await fetch();
    if (!result.ok) throw new Error(result.code);
    const { descriptor } = result;
    const [sent = ''] = parseSignRequest(
      Buffer.from(
        JSON.stringify({
          id: 'x'.repeat(16),
          service: 'frontpage',
          points: [{ evidence: descriptor.evidence.digest, index: 0 }],
          evidence: [descriptor.text],
        }),
      ),
    ).evidence;
    expect(sent).toContain('\nnote \u00e9\n');
    expect(sha256Hex(Buffer.from(sent, 'utf8'))).toBe(descriptor.evidence.digest);
  });

  it('begins anywhere.', async () => {
    script = line => `250 OK\r\n${content(line, TEXT)}`;
    await fetch(() => 0);
    await fetch(below => below - 1);
    expect(new Set(heard).size).toBe(2);
  });

  it('gives up when all six have nothing, and says why.', async () => {
    script = line => `250 OK\r\n${notFound(line)}`;
    expect(await fetch()).toEqual({ ok: false, code: 'NOT_FOUND' });
    expect(heard).toHaveLength(6);
  });

  it('goes on after silence and after a refusal of tor.', async () => {
    script = line => {
      if (heard.length === 1) return '250 OK\r\n';
      return heard.length === 2 ? '552 Server not found\r\n' : `250 OK\r\n${content(line, TEXT)}`;
    };
    expect(await fetch(() => 0, 100)).toMatchObject({ ok: true });
    expect(heard).toHaveLength(3);
  });

  it.each([
    ['of another service', Buffer.from(forge({ label: 'other' }).text).toString('latin1'), 'WRONG_PERIOD'],
    [
      'with a changed signature',
      Buffer.from(forge({ signDescriptor: () => noise('x', 64) }).text).toString('latin1'),
      'BAD_SIGNATURE',
    ],
    ['that is none', 'hello\n', expect.any(String) as string],
  ])('takes no text %s, even from tor.', async (_, text, code) => {
    script = line => `250 OK\r\n${content(line, text)}`;
    expect(await fetch()).toEqual({ ok: false, code });
  });

  it('throws when the connection to tor is over.', async () => {
    tor.close();
    await expect(fetch()).rejects.toMatchObject({ code: 'CONTROL_CLOSED' });
  });

  describe('keeps', () => {
    const descriptor = (at: number, period = PERIOD): BackendDescriptor => {
      const evidence = { period, revisionCounter: BigInt(at) } as BackendDescriptor['evidence'];
      return { evidence, text: `${at}` };
    };
    const next = { ...PERIOD, periodNum: PERIOD.periodNum + 1 };

    it.each([
      ['the first', undefined, descriptor(1), 1],
      ['the higher counter', descriptor(1), descriptor(2), 2],
      ['what it has when a stale copy comes', descriptor(2), descriptor(1), 2],
      ['the later period whatever its counter', descriptor(9), descriptor(1, next), 1],
      ['the later period when the earlier comes late', descriptor(1, next), descriptor(9), 1],
    ])('%s.', (_, before, fetched, kept) => {
      expect(newerDescriptor(before, fetched).text).toBe(`${kept}`);
    });
  });

  it('offers points with their place in the evidence, as long as it is fresh.', async () => {
    script = line => `250 OK\r\n${content(line, TEXT)}`;
    const result = await fetch();
    if (!result.ok) throw new Error(result.code);
    const { descriptor } = result;
    const points = availablePoints('torbox', descriptor);
    expect(points.map(({ backend, index, evidence }) => [backend, index, evidence])).toEqual(
      [0, 1, 2].map(index => ['torbox', index, descriptor.evidence.digest]),
    );
    expect(new Set(points.map(({ key }) => key)).size).toBe(3);
    expect(evidenceFault(descriptor, TOR_NETWORK, NOON + 3700)).toBeUndefined();
    expect(evidenceFault(descriptor, TOR_NETWORK, NOON + 6 * 3600)).toBe('EVIDENCE_STALE');
    expect(evidenceFault(descriptor, TOR_NETWORK, NOON - 3600)).toBe('EVIDENCE_FROM_FUTURE');
  });

  it('offers no point whose link specifiers are so long that others would find no room beside it.', async () => {
    const known = [
      { type: 0, data: noise('IPv4', 6) },
      { type: 1, data: noise('IPv6', 18) },
      { type: 2, data: noise('RSA', 20) },
      { type: 3, data: noise('Ed25519', 32) },
    ];
    const blocks = [known, [...known, { type: 9, data: noise('padding', 255) }]].map(encodeLinkSpecifiers);
    const { text } = forge({
      editPoint: (point, index) => ({ ...point, linkSpecifiers: blocks[index] ?? point.linkSpecifiers }),
    });
    script = line => `250 OK\r\n${content(line, Buffer.from(text).toString('latin1'))}`;
    const result = await fetch();
    if (!result.ok) throw new Error(result.code);
    expect(result.descriptor.evidence.points).toHaveLength(3);
    expect(availablePoints('torbox', result.descriptor).map(({ index }) => index)).toEqual([0, 2]);
  });
});
