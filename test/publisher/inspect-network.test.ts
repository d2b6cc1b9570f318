import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  formatOnionAddress,
  parseRelayEd25519Id,
  parseRelayFingerprint,
  sha256Hex,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import { type AddressQuery, inspectAddress, readUsableView } from '../../src/publisher/inspect-network.ts';
import { formatInspection } from '../../src/publisher/inspect-text.ts';
import { fetchRing, type NetworkView, publicationRings } from '../../src/publisher/network-view.ts';
import { forge, noise, NOON } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';
import { ScriptedPeer } from './scripted-peer.ts';

const NOW = NOON + 7200;
const { text, kpHsId } = forge();
const NEW = Buffer.from(text).toString('latin1');
const OLD = Buffer.from(forge({ at: NOON + 60 }).text).toString('latin1');
const ADDRESS = formatOnionAddress(kpHsId);
const LABEL = ADDRESS.slice(0, 56);

/** A network of 40 HSDirs: the 8 that store are 8. */
const VIEW: NetworkView = {
  validAfter: NOON + 3600,
  freshUntil: NOON + 7200,
  validUntil: NOON + 3 * 3600,
  srvCurrent: undefined,
  srvPrevious: undefined,
  params: new Map(),
  hsdirs: Array.from({ length: 40 }, (_, i) => ({
    fingerprint: parseRelayFingerprint(noise(`relay ${i}`, 20)),
    ed25519Id: parseRelayEd25519Id(noise(`identity ${i}`, 32)),
  })),
  candidates: 40,
};
const RING = publicationRings(VIEW, TOR_NETWORK, kpHsId)[0]?.hsdirs ?? [];
const ASKED = fetchRing(VIEW, TOR_NETWORK, kpHsId).hsdirs;

/** A text, a reason of tor's for having none, or nothing at all. */
type Answer = string | { readonly reason: string };
let folder = '';
let peer: ScriptedPeer;
let tor: ControlPort;
let heard: string[] = [];
let answerOf: (fingerprint: string) => Answer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cookie-'));
  writeFileSync(join(folder, 'cookie'), Buffer.alloc(32));
  heard = [];
  answerOf = () => NEW;
  peer = await ScriptedPeer.listenLines(line => {
    if (line.startsWith('PROTOCOLINFO')) return '250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE\r\n250 OK\r\n';
    const [, server] = /^HSFETCH \S+ SERVER=(\w+)$/u.exec(line) ?? [];
    if (server === undefined) return line.startsWith('AUTHENTICATE') ? '250 OK\r\n' : '551 No consensus\r\n';
    heard.push(server);
    return `250 OK\r\n${eventOf(server, answerOf(server))}`;
  });
  tor = await ControlPort.open(peer.endpoint, { cookiePath: join(folder, 'cookie') });
});
afterEach(() => {
  tor.close();
  peer.close();
  rmSync(folder, { recursive: true });
});

function eventOf(server: string, answer: Answer): string {
  if (answer === '') return '';
  if (typeof answer !== 'string')
    return `650 HS_DESC FAILED ${LABEL} NO_AUTH $${server}~x key REASON=${answer.reason}\r\n`;
  return `650+HS_DESC_CONTENT ${LABEL} key $${server}~x\r\n${answer.replaceAll('\n', '\r\n')}.\r\n650 OK\r\n`;
}

const ask = async (more: Partial<AddressQuery> = {}, view = VIEW) =>
  inspectAddress(tor, view, {
    address: ADDRESS,
    all: true,
    timeoutMs: 20_000,
    now: NOW,
    rng: () => 0,
    ...more,
  });
const only = (servers: readonly string[], answer: Answer) => (server: string) =>
  servers.includes(server) ? answer : NEW;

describe('Inspecting an address', () => {
  it('asks every HSDir that stores it, once, and says which of them clients ask.', async () => {
    const report = await ask();
    expect(heard.toSorted()).toEqual([...RING].sort());
    expect(RING).toHaveLength(8);
    expect(report).toMatchObject({ exitCode: 0, findings: [], client: { points: { length: 3 } } });
    expect(report.network).toMatchObject({
      address: ADDRESS,
      all: true,
      agree: true,
      shown: sha256Hex(text),
    });
    const clients = report.network?.hsdirs.filter(({ askedByClients }) => askedByClients);
    expect(clients?.map(({ fingerprint }) => fingerprint).sort()).toEqual([...ASKED].sort());
    expect(ASKED).toHaveLength(6);
    expect(formatInspection(report)).toContain('8 of 8 serve it, all that serve it agree');
  });

  it('without --all asks clients’ HSDirs until one has it.', async () => {
    answerOf = () => (heard.length < 3 ? '' : NEW);
    const report = await ask({ all: false, timeoutMs: 50 });
    expect(report.exitCode).toBe(0);
    expect(new Set(heard).size).toBe(2);
    expect(heard.every(server => ASKED.includes(server))).toBe(true);
    expect(report.network?.hsdirs.map(({ result, code }) => code ?? result)).toEqual(['TIMEOUT', 'served']);
  });

  it('says when HSDirs serve different texts, and shows the newest.', async () => {
    answerOf = only(RING.slice(2, 4), OLD);
    const report = await ask();
    expect(report).toMatchObject({
      exitCode: 1,
      network: { agree: false, shown: sha256Hex(text) },
      findings: [{ code: 'HSDIRS_DIFFER', reason: 'UPLOAD_UNDER_WAY' }],
    });
    expect(report.hsdir?.revisionCounter).toBe(/revision-counter (\d+)/u.exec(NEW)?.[1]);
    expect(formatInspection(report)).toContain('THEY DIFFER');
  });

  it('says when one counter stands in two texts.', async () => {
    const counter = BigInt(/revision-counter (\d+)/u.exec(NEW)?.[1] ?? 0);
    answerOf = only(RING.slice(0, 1), Buffer.from(forge({ counter, points: 2 }).text).toString('latin1'));
    expect((await ask()).findings).toMatchObject([{ code: 'HSDIRS_DIFFER', reason: 'TWO_WRITERS' }]);
  });

  it.each([
    ['NOT_FOUND', 'HSDIR_LACKS'],
    ['BAD_DESC', 'HSDIR_BAD_TEXT'],
    ['UNEXPECTED', 'HSDIR_SILENT'],
  ])('says for %s of one HSDir which it is.', async (reason, code) => {
    answerOf = only(RING.slice(0, 1), { reason });
    const { exitCode, findings } = await ask();
    expect({ exitCode, codes: findings.map(each => each.code) }).toEqual({ exitCode: 1, codes: [code] });
    expect(findings[0]?.message).toContain(RING[0]?.slice(0, 8));
  });

  it.each([
    ['NOT_FOUND', 'NOT_PUBLISHED'],
    ['UNEXPECTED', 'NOT_REACHED'],
  ])('ends with 2 when all say %s.', async (reason, why) => {
    answerOf = () => ({ reason });
    const report = await ask();
    expect(report).toMatchObject({ exitCode: 2, findings: [{ code: 'NOTHING_REACHED', reason: why }] });
    expect(report.network?.hsdirs).toHaveLength(8);
    expect(formatInspection(report)).toContain('0 of 8 serve it');
  });

  it('inspects a text that tor takes and our reader does not, with exit code 2.', async () => {
    answerOf = () => NEW.replace('lifetime 180', 'lifetime 20');
    const report = await ask();
    expect(report).toMatchObject({
      exitCode: 2,
      findings: [{ code: 'BAD_INTEGER', reason: 'BAD_VALUE', line: 2 }],
    });
    expect(report.network?.hsdirs[0]).not.toHaveProperty('revisionCounter');
  });

  it('judges publication by the consensus: clients ask by it too.', async () => {
    const report = await ask({ now: NOON + 37 * 3600 });
    expect(report.period).toMatchObject({ role: 'second', askedFor: true });
  });

  it('remarks that microdescriptors are missing.', async () => {
    const report = await ask({}, { ...VIEW, candidates: 42 });
    expect(report.remarks.map(({ code }) => code)).toEqual(['RING_INCOMPLETE']);
  });

  it('stops at a network with other time periods, and at the end of tor.', async () => {
    await expectCode('NETWORK_UNKNOWN', ask({}, { ...VIEW, params: new Map([['hsdir_interval', 720]]) }));
    tor.close();
    await expect(ask()).rejects.toMatchObject({ code: 'CONTROL_CLOSED' });
  });

  it('waits for no consensus.', async () => {
    await expectCode('CONSENSUS_MISSING', readUsableView(tor, NOW));
  });
});
