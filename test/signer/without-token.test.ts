import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  TOR_NETWORK,
  openDescriptorWithNoble,
  publishablePeriods,
  sha256,
  timePeriod,
  toHex,
} from '../../src/descriptor/index.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { TokenOpener } from '../../src/pkcs11/openings.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import { exitCode, formatStatus } from '../../src/signer/commands/look.ts';
import { nextStep } from '../../src/signer/commands/custody-text.ts';
import type { StatusAnswer } from '../../src/signer/contract/requests.ts';
import { CustodyWatch } from '../../src/signer/custody-watch.ts';
import { collectMetrics } from '../../src/signer/metrics.ts';
import { signDescriptor } from '../../src/signer/sign-descriptor.ts';
import { describeStatus, isReady } from '../../src/signer/status.ts';
import { newRequestId } from '../e2e/daemon/backends.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { backendDescriptor, createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, PUBLISHER } from './core-rig.ts';
import { rejection } from './failure.ts';

// The token is taken out for as long as `ahead` lasts, and longer. Core, keyholder, state, token process and SoftHSM are
// real; their clock is moved, and the keyholder is started again now and then.

const HOUR = 3600;
const DAY = 86_400;
const AHEAD = 3 * DAY;
/** The core asks twice a minute; here it is enough, and each round without a token is two processes. */
const ROUND_HOURS = 8;

let rig: Rig;
let modules: MisbehavingModules;
let module: MisbehavingModule;
let inner: Keyholder;
let core: CoreRig;
let watch: CustodyWatch;
let clock: number;

/** The token process judges periods by the true clock: what it allows follows the moved one. */
function opener(): TokenOpener {
  const client = new TokenClient({ env: rig.hsm.env, deadlineMs: 120_000 });
  const moved = (): number => Math.max(0, clock - Math.floor(Date.now() / 1000));
  return {
    open: request => client.open({ ...request, horizonSeconds: request.horizonSeconds + moved() }),
    find: access => client.find(access),
  };
}
const start = (): Keyholder => {
  const token = opener();
  return rig.keyholder({ clock: () => clock * 1000, openerFor: () => token });
};

beforeAll(async () => {
  rig = await createRig();
  modules = compileMisbehavingModule();
  module = modules.create(rig.hsm.modulePath);
  clock = Math.floor(Date.now() / 1000);
  rig.writeList({
    aheadSeconds: AHEAD,
    tokens: [{ uri: `pkcs11:token=${rig.hsm.label}`, modulePath: module.modulePath }],
  });
  inner = start();
  core = new CoreRig(rig, inner, '{ points: 2..6, requests: 3000/h }');
  core.clock = () => clock;
  watch = new CustodyWatch(core.log, nextStep);
}, 120_000);
afterAll(async () => {
  inner.close();
  core.dispose();
  modules.dispose();
  await rig.dispose();
});

/** What the daemon does twice a minute. */
async function round(): Promise<StatusAnswer> {
  await inner.prepare();
  const status = await describeStatus(core.context, undefined);
  watch.note(status);
  return status;
}

function request() {
  const [period] = publishablePeriods(TOR_NETWORK, clock);
  const texts = ['a1', 'a2'].map(label =>
    backendDescriptor(label, { at: clock - 600, ...(period ? { period } : {}) }),
  );
  return {
    id: newRequestId(),
    service: 'alpha',
    points: texts.map(text => ({ evidence: toHex(sha256(text)), index: 0 })),
    evidence: texts.map(text => Buffer.from(text).toString('latin1')),
  };
}

/** A request as the publisher makes it; gives the signing key of each period. */
async function sign(): Promise<Map<number, string>> {
  const outcome = await signDescriptor(core.core, PUBLISHER, request());
  if (outcome.kind === 'denied') throw new Error(`denied: ${outcome.denied.rule}`);
  const keys = new Map<number, string>();
  for (const { text, period } of outcome.answer.descriptors) {
    const options = {
      kpHsId: rig.alpha,
      periods: [timePeriod(TOR_NETWORK, period.periodNum)],
      nowSeconds: clock,
    };
    const opened = openDescriptorWithNoble(Buffer.from(text, 'latin1'), options);
    keys.set(period.periodNum, toHex(opened.kpHsDescSign));
  }
  return keys;
}

const alphaOf = ({ services }: StatusAnswer) => {
  const found = services.find(({ service }) => service === 'alpha');
  if (found === undefined) throw new Error('status has no such service');
  return found;
};
const gauges = async (name: string) => {
  const families = await collectMetrics(core.context, core.folder, '0');
  return families.find(family => family.name === `onion_signer_${name}`)?.samples ?? [];
};
const logged = (msg: string) => core.lines.filter(line => line['msg'] === msg);

describe('a signer whose token is away', { timeout: 600_000 }, () => {
  let until: number;
  const keys = new Map<number, string>();

  test('has certified periods for all of `ahead`', async () => {
    const status = await round();
    expect(exitCode(status)).toBe(0);
    until = alphaOf(status).certifiedUntil ?? 0;
    expect(until).toBeGreaterThanOrEqual(clock + AHEAD);
    expect(alphaOf(status).opened).toEqual({ by: `pkcs11:token=${rig.hsm.label}`, at: clock });
    expect(status.breaker).toEqual({ state: 'closed' });
    expect(await gauges('custody_alarm')).toEqual([]);
    expect(await gauges('breaker_open')).toEqual([{ labels: {}, value: 0 }]);
  });

  test('answers every hour until they are over, with one key for each period, over restarts too', async () => {
    module.command('C_GetSlotList zero');
    const states = new Set<string>();
    const last = until - HOUR;
    for (let hour = 0; clock < last; hour++) {
      if (hour % ROUND_HOURS === 0) {
        const status = await round();
        const { state, code } = alphaOf(status);
        const isLow = until < clock + AHEAD / 2;
        // Nothing is wanted of the token at first.
        expect([state, exitCode(status)]).toEqual(isLow ? ['degraded', 1] : ['ready', 0]);
        if (isLow) expect(code).toBe('TOKEN_NOT_FOUND');
        expect(await gauges('custody_alarm')).toHaveLength(isLow ? 2 : 0);
        expect(logged('custody alarm')).toHaveLength(isLow ? 2 : 0);
        states.add(state);
      }
      if (hour % 24 === 12) {
        inner.close();
        inner = start();
        core.replace(inner);
      }
      // Not the very second of a text that lies on the shelf.
      clock = Math.min(last, clock + HOUR + 7);
      expect(await isReady(core.context, PUBLISHER)).toBe(true);
      for (const [periodNum, key] of await sign()) {
        expect(keys.get(periodNum) ?? key).toBe(key);
        keys.set(periodNum, key);
      }
    }
    expect([...states]).toEqual(['ready', 'degraded']);
    expect(keys.size).toBeGreaterThanOrEqual(4);
  });

  test('says so everywhere, and what to do', async () => {
    const status = await round();
    expect(exitCode(status)).toBe(1);
    expect(status.breaker).toMatchObject({ state: 'open', code: 'TOKEN_NOT_FOUND' });
    expect(status.breaker?.nextTry).toBeGreaterThanOrEqual(clock);
    expect(status.breaker?.nextTry).toBeLessThanOrEqual(clock + HOUR);
    expect(status.tokens).toMatchObject([{ code: 'TOKEN_NOT_FOUND', strangerTo: [] }]);
    const text = formatStatus(status);
    expect(text).toMatch(/^alpha {7}DEGRADED/mu);
    expect(text).toMatch(/ {2}problem {3}TOKEN_NOT_FOUND: .*insert it.*\n.*act before its keys end/u);
    expect(text).toMatch(/^tokens {6}pkcs11:token=\S+ {3}TOKEN_NOT_FOUND since .*: .*insert it/mu);
    expect(text).toMatch(/^breaker {5}OPEN since .*: TOKEN_NOT_FOUND, next try .*UTC$/mu);
    const [alarm] = logged('custody alarm');
    expect(alarm).toMatchObject({ service: 'alpha', code: 'TOKEN_NOT_FOUND' });
    expect(alarm?.['next']).toContain('insert it');
    expect(Date.parse(String(alarm?.['until']))).toBe(until * 1000);
    expect(logged('custody breaker open').at(-1)).toMatchObject({ code: 'TOKEN_NOT_FOUND' });
    expect(await gauges('breaker_open')).toEqual([{ labels: { code: 'TOKEN_NOT_FOUND' }, value: 1 }]);
    expect(await gauges('token_failing')).toMatchObject([{ labels: { place: '1' }, value: 1 }]);
    expect(await gauges('breaker_next_try_timestamp_seconds')).toHaveLength(1);
  });

  test('tells none of it to a publisher', async () => {
    const shown = await describeStatus(core.context, PUBLISHER);
    expect(shown.tokens).toBeUndefined();
    expect(shown.breaker).toBeUndefined();
    expect(alphaOf(shown).opened).toBeUndefined();
    expect(alphaOf(shown).code).toBe('CUSTODY_UNAVAILABLE');
  });

  test('ends with its last key: down, not ready, and a refusal that says why', async () => {
    clock = until + 60;
    const status = await round();
    expect(alphaOf(status)).toMatchObject({ state: 'down', code: 'TOKEN_NOT_FOUND' });
    expect(exitCode(status)).toBe(2);
    expect(await isReady(core.context, PUBLISHER)).toBe(false);
    expect((await rejection(sign())).code).toBe('CUSTODY_UNAVAILABLE');
    expect(await gauges('custody_alarm')).toHaveLength(2);
  });

  test('is well by itself when the token is back, at the next round after the pause', async () => {
    module.command();
    let rounds = 0;
    // The core asks twice a minute; the longest pause between two looks is five minutes.
    for (; rounds < 11 && alphaOf(await round()).state !== 'ready'; rounds++) clock += 30;
    expect(rounds).toBeLessThanOrEqual(11);
    const status = await round();
    expect(exitCode(status)).toBe(0);
    expect(alphaOf(status).certifiedUntil).toBeGreaterThanOrEqual(clock + AHEAD);
    expect(status.breaker).toEqual({ state: 'closed' });
    expect(status.tokens?.[0]).toMatchObject({ openedAt: alphaOf(status).opened?.at });
    expect(logged('custody alarm over')).toHaveLength(2);
    expect(logged('custody breaker closed').length).toBeGreaterThan(0);
    clock += 5;
    expect((await sign()).size).toBe(2);
  });
});
