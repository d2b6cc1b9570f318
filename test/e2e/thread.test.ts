import { spawn } from 'node:child_process';
import { mkdtemp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  deriveKpHsBlindId,
  openDescriptor,
  parseDescriptor,
  parseOnionAddress,
  publishablePeriods,
  testNetwork,
  type TimePeriod,
  timePeriod,
  toHex,
} from '../../src/descriptor/index.ts';
import { makeKnownIdentity } from './identity-needles.ts';
import { keyholderNeedles, keyholderPaths } from './keyholder-needles.ts';
import { keyholderPid } from './process-tree.ts';
import { scanFolder, scanProcess } from './memory-scan.ts';
import { buildStage, type Stage } from './stage.ts';
import { fetchAfterUpload } from './wrong-ring.ts';
import { Visitor } from './visitor.ts';

const VOTING_INTERVAL = 10;
const profile = testNetwork('private', VOTING_INTERVAL);
const STEM = fileURLToPath(new URL('../descriptor/stem-open.py', import.meta.url));
const now = (): number => Math.floor(Date.now() / 1000);

// One directory per descriptor in this network: a ring computed wrongly by one node makes every fetch fail.
describe('the whole thread: token, signer, publisher, stock tor', () => {
  const identity = makeKnownIdentity();
  let folder: string;
  let stage: Stage;
  let visitor: Visitor;
  let began: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onion-signer-thread-'));
    stage = await buildStage({ folder, identity: identity.file, network: { consensusParams: 'sparse' } });
    began = now();
    visitor = new Visitor(stage.network, stage.address);
  }, 240_000);

  afterAll(async () => {
    await visitor?.stop();
    await stage?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('a stock client reaches each of the three backends through the signed address', async () => {
    const reached = new Set<string>();
    for (let attempt = 1; reached.size < 3 && attempt <= 60; attempt++) {
      // Now and then the client forgets its descriptor: its newest text may have other points.
      const visit = { isolation: `reach-${attempt}`, newnym: attempt % 20 === 0 };
      reached.add((await stage.network.fetch(stage.address, '/', visit)).body);
    }
    expect([...reached].sort()).toEqual(stage.network.backends.map(({ name }) => name).sort());
  });

  it('a descriptor on any directory but the computed one is not found', async () => {
    const wrong = await fetchAfterUpload(stage.network, profile, { label: 'ring-wrong', wrong: true });
    expect(wrong).toBe('ONION_DESCRIPTOR_NOT_FOUND');
    // Positive control: from the right one it is found, and only its invented points fail.
    const right = await fetchAfterUpload(stage.network, profile, { label: 'ring-right', wrong: false });
    expect(right).toMatch(/^(?:ONION_INTRODUCTION|ONION_RENDEZVOUS|SOCKS_)/);
  }, 150_000);

  it('no process holds the identity, a blinded form of it or the PIN, and the keyholder alone its keys', async () => {
    const periods = publishablePeriods(profile, now());
    const pin = (await readFile(stage.hsm.pinFile, 'utf8')).trim();
    const needles = [...identity.needles(periods), { name: 'PIN', bytes: Buffer.from(pin) }];
    const kept = keyholderNeedles(keyholderPaths(join(stage.signerFolder, 'state')));
    // What publisher and core must have: the scan sees it there.
    const known = { name: 'address', bytes: Buffer.from(stage.address.slice(0, 56)) };

    const processes = {
      publisher: stage.publisher.pid,
      core: stage.signer.pid,
      keyholder: await keyholderPid(stage.signer.pid),
    };
    for (const [name, pid] of Object.entries(processes)) {
      const isKeyholder = name === 'keyholder';
      const all = isKeyholder ? needles : [...needles, ...kept, known];
      const { found, bytesRead } = scanProcess(pid, all);
      expect({ name, found }).toEqual({ name, found: isKeyholder ? [] : ['address'] });
      expect(bytesRead).toBeGreaterThan(10_000_000);
    }
    for (const home of [stage.signerFolder, stage.publisherFolder]) {
      const { found, filesRead } = scanFolder(home, needles);
      expect(found).toEqual([]);
      expect(filesRead).toBeGreaterThan(0);
    }

    // Positive controls: this process and a planted file hold every needle.
    const secrets = [...needles, ...kept];
    const own = scanProcess(process.pid, secrets).found;
    expect(secrets.map(({ name }) => name).filter(name => !own.includes(name))).toEqual([]);
    const planted = join(folder, 'planted');
    await mkdir(planted);
    await writeFile(join(planted, 'all'), Buffer.concat(needles.map(({ bytes }) => Buffer.from(bytes))));
    expect(scanFolder(planted, needles).found).toHaveLength(needles.length);
  });

  it('stem and the library open every uploaded text', async () => {
    const files = (await readdir(stage.recordFolder, { recursive: true, withFileTypes: true })).filter(each =>
      each.name.endsWith('.txt'),
    );
    expect(files.length).toBeGreaterThanOrEqual(2);
    const kpHsId = parseOnionAddress(stage.address);
    for (const file of files) {
      const path = join(file.parentPath, file.name);
      const text = await readFile(path);
      const opened = openDescriptor(text, { kpHsId, periods: periodsAround() });
      expect(opened.inner?.introductionPoints.length).toBeGreaterThanOrEqual(3);
      const read = await openWithStem(text.toString('utf8'), stage.address);
      expect(read.lifetime).toBe(180);
      expect(read.points).toHaveLength(opened.inner?.introductionPoints.length ?? 0);
    }
  });

  it('the publisher survives its restart, and a visitor notices nothing', async () => {
    expect(await stage.publisher.stop()).toBe(0);
    stage.startPublisher();
    await stage.publisher.waitFor('the signer', line => line.msg === 'the signer answered');
    await visitor.visitAfter(Date.now());
  }, 150_000);

  it('the signer survives its restart with the same period keys', async () => {
    const before = await signingKeys(stage);
    expect(await stage.signer.stop()).toBe(0);
    await stage.startSigner();
    const from = stage.publisher.lines.length;
    await stage.publisher.waitFor('an answer', line => line.msg === 'the signer answered', from);
    await stage.publisher.waitFor('an upload', line => line['result'] === 'uploaded', from);
    const after = await signingKeys(stage);
    for (const [period, key] of before) if (after.has(period)) expect(after.get(period)).toBe(key);
    expect([...after.keys()].some(period => before.has(period))).toBe(true);
    await visitor.visitAfter(Date.now());
  }, 150_000);

  it('the tor beside the publisher may restart', async () => {
    const from = stage.publisher.lines.length;
    await stage.network.publisher.restart();
    await stage.publisher.waitFor('its return', line => line.msg === 'connected to tor', from);
    await stage.publisher.waitFor('an upload', line => line['result'] === 'uploaded', from);
    await visitor.visitAfter(Date.now());
  }, 150_000);

  it('a change of the time period and of the shared random value is crossed without a failed fetch', async () => {
    // Twenty-four consensuses hold one change of either kind; the visitor comes in each of them.
    const until = began + 24 * VOTING_INTERVAL + 2 * VOTING_INTERVAL;
    const { client } = stage.network;
    while (now() < until) await client.consensusAfter(await client.consensusValidAfter());
    await visitor.visitAfter(Date.now());
    expect(visitor.failures).toEqual([]);
    expect(visitor.visits.length).toBeGreaterThanOrEqual(15);
    const periods = new Set((await signingKeys(stage)).keys());
    expect(periods.size).toBeGreaterThanOrEqual(3);
  }, 360_000);

  it('when a backend dies the descriptor follows and the page still opens', async () => {
    await visitor.stop();
    const [victim] = stage.network.backends;
    if (victim === undefined) throw new Error('there is no backend');
    const from = stage.publisher.lines.length;
    await victim.kill();
    await stage.publisher.waitFor(
      'the points to leave',
      line => line.msg === 'a backend is silent; its points leave' && line['backend'] === victim.name,
      from,
    );
    const left = stage.publisher.lines.length;
    await stage.published(left);
    await stage.network.newnym();
    const reached = new Set<string>();
    for (let attempt = 1; attempt <= 12; attempt++) {
      const { body } = await stage.network.fetch(stage.address, '/', { isolation: `after-${attempt}` });
      reached.add(body);
    }
    expect(reached.has(victim.name)).toBe(false);
    expect(reached.size).toBeGreaterThanOrEqual(1);
  }, 120_000);
});

/** Every period of which this run may have uploaded a text. */
function periodsAround(): TimePeriod[] {
  const newest = Math.max(...publishablePeriods(profile, now()).map(({ periodNum }) => periodNum));
  return [-4, -3, -2, -1, 0, 1].map(step => timePeriod(profile, newest + step));
}

/** What Debian's stem reads in a text; `refused` stands there when it does not open. */
async function openWithStem(
  text: string,
  address: string,
): Promise<{ lifetime?: number; points?: unknown[] }> {
  const child = spawn('/usr/bin/python3', [STEM], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify([{ text, address }]));
  const [read] = JSON.parse(await textOf(child.stdout)) as { lifetime?: number; points?: unknown[] }[];
  return read ?? {};
}

/** Period → descriptor signing key in every text that was uploaded so far. */
async function signingKeys(stage: Stage): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  const kpHsId = parseOnionAddress(stage.address);
  const blinded = new Map(
    periodsAround().map(period => [toHex(deriveKpHsBlindId(kpHsId, period)), period] as const),
  );
  for (const file of await readdir(stage.recordFolder, { recursive: true, withFileTypes: true })) {
    if (!file.name.endsWith('.txt')) continue;
    const { cert } = parseDescriptor(await readFile(join(file.parentPath, file.name)));
    const period = blinded.get(toHex(cert.signingKey));
    if (period === undefined) throw new Error('a text of no known period was uploaded');
    const key = toHex(cert.certifiedKey);
    const known = keys.get(String(period.periodNum));
    if (known !== undefined && known !== key) throw new Error('a period has two signing keys');
    keys.set(String(period.periodNum), key);
  }
  return keys;
}
