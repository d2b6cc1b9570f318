import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { underMemoryLimit } from '../pkcs11/memory-limit.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { goodRequest } from './daemon/backends.ts';
import { PUBLISHER, SignerHome } from './daemon/home.ts';

// A whole signer, commands and daemon, on a host on which no memory can be locked.

let root: string;
let hsm: SoftHsm;
let home: SignerHome;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'unlocked-memory-'));
  hsm = await createSoftHsm();
  home = new SignerHome(join(root, 'signer'), hsm);
  home.launcher = [...underMemoryLimit(0), process.execPath];
  await home.configure({ runway: '1s' });
});
afterAll(async () => {
  await home.dispose();
  await hsm.dispose();
  rmSync(root, { recursive: true, force: true });
});

const NOTICE = 'notice: `locked_memory: swap-accepted`';

describe('a signer whose memory cannot be locked', { timeout: 600_000 }, () => {
  test('prepares no token and makes no state by default', async () => {
    const prepare = ['token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048'];
    for (const command of [prepare, ['init']]) {
      const { code, stderr } = await home.command(...command);
      expect(code).not.toBe(0);
      expect(stderr).toContain('LOCKED_MEMORY: ');
      expect(stderr).toContain('locked_memory: swap-accepted');
    }
    await home.succeed(...prepare, '--swap-accepted');
  });

  test('works when signer.yaml accepts it, and says so at each turn', async () => {
    await home.configure({ lines: ['locked_memory: swap-accepted'] });
    await home.succeed('init');
    await home.addService('frontpage', {
      publisher: PUBLISHER,
      backends: ['box-1', 'box-2'],
      lines: ['limits: { points: 2..6 }'],
    });
    expect((await home.command('policy', 'check')).stderr).toContain(NOTICE);
    const applied = await home.command('policy', 'apply', '--yes');
    expect(applied).toMatchObject({ code: 0 });
    expect(applied.stderr).toContain(NOTICE);
    const daemon = await home.start();
    expect((await home.sign(goodRequest(home).request)).descriptors.length).toBeGreaterThan(0);
    const status = await home.operatorStatus();
    expect(status.memory).toBe('NOT LOCKED, as locked_memory accepts: secrets can reach swap');
    expect((await home.command('status')).stdout).toContain(
      '\nmemory      NOT LOCKED, as locked_memory accepts',
    );
    // A publisher is not told.
    expect((await home.status()).memory).toBeUndefined();
    const warnings = daemon.lines.filter(
      ({ msg }) => msg === 'memory cannot be locked: secrets can reach swap',
    );
    expect(warnings).toHaveLength(1);
  });

  test('is given no list that asks for locked memory while it runs, and goes on signing', async () => {
    const { policySerial } = await home.status();
    await home.configure({ lines: [] });
    const { code, stderr } = await home.command('policy', 'apply', '--yes');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^LOCKED_MEMORY: .*restart/mu);
    expect((await home.status()).policySerial).toBe(policySerial);
    expect((await home.sign(goodRequest(home).request)).descriptors.length).toBeGreaterThan(0);
    // One that accepts it goes through.
    await home.configure({ lines: ['locked_memory: swap-accepted'] });
    expect(await home.command('policy', 'apply', '--yes')).toMatchObject({ code: 0 });
    expect(await home.stop()).toBe(0);
  });

  test('does not start any more once the list asks for locked memory, and does where it can be locked', async () => {
    await home.configure({ lines: [] });
    await home.succeed('policy', 'apply', '--yes');
    const { exit, said } = await home.startRefused();
    expect(exit).not.toBe(0);
    expect(said).toContain('LOCKED_MEMORY');
    home.launcher = [process.execPath];
    const daemon = await home.start();
    expect((await home.operatorStatus()).memory).toBe('locked');
    expect(daemon.lines.filter(({ msg }) => msg.includes('reach swap'))).toEqual([]);
  });
});
