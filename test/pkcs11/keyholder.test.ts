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
} from '../../src/descriptor/index.ts';
import type { SignedDescriptor } from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { identity, noise } from '../descriptor/forge.ts';
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

const second = () => Math.floor(clock / 1000);
const sign = (points = pointsOf(evidence, 0, 1), targets = targetsAt(second()), kpHsId = rig.alpha) =>
  keyholder.sign({ kpHsId, listSerial: keyholder.status().listSerial, points, targets });
const ruleOf = async (act: () => unknown) => (await refusalOf(act)).rule;
const backendKey = (label: string) => identity(label).kpHsId;

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
  test('opens as a client opens it, with two implementations, and has the points of the evidence', async () => {
    const proven = keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 4 }));
    expect(proven.points).toBe(4);
    const points = [...pointsOf(proven.digest, 3, 0), ...pointsOf(evidence, 1)];
    const signed = await sign(points);
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

  test('keeps within a period what stock tor keeps, and changes it with the period', async () => {
    const [first, other] = await sign();
    clock += 1000;
    const [next] = await sign();
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

  test('has a counter that grows with the second and says nothing of other periods', async () => {
    const targets = [0, 60, 3600].flatMap(later =>
      targetsAt(second() + later, publishablePeriods(TOR_NETWORK, second())),
    );
    const within = targets.filter(({ periodNum, second: at }) => {
      const { from, to } = publicationWindow(TOR_NETWORK, timePeriod(TOR_NETWORK, periodNum));
      return from <= at && at < to;
    });
    const signed = await sign(pointsOf(evidence, 0), within);
    for (const periodNum of new Set(signed.map(each => each.periodNum))) {
      const counters = signed.filter(each => each.periodNum === periodNum).map(each => each.revisionCounter);
      expect(counters).toEqual(counters.toSorted((a, b) => (a < b ? -1 : 1)));
      expect(new Set(counters).size).toBe(counters.length);
    }
  });

  test('carries flow control when all evidence agrees, and the single-onion flag of the list', async () => {
    const [with31] = await sign();
    expect(opened(with31 as SignedDescriptor).inner?.flowControl).toEqual({ versions: '1-2', sendmeInc: 31 });
    const inner = { flowControl: { versions: '1-2', sendmeInc: 99 } };
    const other = keyholder.prove(rig.alpha, backendDescriptor('a2', { inner })).digest;
    clock += 1000;
    const [mixed] = await sign([...pointsOf(evidence, 0), ...pointsOf(other, 0)]);
    expect(opened(mixed as SignedDescriptor).inner?.flowControl).toBeUndefined();
    expect(opened(mixed as SignedDescriptor).inner?.singleOnionService).toBe(false);
    rig.writeList({}, { singleOnion: true });
    keyholder.reload();
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    clock += 1000;
    expect(opened((await sign())[0] as SignedDescriptor).inner?.singleOnionService).toBe(true);
  });
});

describe('INTRO-PROVENANCE', () => {
  test('refuses points without evidence', async () => {
    expect(await ruleOf(() => sign(pointsOf('ab'.repeat(32), 0)))).toBe('INTRO-PROVENANCE');
    expect(await sign()).toHaveLength(2);
  });

  test('refuses an index that the evidence does not have, alone and among good ones', async () => {
    expect(await ruleOf(() => sign(pointsOf(evidence, 0, 3)))).toBe('INTRO-PROVENANCE');
    expect(await sign(pointsOf(evidence, 0, 2))).toHaveLength(2);
  });

  test('refuses the descriptor of a stranger, and does not remember it', async () => {
    const text = backendDescriptor('stranger');
    expect(await refusalOf(() => keyholder.prove(rig.alpha, text))).toMatchObject({
      rule: 'INTRO-PROVENANCE',
    });
    expect(keyholder.status().services[0]?.evidence).toBe(1);
  });

  test('refuses the backend of another service, at proof and by digest', async () => {
    const text = backendDescriptor('b1');
    expect(await ruleOf(() => keyholder.prove(rig.alpha, text))).toBe('INTRO-PROVENANCE');
    const { digest } = keyholder.prove(rig.beta, text);
    expect(await ruleOf(() => sign(pointsOf(digest, 0)))).toBe('INTRO-PROVENANCE');
    expect(await sign(pointsOf(digest, 0), targetsAt(second()), rig.beta)).toHaveLength(2);
  });

  test('refuses our own output as evidence', async () => {
    const [text] = await sign();
    expect(await ruleOf(() => keyholder.prove(rig.alpha, text?.text ?? new Uint8Array()))).toBe(
      'INTRO-PROVENANCE',
    );
  });

  test('refuses a text that was changed in any layer, naming what failed', async () => {
    const text = backendDescriptor('a2');
    const changed = Buffer.from(text);
    changed[changed.length - 20] = (changed.at(-20) ?? 0) === 65 ? 66 : 65;
    expect((await refusalOf(() => keyholder.prove(rig.alpha, changed))).observed).toMatch(/^BAD_/u);
    expect(await ruleOf(() => keyholder.prove(rig.alpha, text.subarray(0, 400)))).toBe('INTRO-PROVENANCE');
    expect(await ruleOf(() => keyholder.prove(rig.alpha, new Uint8Array(0)))).toBe('INTRO-PROVENANCE');
    expect(keyholder.prove(rig.alpha, text).points).toBe(3);
  });

  test('forgets a backend that left the list', async () => {
    const full = rig.writeList();
    keyholder.reload();
    const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a2'));
    expect(await sign(pointsOf(digest, 0))).toHaveLength(2);
    rig.writeList({}, { backends: full.services[0]?.backends.slice(0, 1) ?? [] });
    keyholder.reload();
    clock += 1000;
    expect(await ruleOf(() => sign(pointsOf(digest, 0)))).toBe('INTRO-PROVENANCE');
    expect(await ruleOf(() => keyholder.prove(rig.alpha, backendDescriptor('a2')))).toBe('INTRO-PROVENANCE');
  });

  test('keeps a bounded number of descriptors', async () => {
    for (let i = 0; i < 70; i++)
      keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 1, at: now() - 600 - i }));
    expect(keyholder.status().services[0]?.evidence).toBe(64);
    expect(await ruleOf(() => sign())).toBe('INTRO-PROVENANCE');
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    expect(await sign()).toHaveLength(2);
  });
});

describe('EVIDENCE-AGE', () => {
  const stale = () => backendDescriptor('a1', { at: now() - 4.75 * 3600 });

  test('refuses evidence that is too old, though no newer one was ever shown', async () => {
    expect(await ruleOf(() => keyholder.prove(rig.alpha, stale()))).toBe('EVIDENCE-AGE');
    expect(keyholder.prove(rig.alpha, backendDescriptor('a1', { at: now() - 2.5 * 3600 })).points).toBe(3);
  });

  test('refuses evidence that was fresh when it was proven and is stale at signing', async () => {
    expect(await sign()).toHaveLength(2);
    const before = clock;
    clock += 5 * 3_600_000;
    expect(await ruleOf(() => sign())).toBe('EVIDENCE-AGE');
    clock = before;
  });

  test('refuses evidence of a period that is published no longer, however fresh', async () => {
    const [period] = publishablePeriods(TOR_NETWORK, second());
    if (period === undefined) throw new Error('no period');
    const { to } = publicationWindow(TOR_NETWORK, period);
    const before = clock;
    clock = (to - 1) * 1000;
    const text = backendDescriptor('a1', { period, at: to - 600 });
    const { digest } = keyholder.prove(rig.alpha, text);
    const points = pointsOf(digest, 0);
    const target = (at: number) => [{ periodNum: period.periodNum + 1, variant: 0, second: at }];
    expect(await sign(points, target(to - 1))).toHaveLength(1);
    clock += 1000;
    expect(await ruleOf(() => sign(points, target(to)))).toBe('EVIDENCE-AGE');
    expect(await ruleOf(() => keyholder.prove(rig.alpha, text))).toBe('EVIDENCE-AGE');
    clock = before;
  });

  test('refuses evidence from the future by counter or expiry, and remembers none of it', async () => {
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
      expect(['EVIDENCE-AGE', 'INTRO-PROVENANCE']).toContain(
        await ruleOf(() => keyholder.prove(rig.alpha, text)),
      );
    expect(await ruleOf(() => keyholder.prove(rig.alpha, future[0] ?? new Uint8Array()))).toBe(
      'EVIDENCE-AGE',
    );
    expect(keyholder.status().services[0]?.evidence).toBe(1);
  });
});
