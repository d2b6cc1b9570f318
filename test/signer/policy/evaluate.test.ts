import { describe, expect, it } from 'vitest';
import {
  PointSets,
  TOR_NETWORK,
  certExpiryHours,
  periodStart,
  pointSetName,
  publicationWindow,
  revisionCounterAt,
  srvRunStart,
  timePeriodAt,
  type Evidence,
  type IntroductionPoint,
  type KpHsId,
} from '../../../src/descriptor/index.ts';
import { RULE_PROBLEMS } from '../../../src/signer/contract/problems.ts';
import { evaluate, evaluateRequest } from '../../../src/signer/policy/evaluate.ts';
import { RULES, type PolicyContext } from '../../../src/signer/policy/rules.ts';
import { BACKENDS, load, newService, serviceYaml } from './services.ts';

const NOW = 1_750_000_000;
const PERIOD = timePeriodAt(TOR_NETWORK, NOW);
const COUNTER_KEY = new Uint8Array(32).fill(7);

let serial = 0;
/** Points as a backend's descriptor would have them; each is another one. */
function point(authKey?: Uint8Array): IntroductionPoint {
  serial += 1;
  const key = (kind: number): Uint8Array =>
    new Uint8Array(32).map((_, i) => (i === 0 ? kind : i === 1 ? serial & 255 : serial >> 8));
  return {
    linkSpecifiers: Uint8Array.of(0),
    onionKey: key(1),
    authKey: authKey ?? key(2),
    encKey: key(3),
  } as unknown as IntroductionPoint;
}

/** What proveEvidence gives for a descriptor that stock tor made at `made`. */
function evidenceOf(backend: KpHsId, made = NOW, points = [point(), point(), point()]): Evidence {
  serial += 1;
  const expiryHours = certExpiryHours(made);
  const origin = srvRunStart(TOR_NETWORK, PERIOD);
  return {
    digest: serial.toString(16).padStart(64, '0'),
    backend,
    period: PERIOD,
    points,
    expiryHours,
    validUntilHours: expiryHours,
    revisionCounter: revisionCounterAt(COUNTER_KEY, Math.max(1, made - origin)),
    flowControl: undefined,
    made: { from: made, to: made },
  };
}

const [B1, B2] = [BACKENDS[0]!.kpHsId, BACKENDS[1]!.kpHsId];
const policy = (lines = '') => load(serviceYaml(lines));
const refs = (evidence: Evidence, count = evidence.points.length) =>
  Array.from({ length: count }, (_, index) => ({ evidence: evidence.digest, index }));

function context(evidence: Evidence[], change: Partial<PolicyContext> = {}): PolicyContext {
  return {
    publisher: 'vps1',
    service: 'frontpage',
    points: evidence.flatMap(one => refs(one)),
    requestsLastHour: 0,
    evidence: new Map(evidence.map(one => [one.digest, one])),
    policySerial: 1,
    targets: [{ period: PERIOD, variant: 0, second: NOW }],
    profile: TOR_NETWORK,
    now: NOW,
    pointSets: new PointSets(TOR_NETWORK),
    isSpent: () => false,
    ...change,
  };
}

const both = () => [evidenceOf(B1), evidenceOf(B2)];
const denial = (given: PolicyContext, rules = policy()) => {
  const verdict = evaluate(rules, given);
  return verdict.kind === 'denied' ? verdict.denied : undefined;
};

describe('a request that fits', () => {
  it('is approved with its whole points in the order asked for', () => {
    const [one, two] = both();
    const points = [...refs(two!).reverse(), ...refs(one!)];
    const verdict = evaluate(policy(), context([one!, two!], { points }));
    if (verdict.kind !== 'approved') throw new Error('denied');
    const { approved } = verdict;
    expect(approved.introductionPoints).toEqual([...[...two!.points].reverse(), ...one!.points]);
    expect(approved.evidence).toEqual([two, one]);
    expect(approved).toMatchObject({ publisher: 'vps1', service: { service: 'frontpage' }, points });
    expect(Object.isFrozen(approved)).toBe(true);
  });
});

describe('PUBLISHER-SERVICE', () => {
  it('denies unknown, foreign and disabled services in the same words', () => {
    const given = context(both());
    expect(denial(given)).toBeUndefined();
    const answers = [
      denial({ ...given, service: 'nothing' }),
      denial({ ...given, publisher: 'vps2' }),
      denial(given, policy('enabled: false\n')),
    ];
    expect(answers[0]).toMatchObject({ rule: 'PUBLISHER-SERVICE' });
    expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1);
  });
});

describe('SIGN-RATE', () => {
  it('allows the last request of the hour and denies the next', () => {
    const rules = policy('limits: { requests: 5/h }\n');
    expect(denial(context(both(), { requestsLastHour: 4 }), rules)).toBeUndefined();
    expect(denial(context(both(), { requestsLastHour: 5 }), rules)).toEqual({
      rule: 'SIGN-RATE',
      observed: '5 in the last hour',
      limit: '5/h',
    });
  });
});

describe('POINT-COUNT', () => {
  it('allows both ends of the range and denies what lies outside', () => {
    const rules = policy('limits: { points: 3..6 }\n');
    const one = evidenceOf(
      B1,
      NOW,
      Array.from({ length: 7 }, () => point()),
    );
    const counted = (count: number) => denial(context([one], { points: refs(one, count) }), rules);
    expect([3, 6].map(counted)).toEqual([undefined, undefined]);
    expect([2, 7].map(counted)).toEqual([
      { rule: 'POINT-COUNT', observed: '2', limit: '3..6' },
      { rule: 'POINT-COUNT', observed: '7', limit: '3..6' },
    ]);
  });
});

describe('PERIOD-WINDOW', () => {
  it("allows every second of the period's window and denies the neighbours", () => {
    const { from, to } = publicationWindow(TOR_NETWORK, PERIOD);
    const at = (second: number) =>
      denial(context(both(), { targets: [{ period: PERIOD, variant: 0, second }] }));
    expect([from, periodStart(PERIOD), to - 1].map(at)).toEqual([undefined, undefined, undefined]);
    expect([from - 1, to].map(second => at(second)?.rule)).toEqual(['PERIOD-WINDOW', 'PERIOD-WINDOW']);
  });
});

describe('ONE-PER-SECOND', () => {
  const target = (second: number, variant = 0) => ({ period: PERIOD, variant, second });
  it('denies a second that is asked for twice or spent', () => {
    const good = [target(NOW), target(NOW + 1), target(NOW, 1)];
    expect(denial(context(both(), { targets: good }))).toBeUndefined();
    expect(denial(context(both(), { targets: [...good, target(NOW)] }))?.rule).toBe('ONE-PER-SECOND');
    const isSpent = (asked: { second: number }) => asked.second === NOW + 1;
    expect(denial(context(both(), { targets: [target(NOW)], isSpent }))).toBeUndefined();
    expect(denial(context(both(), { targets: good, isSpent }))?.rule).toBe('ONE-PER-SECOND');
  });
});

describe('INTRO-PROVENANCE', () => {
  it('denies points without evidence, outside their evidence, of another service or a disabled backend', () => {
    const [one, two] = both();
    const foreign = evidenceOf(newService().kpHsId);
    const bogus = { evidence: 'ff'.repeat(32), index: 0 };
    const denied = (given: PolicyContext, rules = policy()) => denial(given, rules)?.rule;
    expect(denied(context([one!, two!]))).toBeUndefined();
    expect(
      denied(context([one!, two!, foreign], { points: [...refs(one!), ...refs(two!)] })),
    ).toBeUndefined();
    expect(denied(context([one!], { points: [...refs(one!), bogus] }))).toBe('INTRO-PROVENANCE');
    const outside = { evidence: one!.digest, index: one!.points.length };
    expect(denied(context([one!], { points: [...refs(one!), outside] }))).toBe('INTRO-PROVENANCE');
    expect(denied(context([one!, foreign]))).toBe('INTRO-PROVENANCE');
    expect(denial(context([one!, foreign]))?.evidence).toBe(foreign.digest);
    const disabled = serviceYaml().replace(/torbox-2: (\S+)/, 'torbox-2: { address: $1, enabled: false }');
    expect(denied(context([one!, two!]), load(disabled))).toBe('INTRO-PROVENANCE');
    expect(denied(context([one!]), load(disabled))).toBeUndefined();
  });
});

describe('POINT-UNIQUE', () => {
  it('denies a point that stands twice and an auth key that two points share', () => {
    const one = evidenceOf(B1);
    expect(denial(context([one]))).toBeUndefined();
    expect(denial(context([one], { points: [...refs(one), ...refs(one, 1)] }))?.rule).toBe('POINT-UNIQUE');
    expect(denial(context([one], { points: [...refs(one), ...refs(one, 1)] }))?.evidence).toBeUndefined();
    const first = point();
    const mixed = evidenceOf(B1, NOW, [first, point(first.authKey), point()]);
    expect(denial(context([mixed]))?.rule).toBe('POINT-UNIQUE');
  });
});

describe('MIN-BACKENDS', () => {
  it('counts distinct backends, not descriptors', () => {
    const rules = policy('limits: { min_backends: 2 }\n');
    expect(denial(context(both()), rules)).toBeUndefined();
    expect(denial(context([evidenceOf(B1), evidenceOf(B1)]), rules)).toEqual({
      rule: 'MIN-BACKENDS',
      observed: '1',
      limit: 'at least 2',
    });
  });
});

describe('INTRO-SHARE', () => {
  it('allows the limit of points of one backend and denies one more, over all its descriptors', () => {
    const rules = policy('limits: { points_per_backend: 3 }\n');
    expect(denial(context(both()), rules)).toBeUndefined();
    const more = [evidenceOf(B1), evidenceOf(B1, NOW, [point()]), evidenceOf(B2)];
    expect(denial(context(more), rules)).toMatchObject({
      rule: 'INTRO-SHARE',
      observed: '4 points of one backend',
    });
  });
});

describe('CONTENT-CHURN', () => {
  const rules = policy('limits: { point_sets: 2/h, points: 1..20 }\n');
  it('denies a third set of points in the hour, and none that was signed in it', () => {
    const [one, two] = both();
    const pointSets = new PointSets(TOR_NETWORK);
    const of = (count: number, now = NOW) =>
      denial(context([one!, two!], { pointSets, now, points: refs(one!, count) }), rules);
    for (const count of [1, 2]) {
      expect(of(count)).toBeUndefined();
      pointSets.note(pointSetName(one!.points.slice(0, count)), NOW);
    }
    expect(of(3)).toEqual({
      rule: 'CONTENT-CHURN',
      observed: '3 sets of points in the last hour',
      limit: '2/h',
    });
    expect([of(2), of(1), of(3, NOW + 3600)]).toEqual([undefined, undefined, undefined]);
  });
});

describe('EVIDENCE-AGE', () => {
  it('judges the evidence that is used, at the moment of signing', () => {
    const made = (seconds: number) => [evidenceOf(B1), evidenceOf(B2, NOW + seconds)];
    expect(denial(context(made(-3 * 3600 + 60)))).toBeUndefined();
    expect(denial(context(made(-5 * 3600)))).toMatchObject({ rule: 'EVIDENCE-AGE' });
    expect(denial(context(made(3 * 3600)))).toMatchObject({ rule: 'EVIDENCE-AGE' });
    const [fresh, stale] = made(-5 * 3600);
    expect(denial(context([fresh!, stale!]))?.evidence).toBe(stale!.digest);
    expect(denial(context([fresh!, stale!], { points: refs(fresh!) }))).toBeUndefined();
    const cached = context(both());
    expect(denial(cached)).toBeUndefined();
    const later = NOW + 5 * 3600;
    expect(
      denial({ ...cached, now: later, targets: [{ period: PERIOD, variant: 0, second: later }] })?.rule,
    ).toBe('EVIDENCE-AGE');
  });
});

describe('the table of rules', () => {
  it('has each id once, each with a problem and a place in the order', () => {
    const ids = RULES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id } of RULES) expect(RULE_PROBLEMS[id]).toBeDefined();
  });

  it('lets the cheap rules be judged before any evidence', () => {
    const request = {
      publisher: 'vps1',
      service: 'frontpage',
      points: refs(evidenceOf(B1)),
      requestsLastHour: 0,
    };
    expect(evaluateRequest(policy(), request)).toMatchObject({
      kind: 'allowed',
      service: { service: 'frontpage' },
    });
    expect(evaluateRequest(policy(), { ...request, requestsLastHour: 60 })).toMatchObject({
      kind: 'denied',
      denied: { rule: 'SIGN-RATE' },
    });
    expect(evaluateRequest(policy(), { ...request, points: [] })).toMatchObject({
      denied: { rule: 'POINT-COUNT' },
    });
  });
});
