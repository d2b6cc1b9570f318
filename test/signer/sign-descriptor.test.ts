import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type KpHsId, sha256Hex } from '../../src/descriptor/index.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import {
  type CheckOutcome,
  checkDescriptor,
  type SignOutcome,
  signDescriptor,
} from '../../src/signer/sign-descriptor.ts';
import { denialBody, errorBody, SignerError } from '../../src/signer/contract/problems.ts';
import type { SignAnswer, SignRequest } from '../../src/signer/contract/requests.ts';
import { EMPTY_POLICY } from '../../src/signer/policy/types.ts';
import { backendDescriptor, createRig, now, type Rig } from '../pkcs11/keyholder-rig.ts';
import { identity } from '../descriptor/forge.ts';
import { CoreRig, PUBLISHER } from './core-rig.ts';
import { rejection } from './failure.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
/** By how many seconds the clock of core and keyholder is off. */
let skew = 0;

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder({ clock: () => Date.now() + skew * 1000 });
  await keyholder.prepare();
  // Nothing is signed in the second of its start, and a refusal there would count against the rate.
  await nextSecond();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(() => {
  core = new CoreRig(rig, keyholder, '{ points: 2..20, requests: 4/h }');
});
afterEach(() => core.dispose());

const sign = (request: SignRequest): Promise<SignOutcome> => signDescriptor(core.core, PUBLISHER, request);
const check = (request: SignRequest): Promise<CheckOutcome> => checkDescriptor(core.core, PUBLISHER, request);
const kinds = (): string[] => [...core.core.journal.archive.entries()].map(({ entry }) => entry.kind);

const nextSecond = (): Promise<unknown> =>
  new Promise(resolve => setTimeout(resolve, 1000 - (Date.now() % 1000)));

/** Signs, again in the next second while this one is spent. */
async function answered(request: SignRequest): Promise<Omit<SignAnswer, 'checkpoint'>> {
  const outcome = await eventually(() => sign(request));
  if (outcome.kind === 'signed') return outcome.answer;
  throw new Error(outcome.denied.rule);
}

async function eventually(ask: () => Promise<SignOutcome>): Promise<SignOutcome> {
  for (;;) {
    try {
      const outcome = await ask();
      if (outcome.kind === 'signed' || outcome.denied.rule !== 'ONE-PER-SECOND') return outcome;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'SECOND_SPENT')) throw error;
    }
    await nextSecond();
  }
}

describe('a request that was answered', () => {
  it('is answered again when the rate is used up, its evidence is gone and custody is away', async () => {
    const first = core.request();
    const answer = await answered(first);
    for (let i = 0; i < 3; i += 1) await answered(core.request());
    expect(await sign(core.request())).toMatchObject({ kind: 'denied', denied: { rule: 'SIGN-RATE' } });
    core.editStatus = state => ({ ...state, services: [] });
    core.core.evidence.retain(EMPTY_POLICY);
    const before = [core.asked.length, kinds().length];
    expect(await sign({ ...first, evidence: [] })).toEqual({ kind: 'signed', answer, repeated: true });
    expect([core.asked.length, kinds().length]).toEqual(before);
    const other = { ...first, points: first.points.toReversed() };
    expect((await rejection(sign(other))).code).toBe('REQUEST_ID_REUSED');
    const foreign = await sign({ ...first, service: 'beta' });
    expect(foreign).toMatchObject({ kind: 'denied', denied: { rule: 'PUBLISHER-SERVICE' } });
  });

  it('is kept without its texts, which stand in the archive once', async () => {
    const { journal } = core.core;
    const answer = await answered(core.request());
    const texts = answer.descriptors.reduce((sum, { text }) => sum + text.length, 0);
    const evidence = backendDescriptor('a1').length + backendDescriptor('a2').length;
    const rest = journal.archive.usedBy(PUBLISHER) - texts - evidence;
    expect(rest).toBeGreaterThan(0);
    expect(rest).toBeLessThan(8_000);
  });

  it('is not answered from texts that retention took', async () => {
    const request = core.request();
    await answered(request);
    await core.core.journal.prune(core.core.journal.head().size, now() + 1);
    expect((await rejection(sign(request))).code).toBe('REQUEST_ID_REUSED');
  });
});

describe('evidence', () => {
  it('is shown to the keyholder once, however often it was sent', async () => {
    const { points, evidence, ...rest } = core.request();
    const many = Array.from({ length: 20 }, (_, i) => evidence[i % 2] ?? '');
    await answered({ ...rest, points, evidence: many });
    const until = core.asked.indexOf('sign');
    expect(core.asked.slice(0, until).filter(name => name === 'prove')).toHaveLength(2);
  });

  it('that others push out of the store while a request is answered stays with it, up to the archive', async () => {
    const forget = (): void => core.core.evidence.retain(EMPTY_POLICY);
    core.editStatus = state => {
      forget();
      return state;
    };
    const inner = core.core.keyholder;
    const sign: typeof inner.sign = order => {
      forget();
      return inner.sign(order);
    };
    const request = core.request();
    const meanwhile = { ...core.core, keyholder: { ...inner, sign } };
    const outcome = await eventually(() => signDescriptor(meanwhile, PUBLISHER, request));
    expect(outcome.kind).toBe('signed');
    const [released] = [...core.core.journal.archive.entries()].flatMap(({ entry }) =>
      entry.kind === 'released' ? [entry] : [],
    );
    expect(released?.evidence).toEqual(request.points.map(({ evidence }) => evidence));
  });

  it('that the keyholder refuses denies the request before anything is spent', async () => {
    // The core's policy is newer than the list: a keyholder that lags has the last word.
    const { kpHsId } = identity('a2');
    rig.writeList({}, { backends: [{ name: 'a2', kpHsId }], minBackends: 1 });
    keyholder.reload();
    const denied = { rule: 'INTRO-PROVENANCE', observed: 'signed by no backend of this service' };
    expect(await sign(core.request())).toMatchObject({ kind: 'denied', denied });
    expect(await check(core.request())).toMatchObject({ kind: 'denied', denied });
    expect(kinds()).toEqual(['genesis', 'refused']);
    core.policySerial = rig.writeList().serial;
    keyholder.reload();
    await answered(core.request());
  });

  it('of a service that the keyholder does not know yet is no defect: it may be asked again', async () => {
    rig.writeList({}, { enabled: false });
    keyholder.reload();
    const error = await rejection(sign(core.request()));
    expect([error.code, error.retryAfter]).toEqual(['NOT_READY', 10]);
    rig.writeList();
    keyholder.reload();
  });
});

describe('the time of a text', () => {
  it('is the one after proofs and keyholder took theirs', async () => {
    core.clock = () => now() - (core.asked.includes('prove') ? 0 : 5);
    const asked = now();
    const { descriptors } = await answered(core.request());
    expect(Math.min(...descriptors.map(({ useFrom }) => useFrom))).toBeGreaterThanOrEqual(asked);
  });
});

describe('a request that became late on its way to the keyholder', () => {
  const askUntilJudged = async (): Promise<SignOutcome | SignerError> => {
    for (;;) {
      const outcome = await sign(core.request()).catch((error: unknown) => error);
      const isSpent = outcome instanceof SignerError && outcome.code === 'SECOND_SPENT';
      if (!isSpent) return outcome as SignOutcome | SignerError;
      await nextSecond();
    }
  };

  it('breaks no rule: it may be asked again', async () => {
    core.clock = () => now() - (core.asked.includes('sign') ? 0 : 5);
    expect(await askUntilJudged()).toMatchObject({ code: 'DEADLINE', retryAfter: 1 });
    expect(kinds()).not.toContain('refused');
  });

  it('is denied when it is late by the clock of the keyholder alone', async () => {
    core.clock = () => now() - 5;
    expect(await askUntilJudged()).toMatchObject({ kind: 'denied', denied: { rule: 'RUNWAY' } });
    expect(kinds()).toContain('refused');
  });
});

describe('a descriptor that is refused', () => {
  it('is named to its sender, who may leave it out, and to nobody else', async () => {
    const request = core.request();
    const [one, two] = request.points.map(({ evidence }) => evidence);
    const bad = 'no descriptor';
    const evidence = [...request.evidence, bad];
    const error = await rejection(sign({ ...request, evidence }));
    expect(error).toMatchObject({ code: 'EVIDENCE_INVALID', evidence: sha256Hex(Buffer.from(bad)) });
    expect(errorBody(error)).toHaveProperty('evidence', sha256Hex(Buffer.from(bad)));
    const inner = core.core.keyholder.prove.bind(core.core.keyholder);
    const refused = { rule: 'EVIDENCE-AGE', observed: 'old', limit: 'new' };
    Object.assign(core.core.keyholder, {
      prove: async (service: Uint8Array, text: Uint8Array) =>
        sha256Hex(text) === two ? { refused } : await inner(service as KpHsId, text),
    });
    const outcome = await sign(request);
    expect(outcome).toEqual({ kind: 'denied', denied: { ...refused, evidence: two } });
    expect(denialBody({ rule: 'EVIDENCE-AGE', observed: 'old', limit: 'new', evidence: two! })).toMatchObject(
      {
        evidence: two,
      },
    );
    await core.core.journal.flushRefusals();
    const journal = JSON.stringify([...core.core.journal.archive.entries()].map(({ entry }) => entry));
    expect([journal.includes('EVIDENCE-AGE'), journal.includes(two!), journal.includes(one!)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('a dry run', () => {
  it('says what signing would say, and spends, signs and writes nothing', async () => {
    const before = kinds();
    const outcome = await check(core.request());
    expect(outcome).toMatchObject({ kind: 'approved', answer: { service: 'alpha', verdict: 'approved' } });
    const periods = outcome.kind === 'approved' ? outcome.answer.periods.length : 0;
    expect(periods).toBe(2);
    const { points } = core.request();
    const few = await check(core.request({ points: points.slice(0, 1) }));
    expect(few).toMatchObject({ kind: 'denied', denied: { rule: 'POINT-COUNT' } });
    expect((await rejection(check(core.request({ evidence: ['no descriptor'] })))).code).toBe(
      'EVIDENCE_INVALID',
    );
    core.editStatus = state => ({ ...state, services: [] });
    expect((await rejection(check(core.request()))).code).toBe('CUSTODY_UNAVAILABLE');
    expect(kinds()).toEqual(before);
    expect(core.asked).not.toContain('sign');
  });

  it('is metered by a budget of its own, which costs no signature', async () => {
    for (let i = 0; i < 4; i += 1) expect((await check(core.request())).kind).toBe('approved');
    expect(await check(core.request())).toMatchObject({
      kind: 'denied',
      denied: { rule: 'SIGN-RATE' },
      retryAfter: 60,
    });
    await answered(core.request());
  });
});

describe('after a recovery', () => {
  it('nothing is proven, reserved or signed before the fence', async () => {
    await core.core.journal.recovered({ origin: 'signer.example/next', fence: now() + 100, lost: null });
    const error = await rejection(sign(core.request()));
    expect(error.code).toBe('FENCED');
    expect(error.retryAfter).toBeGreaterThan(95);
    expect(core.asked).toEqual([]);
    expect((await rejection(check(core.request()))).code).toBe('FENCED');
  });
});

describe('a clock that is off', () => {
  afterEach(() => {
    skew = 0;
  });
  it.each([
    ['CLOCK-AHEAD', 6 * 3600],
    ['CLOCK-AHEAD', 3 * 86_400],
    ['CLOCK-BEHIND', -6 * 3600],
    ['CLOCK-BEHIND', -3 * 86_400],
  ])('is called %s at %i s when both backends say so, and nothing is signed', async (rule, seconds) => {
    skew = seconds;
    core.clock = () => now() + skew;
    for (const ask of [sign, check])
      expect(await ask(core.request())).toMatchObject({ kind: 'denied', denied: { rule } });
    expect([core.asked.includes('sign'), kinds()]).toEqual([false, ['genesis', 'refused']]);
    // The control: put right, the same signer signs.
    skew = 0;
    await answered(core.request());
  });
});
