import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  TOR_NETWORK,
  publicationWindow,
  publishablePeriods,
  timePeriod,
  timePeriodAt,
} from '../../src/descriptor/index.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { identity } from '../descriptor/forge.ts';
import { expectCodeOf } from './expect-code.ts';
import {
  type Rig,
  backendDescriptor,
  createRig,
  refusalOf,
  now,
  pointsOf,
  targetsAt,
} from './keyholder-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
/** Milliseconds; the keyholder starts at it and tests move it on. */
let clock: number;
let evidence: string;
/** The descriptor that `evidence` names. */
let shown: Uint8Array;

const second = () => Math.floor(clock / 1000);
const sign = (points = pointsOf(evidence, 0, 1), targets = targetsAt(second()), kpHsId = rig.alpha) =>
  keyholder.sign({ kpHsId, listSerial: keyholder.status().listSerial, points, targets });
const ruleOf = async (act: () => unknown) => (await refusalOf(act)).rule;
const backendKey = (label: string) => identity(label).kpHsId;
const periodAt = (at: number) => timePeriodAt(TOR_NETWORK, at);

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  clock = Date.now();
  const first = rig.keyholder({ clock: () => clock });
  await first.prepare();
  first.close();
});
afterAll(() => rig.dispose());

beforeEach(() => {
  rig.writeList();
  clock = Math.max(clock, Date.now()) + 10_000;
  keyholder = rig.keyholder({ clock: () => clock });
  clock += 5000;
  shown = backendDescriptor('a1');
  evidence = keyholder.prove(rig.alpha, shown).digest;
});
afterEach(() => keyholder.close());

describe('the number of points', () => {
  test('is within the list, and at least one', async () => {
    rig.writeList({}, { minPoints: 2, maxPoints: 3 });
    keyholder.reload();
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1', { points: 4 }));
    expect(await ruleOf(() => sign(pointsOf(digest, 0)))).toBe('POINT-COUNT');
    expect(await ruleOf(() => sign(pointsOf(digest, 0, 1, 2, 3)))).toBe('POINT-COUNT');
    expect(await ruleOf(() => sign([]))).toBe('POINT-COUNT');
    expect(await sign(pointsOf(digest, 0, 1))).toHaveLength(2);
    clock += 1000;
    expect(await sign(pointsOf(digest, 0, 1, 2))).toHaveLength(2);
  });

  test('is 20 at most whatever the list says', async () => {
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1', { points: 20 }));
    const { digest: more } = keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 1 }));
    const twenty = pointsOf(digest, ...Array.from({ length: 20 }, (_, i) => i));
    expect(await ruleOf(() => sign([...twenty, ...pointsOf(more, 0)]))).toBe('POINT-COUNT');
    expect(await sign(twenty)).toHaveLength(2);
  });

  test('counts each point once', async () => {
    expect(await ruleOf(() => sign(pointsOf(evidence, 0, 0)))).toBe('POINT-UNIQUE');
    const again = keyholder.prove(rig.alpha, backendDescriptor('a1', { at: now() - 601 })).digest;
    expect(await ruleOf(() => sign([...pointsOf(evidence, 0), ...pointsOf(again, 0)]))).toBe('POINT-UNIQUE');
    expect(await sign([...pointsOf(evidence, 0), ...pointsOf(again, 1)])).toHaveLength(2);
  });

  test('counts each auth key once', async () => {
    const first = backendDescriptor('a1', { points: 1 });
    const { digest } = keyholder.prove(rig.alpha, first);
    const editPoint = (
      point: Parameters<NonNullable<Parameters<typeof backendDescriptor>[1]>['editPoint'] & object>[0],
    ) => ({
      ...point,
      linkSpecifiers: Uint8Array.from([1, 0, 6, 127, 0, 0, 1, 0, 1]),
    });
    const { digest: moved } = keyholder.prove(rig.alpha, backendDescriptor('a1', { points: 2, editPoint }));
    expect(await ruleOf(() => sign([...pointsOf(digest, 0), ...pointsOf(moved, 0)]))).toBe('POINT-UNIQUE');
    expect(await sign([...pointsOf(digest, 0), ...pointsOf(moved, 1)])).toHaveLength(2);
  });
});

describe('backends', () => {
  const other = () => keyholder.prove(rig.alpha, backendDescriptor('a2')).digest;

  test('MIN-BACKENDS: the points come from as many as the list says', async () => {
    rig.writeList({}, { minBackends: 2 });
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    const again = keyholder.prove(rig.alpha, backendDescriptor('a1', { at: now() - 700 })).digest;
    // Two descriptors of one backend are one backend.
    const denial = await refusalOf(() => sign([...pointsOf(evidence, 0), ...pointsOf(again, 1)]));
    expect(denial).toEqual({ rule: 'MIN-BACKENDS', observed: '1', limit: 'at least 2' });
    expect(await sign([...pointsOf(evidence, 0), ...pointsOf(other(), 0)])).toHaveLength(2);
  });

  test('INTRO-SHARE: none has more points than the list says, over all of its descriptors', async () => {
    rig.writeList({}, { maxPointsPerBackend: 2 });
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    const again = keyholder.prove(rig.alpha, backendDescriptor('a1', { at: now() - 700 })).digest;
    const two = pointsOf(evidence, 0, 1);
    expect((await refusalOf(() => sign([...two, ...pointsOf(again, 2)]))).rule).toBe('INTRO-SHARE');
    expect(await sign([...two, ...pointsOf(other(), 0, 1)])).toHaveLength(2);
  });
});

describe('SIGN-RATE', () => {
  test('counts orders and texts, refuses what is beyond policy, and does not begin anew with a restart', async () => {
    const start = clock;
    const proven = (label: string, kpHsId = rig.alpha) => {
      const [, period] = publishablePeriods(TOR_NETWORK, second());
      const text = backendDescriptor(label, { at: second(), ...(period ? { period } : {}) });
      return keyholder.prove(kpHsId, text).digest;
    };
    rig.writeList({}, { requestsPerHour: 2 });
    keyholder.reload();
    // Beyond what the tests before have spent.
    clock += 3_600_000;
    evidence = proven('a1');
    expect(await sign()).toHaveLength(2);
    // Refused orders are not counted.
    expect(await ruleOf(() => sign())).toBe('ONE-PER-SECOND');
    clock += 1000;
    expect(await sign()).toHaveLength(2);
    clock += 1000;
    expect(await ruleOf(() => sign())).toBe('SIGN-RATE');
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    clock += 1000;
    evidence = proven('a1');
    expect(await ruleOf(() => sign())).toBe('SIGN-RATE');
    const other = pointsOf(proven('b1', rig.beta), 0);
    expect(await sign(other, targetsAt(second()), rig.beta)).toHaveLength(2);
    clock += 3_540_000;
    evidence = proven('a1');
    expect(await sign()).toHaveLength(2);
    clock = start;
  });
});

describe('time', () => {
  const [older, newer] = [0, 1].map(i => () => publishablePeriods(TOR_NETWORK, second())[i]?.periodNum ?? 0);
  const at = (seconds: number, periodNum = newer?.() ?? 0) => [{ periodNum, variant: 0, second: seconds }];

  test('RUNWAY: a second lies at most two behind the clock and at most the runway ahead', async () => {
    clock += 60_000;
    const points = pointsOf(evidence, 0);
    expect(await ruleOf(() => sign(points, at(second() - 3)))).toBe('RUNWAY');
    expect(await sign(points, at(second() - 2))).toHaveLength(1);
    expect(await ruleOf(() => sign(points, at(second() + 6 * 3600 + 1)))).toBe('RUNWAY');
    expect(await sign(points, at(second() + 6 * 3600))).toHaveLength(1);
  });

  test('PERIOD-WINDOW: a second lies in the window of its period', async () => {
    rig.writeList({ runwaySeconds: 86_400 });
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    const period = timePeriod(TOR_NETWORK, older?.() ?? 0);
    const { to } = publicationWindow(TOR_NETWORK, period);
    expect(await ruleOf(() => sign(pointsOf(evidence, 0), at(to, period.periodNum)))).toBe('PERIOD-WINDOW');
    expect(await sign(pointsOf(evidence, 0), at(to - 1, period.periodNum))).toHaveLength(1);
    // The next period is certified already, but nobody publishes it yet.
    const next = periodAt(second() + 86_400).periodNum + 1;
    expect(['PERIOD-WINDOW']).toContain(await ruleOf(() => sign(pointsOf(evidence, 0), at(second(), next))));
  });

  test('HORIZON: no period beyond `ahead`, none that is over, and none that cannot be', async () => {
    const current = periodAt(second()).periodNum;
    for (const periodNum of [current + 6, current + 365, current - 3, 2 ** 40]) {
      expect(await ruleOf(() => sign(pointsOf(evidence, 0), at(second(), periodNum)))).toBe('HORIZON');
    }
    expect(await sign(pointsOf(evidence, 0), at(second(), current))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: a second is spent once for each key, also within one order', async () => {
    const points = pointsOf(evidence, 0);
    expect(await sign(points, at(second()))).toHaveLength(1);
    expect(await ruleOf(() => sign(points, at(second())))).toBe('ONE-PER-SECOND');
    expect(await sign(points, at(second(), older?.()))).toHaveLength(1);
    expect(await ruleOf(() => sign(points, [...at(second() + 1), ...at(second() + 1)]))).toBe(
      'ONE-PER-SECOND',
    );
    expect(await sign(points, at(second() + 1))).toHaveLength(1);
  });

  test('VARIANT: there is one, because its counter would be the same', async () => {
    const points = pointsOf(evidence, 0);
    const variant = (number: number) => at(second()).map(target => ({ ...target, variant: number }));
    for (const number of [1, 2, 65_535]) {
      const denial = await refusalOf(() => sign(points, [...variant(0), ...variant(number)]));
      expect(denial).toMatchObject({ rule: 'VARIANT', observed: `variant ${number}` });
    }
    expect(await sign(points, variant(0))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: a refused order spends nothing', async () => {
    expect(await ruleOf(() => sign(pointsOf(evidence, 0), [...at(second()), ...at(second() - 9)]))).toBe(
      'RUNWAY',
    );
    expect(await sign(pointsOf(evidence, 0), at(second()))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: nothing is signed for the second of the start or before', async () => {
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    keyholder.prove(rig.alpha, shown);
    const points = pointsOf(evidence, 0);
    expect(await ruleOf(() => sign(points, at(second())))).toBe('ONE-PER-SECOND');
    expect(await ruleOf(() => sign(points, at(second() - 1)))).toBe('ONE-PER-SECOND');
    expect(await sign(points, at(second() + 1))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: a clock that was ahead at the start forbids nothing once it is corrected', async () => {
    const points = pointsOf(evidence, 0);
    expect(await sign(points, at(second()))).toHaveLength(1);
    keyholder.close();
    clock += 2 * 3_600_000;
    keyholder = rig.keyholder({ clock: () => clock });
    clock -= 2 * 3_600_000;
    keyholder.prove(rig.alpha, shown);
    // Spent before the restart, and the first second seen after the step.
    expect(await ruleOf(() => sign(points, at(second())))).toBe('ONE-PER-SECOND');
    expect(await ruleOf(() => sign(points, at(second() - 1)))).toBe('ONE-PER-SECOND');
    expect(await sign(points, at(second() + 1))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: what was spent ahead stays spent after a restart', async () => {
    const points = pointsOf(evidence, 0);
    const shelf = at(second() + 3600);
    expect(await sign(points, shelf)).toHaveLength(1);
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    keyholder.prove(rig.alpha, shown);
    expect(await ruleOf(() => sign(points, shelf))).toBe('ONE-PER-SECOND');
    expect(await sign(points, at(second() + 3601))).toHaveLength(1);
  });
});

describe('a service', () => {
  test('that is unknown and one that is disabled look alike', async () => {
    rig.writeList({}, { enabled: false });
    keyholder.reload();
    const disabled = await refusalOf(() => sign());
    const unknown = await refusalOf(() => sign(pointsOf(evidence, 0), targetsAt(second()), backendKey('a1')));
    expect(disabled).toEqual(unknown);
    expect(await refusalOf(() => keyholder.prove(rig.alpha, backendDescriptor('a1')))).toEqual(unknown);
    rig.writeList();
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    expect(await sign()).toHaveLength(2);
  });

  test('is latched by a result that does not verify, until the next start; others go on', async () => {
    keyholder.close();
    let broken = true;
    let seen: Uint8Array = new Uint8Array();
    const checkResult = (text: Uint8Array) => {
      seen = text;
      if (broken) throw new Error('a bit has flipped');
    };
    keyholder = rig.keyholder({ clock: () => clock, checkResult });
    clock += 1000;
    keyholder.prove(rig.alpha, shown);
    const { digest } = keyholder.prove(rig.beta, backendDescriptor('b1'));
    await expectCodeOf('KEYHOLDER_LATCHED', sign());
    expect(seen.every(byte => byte === 0)).toBe(true);
    broken = false;
    clock += 1000;
    await expectCodeOf('KEYHOLDER_LATCHED', sign());
    expect(keyholder.status().services.map(({ latched }) => latched)).toEqual([true, false]);
    expect(await sign(pointsOf(digest, 0), targetsAt(second()), rig.beta)).toHaveLength(2);
    rig.writeList();
    keyholder.reload();
    expect(keyholder.status().services[0]?.latched).toBe(true);
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    expect(keyholder.status().services[0]?.latched).toBe(false);
  });
});
