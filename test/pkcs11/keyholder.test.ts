import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type OpenedDescriptor,
  TOR_NETWORK,
  certExpiryHours,
  innerCertExpiryHours,
  openDescriptor,
  openDescriptorWithNoble,
  publicationWindow,
  publishablePeriods,
  revisionCounterAt,
  samePoint,
  srvRunStart,
  timePeriod,
  timePeriodAt,
} from '../../src/descriptor/index.ts';
import type { SignedDescriptor } from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { identity, noise } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';
import {
  type Rig,
  backendDescriptor,
  createRig,
  denialOf,
  now,
  pointsOf,
  targetsAt,
} from './keyholder-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
/** Milliseconds; the keyholder starts at it and tests move it on. */
let clock: number;
let evidence: string;

const second = () => Math.floor(clock / 1000);
const sign = (points = pointsOf(evidence, 0, 1), targets = targetsAt(second()), kpHsId = rig.alpha) =>
  keyholder.sign({ kpHsId, points, targets });
const ruleOf = (act: () => unknown) => denialOf(act).rule;
const backendKey = (label: string) => identity(label).kpHsId;
const periodAt = (at: number) => timePeriodAt(TOR_NETWORK, at);

function opened({ text, periodNum, second: at }: SignedDescriptor): OpenedDescriptor {
  const periods = [timePeriod(TOR_NETWORK, periodNum)];
  return openDescriptor(text, { kpHsId: rig.alpha, periods, nowSeconds: at });
}

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
  evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
});
afterEach(() => keyholder.close());

describe('a signed descriptor', () => {
  test('opens as a client opens it, with two implementations, and has the points of the evidence', () => {
    const proven = keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 4 }));
    expect(proven.points).toBe(4);
    const points = [...pointsOf(proven.digest, 3, 0), ...pointsOf(evidence, 1)];
    const signed = sign(points);
    expect(signed.map(({ periodNum }) => periodNum)).toEqual(
      publishablePeriods(TOR_NETWORK, second()).map(({ periodNum }) => periodNum),
    );
    const made = [backendDescriptor('a2', { points: 4 }), backendDescriptor('a1')].map((text, i) => {
      const { inner } = openDescriptor(text, {
        kpHsId: backendKey(i === 0 ? 'a2' : 'a1'),
        periods: publishablePeriods(TOR_NETWORK, now()),
      });
      return inner?.introductionPoints ?? [];
    });
    const wanted = [made[0]?.[3], made[0]?.[0], made[1]?.[1]];
    for (const each of signed) {
      const { inner, outer, cert } = opened(each);
      expect(inner?.introductionPoints).toHaveLength(3);
      for (const [i, point] of (inner?.introductionPoints ?? []).entries()) {
        expect(wanted[i] && samePoint(point, wanted[i])).toBe(true);
        expect(point.authCert.expiryHours).toBe(innerCertExpiryHours(each.second));
        expect(point.encCert.expiryHours).toBe(innerCertExpiryHours(each.second));
      }
      expect(cert.expiryHours).toBe(certExpiryHours(each.second));
      expect(outer.revisionCounter).toBe(each.revisionCounter);
      expect(outer.lifetimeMinutes).toBe(180);
      const periods = [timePeriod(TOR_NETWORK, each.periodNum)];
      openDescriptorWithNoble(each.text, { kpHsId: rig.alpha, periods, nowSeconds: each.second });
    }
  });

  test('keeps within a period what stock tor keeps, and changes it with the period', () => {
    const [first, other] = sign();
    clock += 1000;
    const [next] = sign();
    const [a, b, c] = [first, next, other].map(each => opened(each as SignedDescriptor));
    const lines = (each: OpenedDescriptor | undefined) =>
      each?.middle.authClients.map(({ clientId }) => clientId);
    expect(lines(a)).toHaveLength(16);
    expect(lines(b)).toEqual(lines(a));
    expect(b?.middle.ephemeralKey).toEqual(a?.middle.ephemeralKey);
    expect(b?.kpHsDescSign).toEqual(a?.kpHsDescSign);
    expect(lines(c)).not.toEqual(lines(a));
    expect(c?.middle.ephemeralKey).not.toEqual(a?.middle.ephemeralKey);
    expect(c?.kpHsDescSign).not.toEqual(a?.kpHsDescSign);
    // Certificates of points are made once an hour; salts for every text.
    const certs = (each: OpenedDescriptor | undefined) =>
      each?.inner?.introductionPoints.map(p => p.authKeyCert);
    if (innerCertExpiryHours(second()) === innerCertExpiryHours(second() - 1))
      expect(certs(b)).toEqual(certs(a));
    expect(b?.outer.superencrypted.subarray(0, 16)).not.toEqual(a?.outer.superencrypted.subarray(0, 16));
  });

  test('has a counter that grows with the second and says nothing of other periods', () => {
    const targets = [0, 60, 3600].flatMap(later =>
      targetsAt(second() + later, publishablePeriods(TOR_NETWORK, second())),
    );
    const within = targets.filter(({ periodNum, second: at }) => {
      const { from, to } = publicationWindow(TOR_NETWORK, timePeriod(TOR_NETWORK, periodNum));
      return from <= at && at < to;
    });
    const signed = sign(pointsOf(evidence, 0), within);
    for (const periodNum of new Set(signed.map(each => each.periodNum))) {
      const counters = signed.filter(each => each.periodNum === periodNum).map(each => each.revisionCounter);
      expect(counters).toEqual(counters.toSorted((a, b) => (a < b ? -1 : 1)));
      expect(new Set(counters).size).toBe(counters.length);
    }
  });

  test('carries flow control when all evidence agrees, and the single-onion flag of the list', () => {
    const [with31] = sign();
    expect(opened(with31 as SignedDescriptor).inner?.flowControl).toEqual({ versions: '1-2', sendmeInc: 31 });
    const inner = { flowControl: { versions: '1-2', sendmeInc: 99 } };
    const other = keyholder.prove(rig.alpha, backendDescriptor('a2', { inner })).digest;
    clock += 1000;
    const [mixed] = sign([...pointsOf(evidence, 0), ...pointsOf(other, 0)]);
    expect(opened(mixed as SignedDescriptor).inner?.flowControl).toBeUndefined();
    expect(opened(mixed as SignedDescriptor).inner?.singleOnionService).toBe(false);
    rig.writeList({}, { singleOnion: true });
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    clock += 1000;
    expect(opened(sign()[0] as SignedDescriptor).inner?.singleOnionService).toBe(true);
  });
});

describe('INTRO-PROVENANCE', () => {
  test('refuses points without evidence', () => {
    expect(ruleOf(() => sign(pointsOf('ab'.repeat(32), 0)))).toBe('INTRO-PROVENANCE');
    expect(sign()).toHaveLength(2);
  });

  test('refuses an index that the evidence does not have, alone and among good ones', () => {
    expect(ruleOf(() => sign(pointsOf(evidence, 0, 3)))).toBe('INTRO-PROVENANCE');
    expect(sign(pointsOf(evidence, 0, 2))).toHaveLength(2);
  });

  test('refuses the descriptor of a stranger, and does not remember it', () => {
    const text = backendDescriptor('stranger');
    expect(denialOf(() => keyholder.prove(rig.alpha, text))).toMatchObject({ rule: 'INTRO-PROVENANCE' });
    expect(keyholder.status().services[0]?.evidence).toBe(1);
  });

  test('refuses the backend of another service, at proof and by digest', () => {
    const text = backendDescriptor('b1');
    expect(ruleOf(() => keyholder.prove(rig.alpha, text))).toBe('INTRO-PROVENANCE');
    const { digest } = keyholder.prove(rig.beta, text);
    expect(ruleOf(() => sign(pointsOf(digest, 0)))).toBe('INTRO-PROVENANCE');
    expect(sign(pointsOf(digest, 0), targetsAt(second()), rig.beta)).toHaveLength(2);
  });

  test('refuses our own output as evidence', () => {
    const [text] = sign();
    expect(ruleOf(() => keyholder.prove(rig.alpha, text?.text ?? new Uint8Array()))).toBe('INTRO-PROVENANCE');
  });

  test('refuses a text that was changed in any layer, naming what failed', () => {
    const text = backendDescriptor('a2');
    const changed = Buffer.from(text);
    changed[changed.length - 20] = (changed.at(-20) ?? 0) === 65 ? 66 : 65;
    expect(denialOf(() => keyholder.prove(rig.alpha, changed)).observed).toMatch(/^BAD_/u);
    expect(ruleOf(() => keyholder.prove(rig.alpha, text.subarray(0, 400)))).toBe('INTRO-PROVENANCE');
    expect(ruleOf(() => keyholder.prove(rig.alpha, new Uint8Array(0)))).toBe('INTRO-PROVENANCE');
    expect(keyholder.prove(rig.alpha, text).points).toBe(3);
  });

  test('forgets a backend that left the list', () => {
    const full = rig.writeList();
    keyholder.reload();
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a2'));
    expect(sign(pointsOf(digest, 0))).toHaveLength(2);
    rig.writeList({}, { backends: full.services[0]?.backends.slice(0, 1) ?? [] });
    keyholder.reload();
    clock += 1000;
    expect(ruleOf(() => sign(pointsOf(digest, 0)))).toBe('INTRO-PROVENANCE');
    expect(ruleOf(() => keyholder.prove(rig.alpha, backendDescriptor('a2')))).toBe('INTRO-PROVENANCE');
  });

  test('keeps a bounded number of descriptors', () => {
    for (let i = 0; i < 70; i++)
      keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 1, at: now() - 600 - i }));
    expect(keyholder.status().services[0]?.evidence).toBe(64);
    expect(ruleOf(() => sign())).toBe('INTRO-PROVENANCE');
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    expect(sign()).toHaveLength(2);
  });
});

describe('EVIDENCE-AGE', () => {
  const stale = () => backendDescriptor('a1', { at: now() - 4.75 * 3600 });

  test('refuses evidence that is too old, though no newer one was ever shown', () => {
    expect(ruleOf(() => keyholder.prove(rig.alpha, stale()))).toBe('EVIDENCE-AGE');
    expect(keyholder.prove(rig.alpha, backendDescriptor('a1', { at: now() - 2.5 * 3600 })).points).toBe(3);
  });

  test('refuses evidence that was fresh when it was proven and is stale at signing', () => {
    expect(sign()).toHaveLength(2);
    const before = clock;
    clock += 5 * 3_600_000;
    expect(ruleOf(() => sign())).toBe('EVIDENCE-AGE');
    clock = before;
  });

  test('refuses evidence from the future by counter or expiry, and remembers none of it', () => {
    const [period] = publishablePeriods(TOR_NETWORK, now());
    if (period === undefined) throw new Error('no period');
    const at = now() + 6 * 3600;
    const t = at - srvRunStart(TOR_NETWORK, period) + 1;
    const counter = revisionCounterAt(noise('a1 K', 32), t);
    const future = [
      backendDescriptor('a1', { at }),
      backendDescriptor('a1', { counter }),
      backendDescriptor('a1', { expiryHours: certExpiryHours(now()) + 2 }),
    ];
    for (const text of future)
      expect(['EVIDENCE-AGE', 'INTRO-PROVENANCE']).toContain(ruleOf(() => keyholder.prove(rig.alpha, text)));
    expect(ruleOf(() => keyholder.prove(rig.alpha, future[0] ?? new Uint8Array()))).toBe('EVIDENCE-AGE');
    expect(keyholder.status().services[0]?.evidence).toBe(1);
  });
});

describe('the number of points', () => {
  test('is within the list, and at least one', () => {
    rig.writeList({}, { minPoints: 2, maxPoints: 3 });
    keyholder.reload();
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1', { points: 4 }));
    expect(ruleOf(() => sign(pointsOf(digest, 0)))).toBe('POINT-COUNT');
    expect(ruleOf(() => sign(pointsOf(digest, 0, 1, 2, 3)))).toBe('POINT-COUNT');
    expect(ruleOf(() => sign([]))).toBe('POINT-COUNT');
    expect(sign(pointsOf(digest, 0, 1))).toHaveLength(2);
    clock += 1000;
    expect(sign(pointsOf(digest, 0, 1, 2))).toHaveLength(2);
  });

  test('is 20 at most whatever the list says', () => {
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1', { points: 20 }));
    const { digest: more } = keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 1 }));
    const twenty = pointsOf(digest, ...Array.from({ length: 20 }, (_, i) => i));
    expect(ruleOf(() => sign([...twenty, ...pointsOf(more, 0)]))).toBe('POINT-COUNT');
    expect(sign(twenty)).toHaveLength(2);
  });

  test('counts each point once', () => {
    expect(ruleOf(() => sign(pointsOf(evidence, 0, 0)))).toBe('POINT-UNIQUE');
    const again = keyholder.prove(rig.alpha, backendDescriptor('a1', { at: now() - 601 })).digest;
    expect(ruleOf(() => sign([...pointsOf(evidence, 0), ...pointsOf(again, 0)]))).toBe('POINT-UNIQUE');
    expect(sign([...pointsOf(evidence, 0), ...pointsOf(again, 1)])).toHaveLength(2);
  });

  test('counts each auth key once', () => {
    const first = backendDescriptor('a1', { points: 1 });
    const { digest } = keyholder.prove(rig.alpha, first);
    const editPoint = (
      point: Parameters<NonNullable<Parameters<typeof backendDescriptor>[1]>['editPoint'] & object>[0],
    ) => ({
      ...point,
      linkSpecifiers: Uint8Array.from([1, 0, 6, 127, 0, 0, 1, 0, 1]),
    });
    const { digest: moved } = keyholder.prove(rig.alpha, backendDescriptor('a1', { points: 2, editPoint }));
    expect(ruleOf(() => sign([...pointsOf(digest, 0), ...pointsOf(moved, 0)]))).toBe('POINT-UNIQUE');
    expect(sign([...pointsOf(digest, 0), ...pointsOf(moved, 1)])).toHaveLength(2);
  });
});

describe('time', () => {
  const [older, newer] = [0, 1].map(i => () => publishablePeriods(TOR_NETWORK, second())[i]?.periodNum ?? 0);
  const at = (seconds: number, periodNum = newer?.() ?? 0) => [{ periodNum, variant: 0, second: seconds }];

  test('PERIOD-WINDOW: a second lies at most two behind the clock and at most the runway ahead', () => {
    clock += 60_000;
    const points = pointsOf(evidence, 0);
    expect(ruleOf(() => sign(points, at(second() - 3)))).toBe('PERIOD-WINDOW');
    expect(sign(points, at(second() - 2))).toHaveLength(1);
    expect(ruleOf(() => sign(points, at(second() + 6 * 3600 + 1)))).toBe('PERIOD-WINDOW');
    expect(sign(points, at(second() + 6 * 3600))).toHaveLength(1);
  });

  test('PERIOD-WINDOW: a second lies in the window of its period', () => {
    rig.writeList({ runwaySeconds: 86_400 });
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    const period = timePeriod(TOR_NETWORK, older?.() ?? 0);
    const { to } = publicationWindow(TOR_NETWORK, period);
    expect(ruleOf(() => sign(pointsOf(evidence, 0), at(to, period.periodNum)))).toBe('PERIOD-WINDOW');
    expect(sign(pointsOf(evidence, 0), at(to - 1, period.periodNum))).toHaveLength(1);
    // The next period is certified already, but nobody publishes it yet.
    const next = periodAt(second() + 86_400).periodNum + 1;
    expect(['PERIOD-WINDOW']).toContain(ruleOf(() => sign(pointsOf(evidence, 0), at(second(), next))));
  });

  test('HORIZON: no period beyond `ahead`, none that is over, and none that cannot be', () => {
    const current = periodAt(second()).periodNum;
    for (const periodNum of [current + 6, current + 365, current - 3, 2 ** 40]) {
      expect(ruleOf(() => sign(pointsOf(evidence, 0), at(second(), periodNum)))).toBe('HORIZON');
    }
    expect(sign(pointsOf(evidence, 0), at(second(), current))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: a second is spent once for each key and variant, also within one order', () => {
    const points = pointsOf(evidence, 0);
    expect(sign(points, at(second()))).toHaveLength(1);
    expect(ruleOf(() => sign(points, at(second())))).toBe('ONE-PER-SECOND');
    expect(sign(points, at(second(), older?.()))).toHaveLength(1);
    expect(ruleOf(() => sign(points, [...at(second() + 1), ...at(second() + 1)]))).toBe('ONE-PER-SECOND');
    expect(sign(points, at(second() + 1))).toHaveLength(1);
    expect(sign(points, [{ periodNum: newer?.() ?? 0, variant: 1, second: second() }])).toHaveLength(1);
  });

  test('ONE-PER-SECOND: a refused order spends nothing', () => {
    expect(ruleOf(() => sign(pointsOf(evidence, 0), [...at(second()), ...at(second() - 9)]))).toBe(
      'PERIOD-WINDOW',
    );
    expect(sign(pointsOf(evidence, 0), at(second()))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: nothing is signed for the second of the start or before', () => {
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    keyholder.prove(rig.alpha, backendDescriptor('a1'));
    const points = pointsOf(evidence, 0);
    expect(ruleOf(() => sign(points, at(second())))).toBe('ONE-PER-SECOND');
    expect(ruleOf(() => sign(points, at(second() - 1)))).toBe('ONE-PER-SECOND');
    expect(sign(points, at(second() + 1))).toHaveLength(1);
  });

  test('ONE-PER-SECOND: what was spent ahead stays spent after a restart', () => {
    const points = pointsOf(evidence, 0);
    const shelf = at(second() + 3600);
    expect(sign(points, shelf)).toHaveLength(1);
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    keyholder.prove(rig.alpha, backendDescriptor('a1'));
    expect(ruleOf(() => sign(points, shelf))).toBe('ONE-PER-SECOND');
    expect(sign(points, at(second() + 3601))).toHaveLength(1);
  });
});

describe('a service', () => {
  test('that is unknown and one that is disabled look alike', () => {
    rig.writeList({}, { enabled: false });
    keyholder.reload();
    const disabled = denialOf(() => sign());
    const unknown = denialOf(() => sign(pointsOf(evidence, 0), targetsAt(second()), backendKey('a1')));
    expect(disabled).toEqual(unknown);
    expect(denialOf(() => keyholder.prove(rig.alpha, backendDescriptor('a1')))).toEqual(unknown);
    rig.writeList();
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    expect(sign()).toHaveLength(2);
  });

  test('is latched by a result that does not verify, until the next start; others go on', () => {
    keyholder.close();
    let broken = true;
    let seen: Uint8Array = new Uint8Array();
    const checkResult = (text: Uint8Array) => {
      seen = text;
      if (broken) throw new Error('a bit has flipped');
    };
    keyholder = rig.keyholder({ clock: () => clock, checkResult });
    clock += 1000;
    keyholder.prove(rig.alpha, backendDescriptor('a1'));
    const { digest } = keyholder.prove(rig.beta, backendDescriptor('b1'));
    expectCode('KEYHOLDER_LATCHED', () => sign());
    expect(seen.every(byte => byte === 0)).toBe(true);
    broken = false;
    clock += 1000;
    expectCode('KEYHOLDER_LATCHED', () => sign());
    expect(keyholder.status().services.map(({ latched }) => latched)).toEqual([true, false]);
    expect(sign(pointsOf(digest, 0), targetsAt(second()), rig.beta)).toHaveLength(2);
    rig.writeList();
    keyholder.reload();
    expect(keyholder.status().services[0]?.latched).toBe(true);
    keyholder.close();
    keyholder = rig.keyholder({ clock: () => clock });
    expect(keyholder.status().services[0]?.latched).toBe(false);
  });
});
