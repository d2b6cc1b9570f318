import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TOR_NETWORK, publishablePeriods, testNetwork } from '../../src/descriptor/index.ts';
import type { Keyholder, KeyholderOptions } from '../../src/pkcs11/keyholder-service.ts';
import { wantedPeriods } from '../../src/pkcs11/openings.ts';
import { ProvenTime } from '../../src/pkcs11/proven-time.ts';
import { type Rig, backendDescriptor, createRig, refusalOf, pointsOf } from './keyholder-rig.ts';

const DAY = 86_400;
const AHEAD = 3 * DAY;
let rig: Rig;
/** Milliseconds. */
let clock: number;
const open = (options: Partial<KeyholderOptions> = {}) => rig.keyholder({ clock: () => clock, ...options });
const second = () => Math.floor(clock / 1000);
const numbers = (keyholder: Keyholder) =>
  keyholder.status().services[0]?.periods.map(({ periodNum }) => periodNum) ?? [];
const wanted = (at: number) =>
  wantedPeriods(TOR_NETWORK, second(), at - second() + AHEAD).map(({ periodNum }) => periodNum);

/** Shows evidence that a backend made ten minutes before the clock. */
function show(keyholder: Keyholder): string {
  const [period] = publishablePeriods(TOR_NETWORK, second());
  if (period === undefined) throw new Error('no period');
  return keyholder.prove(rig.alpha, backendDescriptor('a1', { at: second() - 600, period })).digest;
}

beforeAll(async () => {
  rig = await createRig();
});
afterAll(() => rig.dispose());
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  rig.writeList();
});

describe('a period key whose window is over', () => {
  test('is kept while only the clock says so', async () => {
    const keyholder = open();
    await keyholder.prepare();
    const digest = show(keyholder);
    const before = numbers(keyholder);
    const start = clock;
    clock += 10 * DAY * 1000;
    keyholder.expire();
    expect(numbers(keyholder)).toEqual(before);
    // The clock comes back, and so does the key.
    clock = start + 2000;
    const target = { periodNum: before[0] ?? 0, variant: 0, second: second() };
    const order = {
      kpHsId: rig.alpha,
      listSerial: rig.listSerial,
      points: pointsOf(digest, 0),
      targets: [target],
    };
    expect(await keyholder.sign(order)).toHaveLength(1);
    const over = { ...order, targets: [{ ...target, periodNum: target.periodNum - 1 }] };
    expect((await refusalOf(() => keyholder.sign(over))).rule).toBe('HORIZON');
    keyholder.close();
  });

  test('is destroyed when evidence says so too, on disk as well', async () => {
    const keyholder = open();
    await keyholder.prepare();
    const [period] = keyholder.status().services[0]?.periods ?? [];
    if (period === undefined) throw new Error('no period');
    clock = (period.to + 3 * 3600) * 1000;
    keyholder.expire();
    expect(numbers(keyholder)[0]).toBe(period.periodNum);
    show(keyholder);
    keyholder.expire();
    expect(numbers(keyholder)[0]).toBe(period.periodNum + 1);
    keyholder.close();
    const again = open();
    expect(numbers(again)[0]).toBe(period.periodNum + 1);
    again.close();
  });
});

describe('a key beyond the horizon', () => {
  test('is destroyed once evidence agrees with a clock that was corrected', async () => {
    // The token process has the true clock, so that a longer `ahead` stands for a clock that was ahead.
    rig.writeList({ aheadSeconds: 5 * DAY });
    const longer = open();
    await longer.prepare();
    const all = numbers(longer);
    rig.writeList();
    longer.reload();
    longer.expire();
    expect(numbers(longer)).toEqual(all);
    show(longer);
    longer.expire();
    // Five minutes beyond are let be.
    expect(numbers(longer)).toEqual(wanted(second() + 300));
    expect(all.length).toBeGreaterThan(numbers(longer).length);
    longer.close();
  });
});

describe('PREPARE', () => {
  const codes = async (keyholder: Keyholder) => (await keyholder.prepare()).map(({ errorCode }) => errorCode);

  test('certifies nothing by a clock that is far from what evidence proved, and goes on when it is corrected', async () => {
    let asked = 0;
    const counting = () => {
      const client = rig.opener(() => {
        asked += 1;
      });
      return () => client;
    };
    const keyholder = open({ openerFor: counting() });
    await keyholder.prepare();
    expect(asked).toBe(1);
    show(keyholder);
    const start = clock;
    for (const jump of [AHEAD + DAY + 3 * 3600, -2 * DAY]) {
      clock = start + jump * 1000;
      expect(await codes(keyholder)).toEqual(['CLOCK_UNPROVEN', 'CLOCK_UNPROVEN']);
    }
    expect(asked).toBe(1);
    clock = start;
    expect(await codes(keyholder)).toEqual(['', '']);
    // A day without evidence is a day like any other; the token, with its own clock, is asked again.
    clock = start + DAY * 1000;
    expect(await codes(keyholder)).not.toContain('CLOCK_UNPROVEN');
    expect(asked).toBe(2);
    keyholder.close();
  });

  test('believes any clock before the first evidence', async () => {
    const keyholder = open();
    clock += 30 * DAY * 1000;
    // It is the token process, with the true clock, that refuses these periods.
    expect(await codes(keyholder)).toEqual(['PERIOD_REFUSED', 'PERIOD_REFUSED']);
    keyholder.close();
  });
});

describe('the proven time', () => {
  const NOW = 1_800_000_000;
  const list = () => ({ ...rig.writeList(), aheadSeconds: AHEAD });

  test('never goes back, and counts from when the evidence was made at the earliest', () => {
    const proven = new ProvenTime(0);
    proven.accept({ from: NOW + 0.5, to: NOW + 900 });
    proven.accept({ from: NOW - 5, to: NOW + 5000 });
    expect(proven.second).toBe(NOW);
  });

  test('survives a restart with the next signature', async () => {
    const keyholder = open();
    await keyholder.prepare();
    const digest = show(keyholder);
    clock += 2000;
    const [period] = publishablePeriods(TOR_NETWORK, second());
    const target = { periodNum: period?.periodNum ?? 0, variant: 0, second: second() };
    await keyholder.sign({
      kpHsId: rig.alpha,
      listSerial: rig.listSerial,
      points: pointsOf(digest, 0),
      targets: [target],
    });
    keyholder.close();
    clock += 10 * DAY * 1000;
    const again = open({ openerFor: () => ({ open: () => Promise.reject(new Error('unused')) }) });
    expect((await again.prepare()).map(({ errorCode }) => errorCode)).toEqual([
      'CLOCK_UNPROVEN',
      'CLOCK_UNPROVEN',
    ]);
    again.close();
  });

  test('agrees with the clocks that its evidence allows', () => {
    const proven = new ProvenTime(NOW);
    const agrees = [-301, -300, 14_400, 14_401].map(by => proven.agreesWith(TOR_NETWORK, NOW + by));
    expect(agrees).toEqual([false, true, true, false]);
    expect(new ProvenTime(0).agreesWith(TOR_NETWORK, NOW)).toBe(false);
  });

  test('allows openings from its skew before to one period beyond `ahead`', () => {
    const at = (by: number, profile = TOR_NETWORK) =>
      new ProvenTime(NOW).allowsOpening({ ...list(), profile }, NOW + by);
    const reach = AHEAD + DAY;
    expect([-301, -300, reach, reach + 1].map(by => at(by))).toEqual([false, true, true, false]);
    const short = testNetwork('test', 20);
    expect([4 * 480, 4 * 480 + 1].map(by => at(by, short))).toEqual([true, false]);
    expect(new ProvenTime(0).allowsOpening(list(), NOW + 10 * reach)).toBe(true);
  });
});
