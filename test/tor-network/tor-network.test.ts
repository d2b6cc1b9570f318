import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import { connectThroughSocks, SocksError } from '../../src/publisher/socks.ts';
import { onionFetch } from './onion-fetch.ts';
import { startTorNetwork, type TorNetwork } from './tor-network.ts';

const ABSENT = 'pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion';

let network: TorNetwork;

beforeAll(async () => {
  network = await startTorNetwork({ backends: 2, consensusParams: 'sparse', holdBackends: true });
  expect(network.backends.map(backend => backend.running)).toEqual([false, false]);
  await Promise.all(network.backends.map(backend => backend.start()));
  await network.waitBackendsPublished();
});
afterAll(async () => network.stop());

/** Not for a zombie, which only waits for its parent to look. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /u.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('The private tor network', () => {
  it('brings a visitor to each backend at its own address.', async () => {
    for (const backend of network.backends) {
      expect(await network.fetch(backend.address)).toEqual({ status: 200, body: backend.name });
    }
  });

  it('has the consensus parameters that were voted, and all relays as directories.', async () => {
    const { controlPort, cookiePath } = network.publisher;
    const control = await ControlPort.open({ host: '127.0.0.1', port: controlPort }, { cookiePath });
    const key = 'dir/status-vote/current/consensus-microdesc';
    const { [key]: consensus, 'consensus/valid-after': validAfter } = await control.getInfo([
      key,
      'consensus/valid-after',
    ]);
    expect(consensus).toMatch(/^network-status-version 3 microdesc\n/u);
    expect(consensus).toContain(`valid-after ${validAfter}\n`);
    expect(/^params .*$/mu.exec(consensus)?.[0]).toContain(
      'hsdir_n_replicas=1 hsdir_spread_fetch=1 hsdir_spread_store=1',
    );
    expect(consensus.match(/^s .*HSDir/gmu)).toHaveLength(8);
    control.close();
  });

  it('gives the descriptor of a backend to HSFETCH, from one directory only.', async () => {
    const { control } = network.publisher;
    await control.setEvents(['HS_DESC', 'HS_DESC_CONTENT', 'STATUS_CLIENT', 'NEWCONSENSUS', 'SIGNAL']);
    const { 'ns/all': statuses } = await control.getInfo(['ns/all']);
    const fingerprints = [...statuses.matchAll(/^r \S+ (\S+) /gmu)].map(([, identity = '']) =>
      Buffer.from(identity, 'base64').toString('hex'),
    );
    const address = network.backends[0]!.address.slice(0, 56);
    const found: string[] = [];
    for (const fingerprint of fingerprints) {
      const content = control.waitFor(
        'HS_DESC_CONTENT',
        event => event.address === address && event.hsDir?.fingerprint === fingerprint.toUpperCase(),
      );
      await control.hsFetch(address, [fingerprint]);
      const { text } = await content;
      if (text !== '') found.push(text);
    }
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^hs-descriptor 3\n[^]*\nsignature [A-Za-z0-9+/]{86}\n$/u);
  });

  it('tells why an onion service was not reached.', async () => {
    await expect(network.fetch(ABSENT)).rejects.toMatchObject({ code: 'ONION_DESCRIPTOR_NOT_FOUND' });
    await expect(network.fetch(`${'a'.repeat(56)}.onion`)).rejects.toMatchObject({
      code: 'ONION_ADDRESS_INVALID',
    });
  });

  it('has a publisher whose SOCKS port reaches a backend on a stream of its own.', async () => {
    const proxy = { host: '127.0.0.1', port: network.publisher.socksPort };
    const host = network.backends[0]!.address;
    (await connectThroughSocks({ proxy, host, port: 80, isolation: 'probe-1' })).destroy();
    expect(await onionFetch(proxy, host, '/')).toEqual({ status: 200, body: 'backend1' });
  });

  it('shows a killed backend as unreachable, and reachable again after its start.', async () => {
    const backend = network.backends[1]!;
    const { pid } = backend;
    await backend.kill();
    expect(lives(pid)).toBe(false);
    const dead = network.fetch(backend.address, '/', { timeoutMs: 2000 });
    await expect(dead).rejects.toBeInstanceOf(SocksError);
    expect(await network.fetch(network.backends[0]!.address)).toMatchObject({ status: 200 });
    await backend.start();
    await backend.published();
    expect(await network.fetch(backend.address, '/', { newnym: true })).toEqual({
      status: 200,
      body: 'backend2',
    });
  });

  it('goes on to the next consensus.', async () => {
    const before = await network.publisher.consensusValidAfter();
    expect(await network.waitNextConsensus()).toBeGreaterThan(before);
    expect((await network.publisher.consensusValidAfter()) % network.votingIntervalSeconds).toBe(0);
  });

  it('makes its backends instances of a master address that became known later.', async () => {
    await network.setMaster(ABSENT);
    await network.waitBackendsPublished();
    for (const backend of network.backends) {
      const obConfig = await readFile(join(backend.hiddenServiceDirectory, 'ob_config'), 'utf8');
      expect(obConfig).toBe(`MasterOnionAddress ${ABSENT}\n`);
      const { 'config-text': text } = await backend.control.getInfo(['config-text']);
      expect(text).toContain('HiddenServiceOnionBalanceInstance 1');
    }
  });

  it('leaves no process and no folder behind.', async () => {
    const nodes = [
      network.client,
      network.publisher,
      ...network.authorities,
      ...network.relays,
      ...network.backends,
    ];
    const pids = nodes.map(node => node.pid);
    expect(pids.filter(lives)).toHaveLength(12);
    await network.stop();
    expect(pids.filter(lives)).toEqual([]);
    await expect(access(network.folder)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('When the process that owns a network ends', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lone-tor-'));
  });
  afterAll(async () => rm(folder, { recursive: true }));

  it.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('by %s, its tors end too.', async signal => {
    const owner = spawn(process.execPath, [join(import.meta.dirname, 'lone-tor.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface(owner.stdout);
    const [line] = (await once(lines, 'line')) as [string];
    const pid = Number(line);
    expect(lives(pid)).toBe(true);
    const ended = once(owner, 'exit');
    owner.kill(signal);
    expect(await ended).toEqual([null, signal]);
    await expect.poll(() => lives(pid), { timeout: 20_000, interval: 20 }).toBe(false);
  });
});
