import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishablePeriods } from '../../src/descriptor/index.ts';
import type { AuditReport } from '../../src/signer/audit/verify.ts';
import { nowSeconds } from '../e2e/daemon/backends.ts';
import { makeKnownIdentity } from '../e2e/identity-needles.ts';
import { buildStage, expectSuccess, type Stage } from '../e2e/stage.ts';
import { tryAttack } from './attack.ts';
import { ATTACKS } from './attacks.ts';
import { PROFILE, Thief, THIEF_STAGE } from './thief.ts';

// One product on one network meets them all, one after the other; each between two honest requests.
describe('who owns the publisher’s host', () => {
  const identity = makeKnownIdentity();
  let folder: string;
  let stage: Stage;
  let thief: Thief;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onion-signer-thief-'));
    stage = await buildStage({ ...THIEF_STAGE, folder, identity: identity.file });
    thief = await Thief.enter(stage, identity.needles(publishablePeriods(PROFILE, nowSeconds())));
    await thief.honest();
  }, 240_000);

  afterAll(async () => {
    await thief?.leave();
    await stage?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  test.each(ATTACKS.map(attack => [attack.title, attack] as const))(
    'gains nothing by %s',
    async (_, attack) => {
      const end = await tryAttack(thief, attack);
      expect(end).not.toBe('');
      process.stdout.write(`${attack.title}: ${end}\n`);
    },
    240_000,
  );

  test('leaves a log that holds, and a service that a client reaches', async () => {
    const args = ['audit', 'verify', '--json', '--address', stage.address];
    const report = JSON.parse(expectSuccess('audit', await stage.onionSigner(...args))) as AuditReport;
    expect(report).toMatchObject({ findings: [], unvouched: 0 });
    expect(report.texts.proven).toBeGreaterThan(0);
    await thief.leave();
    await stage.publisher.waitFor('an answer', ({ msg }) => msg === 'the signer answered');
    await stage.network.newnym();
    const { body } = await stage.network.fetch(stage.address, '/', { isolation: 'after-the-thief' });
    expect(stage.network.backends.map(({ name }) => name)).toContain(body);
  }, 240_000);
});
