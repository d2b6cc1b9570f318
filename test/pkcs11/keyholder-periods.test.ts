import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TOR_NETWORK, certExpiryHours, testNetwork } from '../../src/descriptor/index.ts';
import type { Keyholder, KeyholderOptions } from '../../src/pkcs11/keyholder-service.ts';
import { OpeningBudget } from '../../src/pkcs11/opening-budget.ts';
import { aheadSeconds, runwaySeconds } from '../../src/pkcs11/sign-plan.ts';
import { openVouching } from '../../src/signer/contract/vouching.ts';
import { expectCodeOf } from './expect-code.ts';
import { type Rig, backendDescriptor, createRig, now, pointsOf, targetsAt } from './keyholder-rig.ts';

let rig: Rig;
let clock: number;
const open = (options: Partial<KeyholderOptions> = {}) => rig.keyholder({ clock: () => clock, ...options });
const seconds = () => Math.floor(clock / 1000);
const keysOf = (keyholder: Keyholder) =>
  keyholder.status().services.map(({ periods }) => periods.map(({ kpHsDescSign }) => kpHsDescSign));

const wordsOf = (keyholder: Keyholder) => keyholder.status().services.map(({ vouching }) => vouching);

beforeAll(async () => {
  rig = await createRig();
});
afterAll(() => rig.dispose());
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  rig.writeList();
});

describe('a period key', () => {
  test('is the same after a restart: one for each period', async () => {
    const first = open();
    await first.prepare();
    const keys = keysOf(first);
    expect(keys[0]?.length).toBeGreaterThan(2);
    const words = wordsOf(first);
    for (const word of words)
      expect(openVouching(word).key.name).toBe(first.status().checkpointVkey.split('+')[0]);
    first.close();
    const second = open({ openerFor: () => ({ open: () => Promise.reject(new Error('unused')) }) });
    expect([keysOf(second), wordsOf(second)]).toEqual([keys, words]);
    expect((await second.prepare()).map(each => each.errorCode)).toEqual(['', '']);
    second.close();
    // A later opening brings keys, and no other word for the same checkpoint key.
    rig.writeList({ aheadSeconds: 5 * 86_400 });
    const third = open();
    await third.prepare();
    expect(keysOf(third)).not.toEqual(keys);
    expect(wordsOf(third)).toEqual(words);
    third.close();
  });

  test('is destroyed when the list no longer names its service, and with the network', async () => {
    const keyholder = open();
    await keyholder.prepare();
    const full = rig.writeList();
    rig.writeList({ services: full.services.slice(1) });
    keyholder.reload();
    expect(keyholder.status().services.map(({ alias }) => alias)).toEqual(['beta']);
    rig.writeList();
    keyholder.reload();
    expect(keysOf(keyholder).map(keys => keys.length > 0)).toEqual([false, true]);
    rig.writeList({ profile: testNetwork('test', 20) });
    keyholder.reload();
    expect(keysOf(keyholder)).toEqual([[], []]);
    keyholder.close();
  });

  test('is asked for in vain before there is one', async () => {
    const keyholder = open();
    clock += 2000;
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1'));
    const order = {
      kpHsId: rig.alpha,
      listSerial: rig.listSerial,
      points: pointsOf(digest, 0),
      targets: targetsAt(seconds()),
    };
    await expectCodeOf('PERIOD_UNPREPARED', keyholder.sign(order));
    await keyholder.prepare();
    expect(await keyholder.sign(order)).toHaveLength(2);
    keyholder.close();
  });

  test('has the ladder of a test network too', async () => {
    const profile = testNetwork('test', 20);
    rig.writeList({ profile });
    clock = Date.now();
    const keyholder = open();
    const [alpha] = await keyholder.prepare();
    expect(alpha).toMatchObject({ errorCode: '', missingPeriods: 0 });
    expect(alpha?.certifiedPeriods).toBeGreaterThanOrEqual(4);
    expect(alpha?.certifiedPeriods).toBeLessThanOrEqual(6);
    expect(keyholder.status()).toMatchObject({ aheadSeconds: 1440, runwaySeconds: 1440, network: 'test' });
    expect(certExpiryHours(now())).toBeGreaterThan(0);
    keyholder.close();
  });
});

describe('how far ahead', () => {
  test('is what the list says on the public network, and the next periods on one with short ones', () => {
    const base = rig.writeList();
    expect([aheadSeconds(base), runwaySeconds(base)]).toEqual([3 * 86_400, 6 * 3600]);
    const short = { ...base, profile: testNetwork('test', 20) };
    expect([aheadSeconds(short), aheadSeconds({ ...short, aheadSeconds: 1 })]).toEqual([1440, 480]);
    expect([runwaySeconds(short), runwaySeconds({ ...short, runwaySeconds: 60 })]).toEqual([1440, 60]);
    expect(runwaySeconds({ ...base, aheadSeconds: 100 })).toBe(100);
  });
});

describe('the budget of openings', () => {
  test('is four in a voting interval', () => {
    const budget = new OpeningBudget(TOR_NETWORK);
    for (let i = 0; i < 4; i++) {
      expect(budget.allows(1000 + i)).toBe(true);
      budget.begin(1000 + i);
    }
    expect([budget.allows(1004), budget.allows(4599), budget.allows(4600)]).toEqual([false, false, true]);
  });

  test('pauses after failures, longer each time, until one succeeds', () => {
    const budget = new OpeningBudget(TOR_NETWORK);
    budget.fail(10_000);
    expect([budget.allows(10_059), budget.allows(10_060)]).toEqual([false, true]);
    budget.fail(10_060);
    expect([budget.allows(10_179), budget.allows(10_180)]).toEqual([false, true]);
    for (let i = 0; i < 20; i++) budget.fail(20_000);
    expect([budget.allows(23_599), budget.allows(23_600)]).toEqual([false, true]);
    budget.succeed();
    expect(budget.allows(20_001)).toBe(true);
  });

  test('is shorter where the voting interval is', () => {
    const budget = new OpeningBudget(testNetwork('test', 20));
    for (let i = 0; i < 4; i++) budget.begin(1000);
    expect([budget.allows(1019), budget.allows(1020)]).toEqual([false, true]);
  });

  test('is not locked by a clock that went ahead and came back', () => {
    const budget = new OpeningBudget(TOR_NETWORK);
    budget.begin(900_000);
    budget.fail(900_000);
    expect(budget.allows(1000)).toBe(true);
  });
});
