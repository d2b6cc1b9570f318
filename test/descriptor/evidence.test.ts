import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { DescriptorErrorCode, Evidence } from '../../src/descriptor/index.ts';
import {
  TOR_NETWORK,
  certExpiryHours,
  certTimeInterval,
  checkEvidenceAge,
  counterTimeInterval,
  evidencePeriods,
  invariants,
  nobleVerify,
  proveEvidence,
  publishablePeriods,
  samePoint,
  timePeriod,
} from '../../src/descriptor/index.ts';
import { expectRefusal } from './expect-refusal.ts';
import { type Forgery, NOON, PERIOD, forge, identity, makePoint, ed25519Pair, noise } from './forge.ts';

const HOUR = 3600;
const { evidenceMaxAgeSeconds: MAX_AGE, evidenceMaxSkewSeconds: MAX_SKEW } = TOR_NETWORK;

function prove(forgery: Forgery = {}): Evidence {
  const { text, kpHsId, at } = forge(forgery);
  const periods = publishablePeriods(TOR_NETWORK, at);
  return proveEvidence(text, { backend: kpHsId, profile: TOR_NETWORK, periods });
}

describe('proving the descriptor of a backend', () => {
  test('gives digest, period, points as bare tuples, flow control and time', () => {
    const { text, kpHsId, at, inner } = forge();
    const evidence = prove();
    expect(evidence).toMatchObject({
      digest: createHash('sha256').update(text).digest('hex'),
      backend: kpHsId,
      period: PERIOD,
      expiryHours: certExpiryHours(at),
      validUntilHours: certExpiryHours(at),
      flowControl: { versions: '1-2', sendmeInc: 31 },
    });
    expect(evidence.points.map(point => Object.keys(point))).toEqual(
      inner.introductionPoints.map(() => ['linkSpecifiers', 'onionKey', 'authKey', 'encKey']),
    );
    for (const [i, point] of evidence.points.entries()) {
      expect(samePoint(point, inner.introductionPoints[i]!)).toBe(true);
    }
  });

  test('is valid until the first of its certificates expires, a point’s as well', () => {
    const { at } = forge();
    const innerExpiryHours = certExpiryHours(at) - 3;
    expect(prove({ innerExpiryHours })).toMatchObject({
      expiryHours: certExpiryHours(at),
      validUntilHours: innerExpiryHours,
    });
  });

  test('gives the same when @noble verifies', () => {
    const { text, kpHsId } = forge();
    const claim = { backend: kpHsId, profile: TOR_NETWORK, periods: [PERIOD] };
    expect(proveEvidence(text, { ...claim, verify: nobleVerify })).toEqual(proveEvidence(text, claim));
  });

  test.each([-43_200, -40_000, 0, 1, 1799, 43_200, 86_400, 129_599])(
    'dates a descriptor made %i seconds into its period within an hour',
    offset => {
      const at = NOON + offset;
      const { made } = prove({ at });
      expect(made.from).toBeLessThanOrEqual(at);
      expect(made.to).toBeGreaterThanOrEqual(at);
      expect(made.to - made.from).toBeLessThan(HOUR);
    },
  );

  test.each<[string, DescriptorErrorCode, Forgery]>([
    ['a backend that restricts discovery', 'COOKIE_MISSING', { clients: [noise('client', 32)] }],
    [
      'a backend without points',
      'POINT_COUNT',
      { editInner: t => t.slice(0, t.indexOf('introduction-point')) },
    ],
    [
      'a point that another key certified',
      'WRONG_KEY',
      { editPoint: () => makePoint('p', ed25519Pair('x'), 1_000_000) },
    ],
    ['a descriptor signed by another key', 'BAD_SIGNATURE', { signDescriptor: ed25519Pair('x').sign }],
    ['a certificate signed by another identity', 'BAD_SIGNATURE', { signCert: identity('x').signBlinded }],
    ['a counter of 0', 'COUNTER_OUT_OF_RANGE', { counter: 0n }],
    ['a counter that no second has', 'COUNTER_OUT_OF_RANGE', { counter: 2n ** 64n - 1n }],
    [
      'a counter hours before the certificate',
      'EVIDENCE_INCONSISTENT',
      { at: NOON, expiryHours: NOON / HOUR + 60 },
    ],
    [
      'a counter hours behind the certificate',
      'EVIDENCE_INCONSISTENT',
      { at: NOON + 7200, expiryHours: NOON / HOUR + 52 },
    ],
    [
      'a descriptor of neither published period',
      'WRONG_PERIOD',
      { period: timePeriod(TOR_NETWORK, 20_702), counter: 1n },
    ],
  ])('%s is refused', (_, code, forgery) => {
    expect(prove().points).toHaveLength(3);
    expectRefusal(code, () => prove(forgery));
  });

  test('the descriptor of another backend is refused', () => {
    const claim = { profile: TOR_NETWORK, periods: [PERIOD] };
    const { text, kpHsId } = forge();
    expect(proveEvidence(text, { ...claim, backend: kpHsId }).period).toEqual(PERIOD);
    expectRefusal('WRONG_PERIOD', () => proveEvidence(text, { ...claim, backend: identity('other').kpHsId }));
  });
});

test('evidence is of the two periods that are published when it is proven', () => {
  expect(evidencePeriods(TOR_NETWORK, NOON).map(({ periodNum }) => periodNum)).toEqual([20_699, 20_700]);
  expect(evidencePeriods(TOR_NETWORK, NOON - 43_200)).toContainEqual(PERIOD);
  expect(evidencePeriods(TOR_NETWORK, NOON - 43_201)).not.toContainEqual(PERIOD);
});

describe('the time that a certificate tells', () => {
  test('is the hour in which stock tor writes that expiry', () => {
    const { from, to } = certTimeInterval(500_000);
    expect(to - from).toBe(HOUR - 1);
    expect([from - 1, from, to, to + 1].map(certExpiryHours)).toEqual([499_999, 500_000, 500_000, 500_001]);
  });
});

describe('the age of evidence', () => {
  /** Made so that the counter's interval is wide and contains the certificate's, or the other way round. */
  const evidence = prove({ at: NOON + 1800 });
  const fault = (change: Partial<Evidence>, now: number): string | undefined => {
    const changed = { ...evidence, ...change };
    const denial = invariants.checkEvidenceAge(changed, TOR_NETWORK, now);
    if (denial === undefined) {
      checkEvidenceAge(changed, TOR_NETWORK, now);
      return undefined;
    }
    expect(denial.rule).toBe('EVIDENCE-AGE');
    const code = denial.limit.startsWith('not before') ? 'EVIDENCE_STALE' : 'EVIDENCE_FROM_FUTURE';
    expectRefusal(code, () => checkEvidenceAge(changed, TOR_NETWORK, now));
    return code;
  };

  test('at the time of making nothing is wrong', () => {
    expect(fault({}, NOON + 1800)).toBeUndefined();
  });

  test('the hour of the certificate bounds it on both sides', () => {
    const { from, to } = certTimeInterval(evidence.expiryHours);
    // Widest counter: the test is of the certificate alone.
    const wide = (seconds: number) => BigInt(Math.round((seconds - (NOON - 43_200)) * 32_768.5));
    expect(fault({ revisionCounter: wide(to) }, to + MAX_AGE)).toBeUndefined();
    expect(fault({ revisionCounter: wide(to) }, to + MAX_AGE + 1)).toBe('EVIDENCE_STALE');
    // An expiry beyond now + 55 h is refused first; that is the hour's first second without any skew.
    expect(fault({ revisionCounter: wide(from) }, from - 1)).toBeUndefined();
    expect(fault({ revisionCounter: wide(from) }, from - 2)).toBe('EVIDENCE_FROM_FUTURE');
  });

  test('the interval of the counter bounds it on both sides', () => {
    const { from, to } = counterTimeInterval(TOR_NETWORK, PERIOD, evidence.revisionCounter);
    const expiryHours = (now: number) => ({ expiryHours: certExpiryHours(now) });
    const latest = Math.floor(to + MAX_AGE);
    expect(fault(expiryHours(latest), latest)).toBeUndefined();
    expect(fault(expiryHours(latest), latest + 1)).toBe('EVIDENCE_STALE');
    const earliest = Math.ceil(from - MAX_SKEW);
    expect(fault(expiryHours(earliest), earliest)).toBeUndefined();
    expect(fault(expiryHours(earliest - 1), earliest - 1)).toBe('EVIDENCE_FROM_FUTURE');
  });

  test('a certificate that has expired makes it stale', () => {
    const now = NOON + 1800;
    expect(fault({ validUntilHours: Math.ceil(now / HOUR) }, now)).toBeUndefined();
    expect(fault({ validUntilHours: Math.floor((now - 1) / HOUR) }, now)).toBe('EVIDENCE_STALE');
  });

  test('limits are those of the profile', () => {
    const strict = { ...TOR_NETWORK, evidenceMaxAgeSeconds: 0, evidenceMaxSkewSeconds: 0 };
    const now = NOON + 1800 + HOUR;
    expect(invariants.checkEvidenceAge(evidence, TOR_NETWORK, now)).toBeUndefined();
    expect(invariants.checkEvidenceAge(evidence, strict, now)?.rule).toBe('EVIDENCE-AGE');
  });

  test('no time at all is no time to be fresh at', () => {
    expect(fault({}, Number.NaN)).toBeDefined();
  });
});
