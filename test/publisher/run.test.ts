import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBase64Unpadded, testNetwork } from '../../src/descriptor/index.ts';
import type { PublisherConfig } from '../../src/publisher/config.ts';
import { inspectDescriptor } from '../../src/publisher/inspect.ts';
import { createLog } from '../../src/publisher/log.ts';
import { type RunOptions, runPublisher } from '../../src/publisher/run.ts';
import type { ShelfEntry } from '../../src/publisher/shelf.ts';
import { type PublisherState, readState } from '../../src/publisher/state.ts';
import { judge } from '../../src/publisher/status.ts';
import { problemBody } from '../../src/signer/contract/problems.ts';
import { forge } from '../descriptor/forge.ts';
import { startTorNetwork, type TorNetwork } from '../tor-network/tor-network.ts';
import { send, signText, ToySigner } from './toy-signer.ts';

const PROFILE = testNetwork('toy', 10);
const SOON = { timeout: 50_000, interval: 100 };

let folder = '';
let network: TorNetwork;
let signer: ToySigner;
let config: PublisherConfig;
let running: { readonly stop: () => Promise<number> };
const lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'run-'));
  const { address } = new ToySigner({ socket: '', profile: PROFILE, backends: [] });
  network = await startTorNetwork({ backends: 2, consensusParams: 'sparse', masterAddress: address });
  await network.waitBackendsPublished();
  const socket = join(folder, 'signer.sock');
  const backends = network.backends.map(backend => ({ name: backend.name, address: backend.address }));
  signer = new ToySigner({ socket, profile: PROFILE, backends, step: 30, ahead: 6 });
  await signer.start();
  const { controlPort, socksPort, cookiePath } = network.publisher;
  config = {
    signers: [{ kind: 'unix', path: socket, name: `unix:${socket}` }],
    tor: {
      control: { host: '127.0.0.1', port: controlPort },
      socks: { host: '127.0.0.1', port: socksPort },
      cookieFile: cookiePath,
    },
    state: join(folder, 'state'),
    record: join(folder, 'record'),
    probe: { enabled: true, port: 80, timeout: 3, interval: 3 },
    only: undefined,
    metrics: undefined,
    textfile: undefined,
  };
});
afterAll(async () => {
  await running?.stop();
  await signer?.stop();
  await network?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const logger = createLog('info', {
  write: line => void lines.push(JSON.parse(line) as Record<string, unknown>),
});

function start(more: Partial<RunOptions> = {}) {
  const ended = new AbortController();
  const code = runPublisher({ config, logger, signal: ended.signal, ...more });
  return {
    code,
    stop: async () => {
      ended.abort(new Error('stop'));
      return code;
    },
  };
}

const state = (): PublisherState => readState(config.state)!;
const service = () => state().services[signer.service]!;
const exitCode = (): number => judge(state(), Date.now() / 1000).exitCode;
const holdings = () =>
  judge(state(), Date.now() / 1000).services[0]?.periods.map(({ current, ring }) => [current, ring]);

function recorded() {
  const record = join(folder, 'record');
  const read = (end: string) =>
    readdirSync(record)
      .filter(file => file.endsWith(end))
      .map(file => readFileSync(join(record, file)));
  const options = { address: signer.address, votingInterval: 10, now: Date.now() / 1000 };
  return {
    texts: read('.txt').map(text => inspectDescriptor(text, options)),
    notes: read('.json').map(note => JSON.parse(note.toString()) as { hsdirs: string[] }),
  };
}

async function visit(): Promise<string> {
  return (await network.fetch(signer.address, '/', { newnym: true, timeoutMs: 20_000 })).body;
}

describe('The publisher on a network of stock tor', () => {
  it('ends a dry run with what it found out, and uploads nothing.', async () => {
    expect(await start({ once: true, dryRun: true }).code).toBe(2);
    expect(lines.map(({ msg }) => msg)).toContain('dry run: the signer would sign');
    expect(lines.map(({ msg }) => msg)).not.toContain('an upload ended');
    expect(readState(config.state)).toBeUndefined();
    expect(signer.requests).toEqual([]);
  });

  it('brings a visitor to a backend through the address of the signer in one round.', async () => {
    expect(await start({ once: true }).code).toBe(0);
    expect(holdings()).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(signer.requests).toHaveLength(1);
    expect(new Set(signer.requests[0]?.points.map(({ evidence }) => evidence)).size).toBe(2);
    expect(await visit()).toMatch(/^backend[12]$/u);
  });

  it('records every text that it uploads, and who took it.', () => {
    const { texts, notes } = recorded();
    expect([texts.length, notes.length]).toEqual([2, 2]);
    for (const report of texts) {
      expect(report.client?.restricted).toBe(false);
      // The older period may have ended since its upload.
      expect(report.findings.filter(({ code }) => code !== 'PERIOD_OVER')).toEqual([]);
      expect(report.client?.points).toHaveLength(6);
    }
    expect(notes.map(({ hsdirs }) => hsdirs.length)).toEqual([1, 1]);
  });

  it('goes on where it stopped: no HSDir gets the same text again.', async () => {
    const before = lines.length;
    running = start();
    await expect.poll(() => state().running && state().tor.hsdirs, SOON).toBe(8);
    await expect.poll(exitCode, SOON).toBe(0);
    const asked = lines.slice(before).filter(({ msg }) => msg === 'asking the signer');
    expect(asked.filter(({ reason }) => reason !== 're-upload')).toEqual([]);
    const uploads = lines.slice(before).filter(({ msg }) => msg === 'an upload ended');
    expect(uploads.filter(({ reason }) => reason !== 're-upload')).toEqual([]);
  });

  it('uses no wrong answer of the signer, raises an alarm, and recovers.', async () => {
    const foreign = forge({ label: 'thief' }).inner.introductionPoints;
    signer.spoil = answer => ({
      ...answer,
      descriptors: answer.descriptors.map(text =>
        signText('toy', PROFILE, text.period, text.useFrom, foreign),
      ),
    });
    await network.backends[1]!.kill();
    await expect.poll(() => service().problems.map(({ severity }) => severity), SOON).toContain('alarm');
    await expect.poll(() => service().backends['backend2']?.silentSince, SOON).toBeDefined();
    expect(lines.some(({ alarm, code }) => alarm === true && code === 'ANSWER_POINTS')).toBe(true);
    signer.spoil = answer => answer;
    await expect.poll(() => service().points.length, SOON).toBe(3);
    await expect.poll(() => holdings()?.every(([current, ring]) => current === ring), SOON).toBe(true);
    await expect.poll(() => service().problems.map(({ severity }) => severity), SOON).not.toContain('alarm');
    expect(await visit()).toBe('backend1');
    const published = recorded().texts.flatMap(
      ({ client }) => client?.points.map(({ authKey }) => authKey) ?? [],
    );
    expect(new Set(published).size).toBeGreaterThanOrEqual(6);
    for (const { authKey } of foreign) expect(published).not.toContain(encodeBase64Unpadded(authKey));
  });

  it('takes a backend back that answers again.', async () => {
    await network.backends[1]!.start();
    await network.backends[1]!.published();
    await expect.poll(() => service().points.length, SOON).toBe(6);
    await expect.poll(exitCode, SOON).toBe(0);
  });

  it('leaves a backend out whose descriptor the signer refuses, and tries it again.', async () => {
    signer.refused = 'backend2';
    await expect.poll(() => service().backends['backend2']?.refused?.code, SOON).toBe('EVIDENCE_INVALID');
    await expect.poll(() => service().points.length, SOON).toBe(3);
    await expect
      .poll(() => service().problems.map(({ code, detail }) => `${code} ${detail}`), SOON)
      .toContainEqual(expect.stringMatching(/^BACKEND-REFUSED backend2: EVIDENCE_INVALID/u));
    await expect.poll(() => service().backends['backend2']?.refused?.failures, SOON).toBeGreaterThan(1);
    expect(await visit()).toBe('backend1');
    signer.refused = undefined;
    await expect.poll(() => service().points.length, SOON).toBe(6);
    expect(service().backends['backend2']?.refused).toBeUndefined();
    await expect.poll(exitCode, SOON).toBe(0);
  });

  it('serves on while the signer is dead, over a restart of its own and of tor.', async () => {
    await signer.stop();
    expect(await running.stop()).toBe(0);
    expect(state().running).toBe(false);
    running = start();
    await expect.poll(() => state().tor.connected, SOON).toBe(true);
    await expect.poll(() => Object.values(state().signers)[0]?.code, SOON).toBe('SIGNER_CONNECT');
    const { since } = state().tor;
    await network.publisher.restart();
    await expect.poll(() => state().tor.connected && state().tor.since > since, SOON).toBe(true);
    expect(exitCode()).toBe(1);
    expect(await visit()).toMatch(/^backend[12]$/u);
    await signer.start();
    await expect.poll(() => Object.values(state().signers)[0]?.reachable, SOON).toBe(true);
  });

  it('serves no text of other settings on, not even while the signer has no new one.', async () => {
    const path = join(config.state, 'shelf', `${signer.service}.json`);
    const shelf = () => (JSON.parse(readFileSync(path, 'utf8')) as { entries: ShelfEntry[] }).entries;
    expect(new Set(shelf().map(({ settings }) => settings))).toEqual(new Set([1]));
    signer.answer = ({ url }, _, response) => {
      if (url === '/v1/descriptors') send(response, 503, problemBody('NOT_READY'));
      return url === '/v1/descriptors';
    };
    signer.settings = 2;
    await expect.poll(shelf, SOON).toEqual([]);
    await expect
      .poll(() => Object.values(service().periods).filter(({ serving }) => serving), SOON)
      .toEqual([]);
    signer.answer = undefined;
    await expect.poll(() => service().settings, SOON).toBe(2);
    await expect.poll(() => holdings()?.every(([current, ring]) => current === ring), SOON).toBe(true);
    expect(new Set(shelf().map(({ settings }) => settings))).toEqual(new Set([2]));
    expect(lines.some(({ reason }) => reason === 'settings-changed')).toBe(true);
  });

  it('drops a service that the signer no longer names.', async () => {
    signer.answer = ({ url }, _, response) => {
      if (url === '/v1/services') response.end('{"services":[]}');
      return url === '/v1/services';
    };
    await expect.poll(() => Object.keys(state().services), SOON).toEqual([]);
    expect(readdirSync(join(config.state, 'shelf'))).toEqual([]);
  });

  it('has logged neither an address nor a key nor an HSDir.', () => {
    const log = JSON.stringify(lines);
    expect(log).toContain('"service":"frontpage"');
    for (const address of [signer.address, ...network.backends.map(backend => backend.address)]) {
      expect(log).not.toContain(address.slice(0, 56));
    }
    expect(log).not.toMatch(/[0-9A-Fa-f]{40}/u);
    expect(log).not.toMatch(/[A-Za-z0-9+/]{43}/u);
  });
});
