import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import type { MeasureReport } from '../../../src/signer/operator.ts';
import { goodRequest } from './backends.ts';
import { OTHER_PUBLISHER, PUBLISHER, type SignerHome } from './home.ts';
import { ask } from './http.ts';

/** An attacker has the publisher: what its operator does at once, with the daemon running and with it stopped. */
export function describeMeasures(homeOf: () => SignerHome): void {
  let home: SignerHome;
  beforeAll(async () => {
    home = homeOf();
    await home.start();
  });

  const take = async (...args: string[]): Promise<MeasureReport> =>
    JSON.parse(await home.succeed(...args, '--yes', '--json')) as MeasureReport;

  test('evict ends the live connection and the door, and the other publisher keeps both', async () => {
    await home.sign(goodRequest(home).request);
    const live = connect(home.socket());
    live.on('error', () => undefined);
    live.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(live, 'data');
    const closed = once(live, 'close');
    const { changed, settled, services } = await take('evict', PUBLISHER);
    expect([changed, settled]).toEqual([true, true]);
    const frontpage = services.find(({ service }) => service === 'frontpage');
    expect(frontpage?.exposureEnd).toBeGreaterThan(frontpage?.lastUse ?? Infinity);
    await closed;
    expect(existsSync(home.socket())).toBe(false);
    expect((await ask(home.socket(OTHER_PUBLISHER), { method: 'GET', path: '/healthz' })).status).toBe(200);
    expect((await home.command('status')).stdout).toContain(`evicted     ${PUBLISHER}`);
  });

  test('its eviction survives a restart, although signer.yaml and policy still name it', async () => {
    await home.stop();
    await home.start();
    expect(existsSync(home.socket())).toBe(false);
    expect(existsSync(home.socket(OTHER_PUBLISHER))).toBe(true);
    expect(await take('evict', PUBLISHER)).toMatchObject({ changed: false });
  });

  test('asks before it does anything', async () => {
    const asked = await home.command('readmit', PUBLISHER);
    expect([asked.code, asked.stderr.includes('DENIED')]).toEqual([1, true]);
    expect(existsSync(home.socket())).toBe(false);
  });

  test('readmit opens the door again at once', async () => {
    await take('readmit', PUBLISHER);
    expect(await home.sign(goodRequest(home).request)).toMatchObject({ service: 'frontpage' });
  });

  test('freeze stops one service, readiness and status say so, and a stopped signer is thawed', async () => {
    await take('freeze', 'frontpage');
    const refused = await home.ask(goodRequest(home).request);
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([503, { code: 'FROZEN' }]);
    expect((await ask(home.socket(), { method: 'GET', path: '/readyz' })).status).toBe(503);
    expect((await ask(home.socket(OTHER_PUBLISHER), { method: 'GET', path: '/readyz' })).status).toBe(200);
    const status = await home.command('status');
    expect([status.code, status.stdout]).toEqual([
      2,
      expect.stringMatching(/^frontpage +FROZEN +without signer until/mu),
    ]);
    await home.stop();
    await home.start('listening');
    expect((await home.ask(goodRequest(home).request)).status).toBe(503);
    await home.stop();
    expect(await take('thaw', 'frontpage')).toMatchObject({ changed: true, settled: true });
    await home.start();
    expect(await home.sign(goodRequest(home).request)).toMatchObject({ service: 'frontpage' });
    await home.stop();
  });
}
