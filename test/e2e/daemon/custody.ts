import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { listTokens } from '../../../src/pkcs11/administration-client.ts';
import { CKF_USER_PIN_COUNT_LOW } from '../../../src/pkcs11/pkcs11-constants.ts';
import { TokenClient } from '../../../src/pkcs11/token-client.ts';
import type { ServiceStatus } from '../../../src/signer/contract/requests.ts';
import type { SoftHsm } from '../../softhsm/create-softhsm.ts';
import type { LogLine } from '../managed-process.ts';
import { childrenOf, keyholderPid } from '../process-tree.ts';
import { goodRequest } from './backends.ts';
import type { SignerHome } from './home.ts';
import { ask, sayRaw } from './http.ts';
import { commonKeys } from './texts.ts';

const failedWith =
  (code: string) =>
  ({ msg, code: said }: LogLine): boolean =>
    msg === 'custody failed' && said === code;

/** Takes the token out of its reader, or puts it back. */
export async function moveToken({ folder }: SoftHsm, where: 'out' | 'back'): Promise<void> {
  const [here, away] = [join(folder, 'tokens'), join(folder, 'tokens-away')];
  if (where === 'out') {
    await rename(here, away);
    await mkdir(here, { mode: 0o700 });
  } else {
    await rm(here, { recursive: true });
    await rename(away, here);
  }
}

/** Asks until the operator's status of the service is as wanted. */
async function statusOnce(
  home: SignerHome,
  wanted: (status: ServiceStatus) => boolean,
): Promise<ServiceStatus> {
  for (let attempt = 0; ; attempt++) {
    const service = (await home.operatorStatus()).services.find(({ service }) => service === 'frontpage')!;
    if (wanted(service)) return service;
    if (attempt > 300) throw new Error(`the status stays ${JSON.stringify(service)}`);
    await sleep(100);
  }
}

const readiness = async (home: SignerHome): Promise<number> =>
  (await ask(home.socket(), { method: 'GET', path: '/readyz', headers: {} })).status;

/** The next token process of this daemon, as soon as it is there. */
async function tokenProcess(home: SignerHome): Promise<number> {
  const keyholder = await keyholderPid(home.daemon.pid);
  for (let attempt = 0; attempt < 2_000; attempt++) {
    const found = (await childrenOf(keyholder)).find(({ command }) => command.includes('token-process'));
    if (found !== undefined) return found.pid;
    await sleep(5);
  }
  throw new Error('the keyholder started no token process');
}

/** Sends `signal` to token processes until the log says `code`. Gives the ids of those that were hit. */
async function hitTokenProcess(
  home: SignerHome,
  signal: NodeJS.Signals,
  code: string,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<number[]> {
  const { daemon } = home;
  const hit: number[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const pid = await tokenProcess(home);
    const from = daemon.lines.length;
    process.kill(pid, signal);
    hit.push(pid);
    await meanwhile();
    const isWord = ({ msg }: LogLine): boolean => msg === 'custody failed' || msg === 'ready';
    const word = await daemon.waitFor('the next word of custody', isWord, from, 20_000);
    if (failedWith(code)(word)) return hit;
  }
  throw new Error(`no token process was hit by ${signal}`);
}

/** A token that goes away while period keys are there. `homeOf` gives a running signer. */
export function describeLostToken(homeOf: () => SignerHome): void {
  test('costs nothing at first: the daemon serves from its period keys, and says what is wrong', async () => {
    const home = homeOf();
    const slow = sayRaw(home.socket(), 'GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const before = await statusOnce(home, ({ state }) => state === 'ready');
    expect(before.code).toBeUndefined();
    await moveToken(home.hsm, 'out');
    // More periods are wanted now, for which the token must be opened.
    await home.configure({ ahead: '12min' });
    await home.succeed('policy', 'apply', '--yes');
    await home.daemon.waitFor('the failure', failedWith('TOKEN_NOT_FOUND'), 0, 20_000);
    expect((await home.sign(goodRequest(home).request)).descriptors.length).toBeGreaterThanOrEqual(2);
    const status = await home.operatorStatus();
    const during = status.services.find(({ service }) => service === 'frontpage')!;
    expect(during.code).toBe('TOKEN_NOT_FOUND');
    expect(during.certifiedUntil).toBeGreaterThan(status.now);
    const isLow = during.certifiedUntil! < status.now + status.aheadSeconds / 2;
    expect(during.state).toBe(isLow ? 'degraded' : 'ready');
    expect(await readiness(home)).toBe(200);
    const shown = await home.command('status');
    expect([shown.code, shown.stdout]).toEqual([isLow ? 1 : 0, expect.stringContaining('TOKEN_NOT_FOUND')]);
    await moveToken(home.hsm, 'back');
    const after = await statusOnce(home, ({ code }) => code === undefined);
    expect(after.state).toBe('ready');
    expect(after.certifiedUntil).toBeGreaterThan(before.certifiedUntil!);
    expect(await slow).toMatch(/^HTTP\/1\.1 408 [^]*"code":"REQUEST_TIMEOUT"/u);
  });
}

/** A signer without any period key. `homeOf` gives one that never ran. */
export function describeFirstOpening(homeOf: () => SignerHome): void {
  let home: SignerHome;
  let pinFile: string;
  beforeAll(() => {
    home = homeOf();
    pinFile = home.settings.pin.slice('file:'.length);
  });

  const isCountLow = async (): Promise<boolean> => {
    const { tokens } = await listTokens(home.hsm.modulePath, { env: home.hsm.env });
    const flags = tokens.find(({ label }) => label === home.hsm.label)?.flags ?? 0;
    return (flags & CKF_USER_PIN_COUNT_LOW) !== 0;
  };

  const expectUnavailable = async (): Promise<void> => {
    const answer = await home.ask(goodRequest(home).request);
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      503,
      expect.objectContaining({ code: 'CUSTODY_UNAVAILABLE', retryAfter: 10 }),
    ]);
    expect(await readiness(home)).toBe(503);
  };

  const expectDown = async (code: string): Promise<void> => {
    await expectUnavailable();
    const down = { state: 'down', origin: 'not opened yet' };
    for (const [{ ready, services }, said] of [
      [await home.operatorStatus(), code],
      [await home.status(), 'CUSTODY_UNAVAILABLE'],
    ] as const) {
      expect(ready).toBe(false);
      expect(services).toEqual([expect.objectContaining({ ...down, code: said })]);
    }
  };

  test('without its token a new signer is not ready and says why', async () => {
    expect(await isCountLow()).toBe(false);
    await moveToken(home.hsm, 'out');
    await home.start('not ready');
    await home.daemon.waitFor('the failure', failedWith('TOKEN_NOT_FOUND'));
    await expectDown('TOKEN_NOT_FOUND');
    expect((await home.command('status')).code).toBe(2);
  });

  test('a wrong PIN is tried once in its life: not by later rounds, requests or daemons', async () => {
    const right = await readFile(home.hsm.pinFile);
    await writeFile(pinFile, 'not the pin\n', { mode: 0o600 });
    expect(right.toString()).not.toContain('not the pin');
    await moveToken(home.hsm, 'back');
    await home.daemon.waitFor('the refusal', failedWith('PIN_INCORRECT'), 0, 20_000);
    expect(await isCountLow()).toBe(true);
    // Our own login clears the flag; the next wrong one would raise it again.
    const client = new TokenClient({ env: home.hsm.env });
    await client.seal({ tokens: [home.hsm.access()], ageRecipients: [], source: { kind: 'new' } });
    expect(await isCountLow()).toBe(false);
    for (let round = 0; round < 3; round++) {
      const from = home.daemon.lines.length;
      await expectDown('PIN_INCORRECT');
      await home.daemon.waitFor('another round', failedWith('PIN_INCORRECT'), from, 20_000);
    }
    expect(await home.stop()).toBe(0);
    await home.start('not ready');
    await home.daemon.waitFor('a round of the next daemon', failedWith('PIN_INCORRECT'), 0, 20_000);
    await expectDown('PIN_INCORRECT');
    expect(await isCountLow()).toBe(false);
  });

  test('a corrected PIN is tried; a token process that is killed on its way is started again', async () => {
    await writeFile(pinFile, await readFile(home.hsm.pinFile));
    await hitTokenProcess(home, 'SIGKILL', 'TOKEN_DEAD');
    await expectDown('TOKEN_DEAD');
  });

  test('one that hangs is killed at the deadline, and the daemon answers meanwhile', async () => {
    const hung = await hitTokenProcess(home, 'SIGSTOP', 'TOKEN_TIMEOUT', expectUnavailable);
    const running = (await childrenOf(await keyholderPid(home.daemon.pid))).map(({ pid }) => pid);
    for (const pid of hung) expect(running).not.toContain(pid);
  });

  test('and then the signer comes to life by itself', async () => {
    await home.daemon.waitFor('readiness', ({ msg }) => msg === 'ready', 0, 120_000);
    const { services } = await home.status();
    expect(services).toEqual([expect.objectContaining({ state: 'ready', origin: 'born here' })]);
    expect(services[0]?.code).toBeUndefined();
    expect(await readiness(home)).toBe(200);
  });

  test('a token process that is killed later costs no key that is there', async () => {
    const before = await home.sign(goodRequest(home).request);
    const { certifiedUntil } = (await home.status()).services[0]!;
    await home.configure({ ahead: '12min' });
    await Promise.all([
      home.succeed('policy', 'apply', '--yes'),
      hitTokenProcess(home, 'SIGKILL', 'TOKEN_DEAD'),
    ]);
    const during = await home.sign(goodRequest(home).request);
    const healed = await statusOnce(home, ({ code }) => code === undefined);
    expect(healed.certifiedUntil).toBeGreaterThan(certifiedUntil!);
    const after = await home.sign(goodRequest(home).request);
    for (const later of [during, after]) {
      const [old, kept] = commonKeys(home, before, later);
      expect(old.length).toBeGreaterThan(0);
      expect(kept).toEqual(old);
    }
  });
}
