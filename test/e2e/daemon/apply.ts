import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { writeOnionKeyFiles } from '../../tor-network/onion-key-files.ts';
import { keyholderPid } from '../process-tree.ts';
import { goodRequest } from './backends.ts';
import type { SignerHome } from './home.ts';
import { ask } from './http.ts';
import { entriesSince } from './journal-entries.ts';

/** Asks until the keyholder has the list of the policy in force. */
async function settled(home: SignerHome): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const { ready, code } = await home.operatorStatus();
    if (ready) return;
    if (attempt > 300) throw new Error(`the signer stays ${code ?? 'not ready'}`);
    await sleep(100);
  }
}

/** How policy comes into force, whatever comes in between. `homeOf` gives a running signer. */
export function describeApply(homeOf: () => SignerHome): void {
  const serialOf = (said: string): number => Number(/policy (\d+) is in force/u.exec(said)?.[1]);
  const admin = (home: SignerHome): string => home.socket('admin');

  test('a policy that the journal took is in force although the keyholder hangs, which reads its list later', async () => {
    const home = homeOf();
    const before = (await home.operatorStatus()).policySerial;
    const from = home.daemon.lines.length;
    const keyholder = await keyholderPid(home.daemon.pid);
    process.kill(keyholder, 'SIGSTOP');
    try {
      const { code, stdout, stderr } = await home.command('policy', 'apply', '--yes');
      expect([code, serialOf(stdout)]).toEqual([1, before + 1]);
      expect(stderr).toContain('has not read its list yet');
      await home.daemon.waitFor('the policy', ({ msg }) => msg === 'policy in force', from);
    } finally {
      process.kill(keyholder, 'SIGCONT');
    }
    await settled(home);
    expect((await home.operatorStatus()).policySerial).toBe(before + 1);
    // Nothing is stuck.
    expect(serialOf(await home.succeed('policy', 'apply', '--yes'))).toBe(before + 2);
    await home.sign(goodRequest(home).request);
  });

  test('the same policy under its serial may be sent again, another one not', async () => {
    const home = homeOf();
    const { headers, body } = await ask(admin(home), { method: 'GET', path: '/policy', headers: {} });
    const put = async (text: string): Promise<number> => {
      const path = `/policy/${String(headers['policy-serial'])}`;
      const type = { 'content-type': 'application/octet-stream' };
      return (await ask(admin(home), { method: 'PUT', path, headers: type, body: text })).status;
    };
    expect(await put(body)).toBe(200);
    expect(await put(body)).toBe(200);
    expect(await put('{"version":2,"services":[]}\n')).toBe(500);
    expect(await home.stop()).toBe(0);
    const applied = entriesSince(home, 0).filter(({ kind }) => kind === 'policy');
    const serials = applied.map(entry => (entry.kind === 'policy' ? entry.serial : 0));
    expect(serials).toEqual([...new Set(serials)]);
  });

  test('a list that is newer than the journal refuses to start, and policy apply heals it', async () => {
    const home = homeOf();
    const [journal, older] = [join(home.state, 'journal.sqlite'), join(home.folder, 'before-apply')];
    await copyFile(journal, older);
    const lost = serialOf(await home.succeed('policy', 'apply', '--yes'));
    await copyFile(older, journal);
    expect(await home.startRefused()).toEqual({
      exit: 2,
      said: expect.stringMatching(/^POLICY_SERIAL: .*newer.*policy apply/mu) as string,
    });
    // Other bytes under a serial that the keyholder has seen would never be taken again.
    await home.configure({ deadline: '8s' });
    expect(serialOf(await home.succeed('policy', 'apply', '--yes'))).toBe(lost + 1);
    await home.start();
    await home.sign(goodRequest(home).request);
  });

  test('signer.yaml that names another network is refused until it is applied', async () => {
    const home = homeOf();
    expect(await home.stop()).toBe(0);
    const { intervalSeconds, ahead } = home.settings;
    await home.configure({ intervalSeconds: intervalSeconds + 5, ahead: '12min' });
    expect(await home.startRefused()).toEqual({
      exit: 2,
      said: expect.stringMatching(/^CONFIG_NOT_APPLIED: .*policy apply/mu) as string,
    });
    await home.configure({ intervalSeconds, ahead });
    await home.start();
  });

  test('a longer runway that was not applied costs no answer', async () => {
    const home = homeOf();
    const { runway } = home.settings;
    expect(await home.stop()).toBe(0);
    await home.configure({ runway: '40s' });
    await home.start();
    expect((await home.sign(goodRequest(home).request)).descriptors.length).toBeGreaterThanOrEqual(2);
    expect((await home.status()).runwaySeconds).toBe(1);
    await home.configure({ runway });
  });

  test('policy check finds what the keyholder would not take', async () => {
    const home = homeOf();
    const config = join(home.folder, 'signer.yaml');
    const good = await readFile(config, 'utf8');
    expect((await home.command('policy', 'check')).code).toBe(0);
    await writeFile(config, good.replace(home.hsm.uri, 'pkcs11:unheard-of'));
    const { code, stderr } = await home.command('policy', 'check');
    await writeFile(config, good);
    expect([code, stderr.split(':')[0]]).toEqual([2, 'URI_SYNTAX']);
  });

  test('a key is imported by a relative path', async () => {
    const home = homeOf();
    const folder = join(home.folder, 'imported');
    const address = await writeOnionKeyFiles(folder);
    const file = relative(process.cwd(), join(folder, 'hs_ed25519_secret_key'));
    expect(await home.succeed('key', 'import', 'imported', file, '--single-custodian')).toBe(address);
  });
}
