import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { coreFilesOf, listeningSockets } from '../pkcs11/listening.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { goodRequest } from './daemon/backends.ts';
import { moveToken } from './daemon/custody.ts';
import { PUBLISHER, SignerHome } from './daemon/home.ts';
import { ask } from './daemon/http.ts';
import { openWithStem } from './daemon/stem.ts';
import { scanProcess } from './memory-scan.ts';
import { keyholderPid } from './process-tree.ts';

// A whole signer whose period keys are inside the token: core, keyholder, the process that stays, SoftHSM.

let root: string;
let hsm: SoftHsm;
let home: SignerHome;
const PATIENT = { timeout: 120_000, interval: 50 };

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'period-keys-'));
  hsm = await createSoftHsm();
  home = new SignerHome(join(root, 'signer'), hsm);
  await home.configure({ runway: '1s', lines: ['period_keys: token'] });
  await home.succeed('token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048');
  await home.succeed('init');
  const lines = ['limits: { points: 2..6, min_backends: 2, requests: 3000/h }'];
  await home.addService('frontpage', { publisher: PUBLISHER, backends: ['box-1', 'box-2'], lines });
  await home.succeed('policy', 'apply', '--yes');
  await home.start();
}, 240_000);
afterAll(async () => {
  await home.dispose();
  await hsm.dispose();
  rmSync(root, { recursive: true, force: true });
});

const readiness = async (): Promise<number> =>
  (await ask(home.socket(), { method: 'GET', path: '/readyz', headers: {} })).status;
const isReady = async (): Promise<boolean> => (await readiness()) === 200;

/** The process that stays, as status names it. */
async function signingProcess(): Promise<number> {
  const { periodKeys = '' } = await home.operatorStatus();
  return Number(/, up: process (\d+) stays, with the PIN$/u.exec(periodKeys)?.[1]);
}

async function texts(): Promise<string[]> {
  const { descriptors } = await home.sign(goodRequest(home).request);
  return descriptors.map(({ text }) => text);
}

describe('a signer with its period keys in a token', { timeout: 240_000 }, () => {
  test('signs what stem opens, and says which process stays; the PIN is there and nowhere else', async () => {
    const made = await texts();
    expect(made.length).toBeGreaterThanOrEqual(2);
    for (const read of openWithStem(made, home.address('frontpage')))
      expect(read).toHaveProperty('revisionCounter');
    const pid = await signingProcess();
    expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toContain('signing-process');
    expect((await home.status()).periodKeys).toBeUndefined();
    expect((await home.command('status')).stdout).toContain(`process ${pid} stays, with the PIN`);
    const pin = { name: 'PIN', bytes: Buffer.from(readFileSync(hsm.pinFile, 'latin1').trim()) };
    expect(scanProcess(pid, [pin]).found).toContain('PIN');
    for (const other of [home.daemon.pid, await keyholderPid(home.daemon.pid)])
      expect(scanProcess(other, [pin]).found).toEqual([]);
  });

  test('opens no inspector in any process, whatever signal comes, and writes no memory into core files', async () => {
    const pids = [home.daemon.pid, await keyholderPid(home.daemon.pid), await signingProcess()];
    const before = pids.map(listeningSockets);
    for (const pid of pids) {
      expect(coreFilesOf(pid)).toEqual({ filter: 0, limit: '0' });
      process.kill(pid, 'SIGUSR1');
      process.kill(pid, 'SIGUSR2');
    }
    // All three work on; that an ordinary process listens after it is shown in process-guard.test.ts.
    expect((await texts()).length).toBeGreaterThanOrEqual(2);
    expect(pids.map(listeningSockets)).toEqual(before);
  });

  test('is not ready while its token is away, and signs again once it is back', async () => {
    const before = await signingProcess();
    await moveToken(hsm, 'out');
    await expect.poll(readiness, PATIENT).toBe(503);
    const status = await home.operatorStatus();
    expect(status.services[0]).toMatchObject({ state: 'down' });
    expect(status.breaker?.state).toBe('open');
    expect(status.breaker?.code).toMatch(/^TOKEN_/u);
    expect((await home.command('status')).stdout).toMatch(/^breaker {5}OPEN since .*: TOKEN_/mu);
    const { request } = goodRequest(home);
    expect((await home.ask(request)).status).toBe(503);
    await moveToken(hsm, 'back');
    await expect.poll(isReady, PATIENT).toBe(true);
    expect((await home.operatorStatus()).breaker).toEqual({ state: 'closed' });
    expect(await signingProcess()).not.toBe(before);
    expect((await texts()).length).toBeGreaterThanOrEqual(2);
  });

  test('is not ready while its token is silent, and is when it answers again', async () => {
    const pid = await signingProcess();
    process.kill(pid, 'SIGSTOP');
    await expect.poll(readiness, PATIENT).toBe(503);
    // Unless it was given up meanwhile.
    if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGCONT');
    await expect.poll(isReady, PATIENT).toBe(true);
    expect((await texts()).length).toBeGreaterThanOrEqual(2);
  });

  test('leaves no process behind, and finds its keys when it starts again', async () => {
    const keysBefore = new Set(signingKeys(await texts()));
    const pid = await signingProcess();
    await home.stop();
    await expect.poll(() => existsSync(`/proc/${pid}`), PATIENT).toBe(false);
    await home.start();
    await expect.poll(isReady, PATIENT).toBe(true);
    // Periods are short here: of two that are published one may be new.
    expect(signingKeys(await texts()).some(key => keysBefore.has(key))).toBe(true);
  });
});

/** The certificates of type 08 without what changes by the hour: version and type, then the key and its signer. */
function signingKeys(made: readonly string[]): string[] {
  return made.map(text => {
    const base64 = /-----BEGIN ED25519 CERT-----\n(.*?)-----END/su.exec(text)?.[1] ?? '';
    return Buffer.from(base64, 'base64').subarray(7, 39).toString('hex');
  });
}
