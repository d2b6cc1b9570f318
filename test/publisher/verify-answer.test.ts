import { describe, expect, it } from 'vitest';
import {
  formatOnionAddress,
  pointKey,
  sha256,
  testNetwork,
  timePeriod,
  toHex,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import type { SignAnswer, SignedDescriptor, SignRequest } from '../../src/signer/contract/requests.ts';
import { type Expectation, verifyAnswer } from '../../src/publisher/verify-answer.ts';
import { forge, noise, NOON, PERIOD } from '../descriptor/forge.ts';
import { signText, ToySigner } from './toy-signer.ts';

const AT = NOON + 3700;
const BACKEND = forge({ points: 4 });
const POINTS = BACKEND.inner.introductionPoints.slice(0, 3);
const SIGNER = new ToySigner({
  socket: '',
  profile: TOR_NETWORK,
  backends: [{ name: 'backend', address: formatOnionAddress(BACKEND.kpHsId) }],
  now: () => AT,
});
const REQUEST: SignRequest = {
  id: 'a'.repeat(22),
  service: 'frontpage',
  points: [0, 1, 2].map(index => ({ evidence: toHex(sha256(BACKEND.text)), index })),
  evidence: [Buffer.from(BACKEND.text).toString('latin1')],
};
const ANSWER = SIGNER.sign(REQUEST);
const EXPECTED: Expectation = {
  request: REQUEST,
  description: SIGNER.description,
  profile: TOR_NETWORK,
  points: POINTS.map(pointKey),
  now: AT,
};

const FIRST = ANSWER.descriptors[0]!;

/** An answer of one text, and that changed. */
function spoilt(change: Partial<SignedDescriptor>): SignAnswer {
  return { ...ANSWER, descriptors: [{ ...FIRST, ...change }] };
}

const faultOf = (answer: SignAnswer, expected: Partial<Expectation> = {}) => {
  const verdict = verifyAnswer(answer, { ...EXPECTED, ...expected });
  return verdict.ok ? undefined : verdict.fault;
};

describe('The answer of the signer', () => {
  it('is used when every text opens with exactly the points that were asked for.', () => {
    expect(ANSWER.descriptors.length).toBeGreaterThan(4);
    expect(new Set(ANSWER.descriptors.map(({ period }) => period.periodNum)).size).toBe(2);
    const { descriptors, checkpoint } = ANSWER;
    expect(verifyAnswer(ANSWER, EXPECTED)).toEqual({
      ok: true,
      answer: { descriptors, checkpoint, settings: 1, restricted: false },
    });
  });

  it('may be of newer settings than we know, and not of older ones.', () => {
    const { description } = EXPECTED;
    expect(faultOf({ ...ANSWER, settings: description.settings + 1 })).toBeUndefined();
    expect(faultOf({ ...ANSWER, settings: description.settings - 1 })).toBe('ANSWER_SETTINGS');
  });

  it('may hold one text only, to be used until its window ends.', () => {
    expect(FIRST.period.periodNum).toBe(PERIOD.periodNum - 1);
    expect(faultOf(spoilt({}))).toBeUndefined();
    expect(faultOf(spoilt({ useFrom: NOON + 12 * 3600 - 1 }))).toBeUndefined();
  });

  it('may have the points in another order.', () => {
    expect(faultOf(ANSWER, { points: POINTS.map(pointKey).reverse() })).toBeUndefined();
  });

  it.each([
    ['to another request', { ...ANSWER, id: 'b'.repeat(22) }, 'ANSWER_ID'],
    ['for another service', { ...ANSWER, service: 'mail' }, 'ANSWER_SERVICE'],
    ['with another address', { ...ANSWER, address: formatOnionAddress(BACKEND.kpHsId) }, 'ANSWER_ADDRESS'],
    ['with another counter than the text', spoilt({ revisionCounter: '1' }), 'ANSWER_COUNTER'],
    ['with another period than the text', spoilt({ period: PERIOD }), 'ANSWER_DESCRIPTOR'],
    [
      'to be used before its window',
      spoilt({ period: timePeriod(TOR_NETWORK, PERIOD.periodNum + 1) }),
      'ANSWER_PERIOD',
    ],
    [
      'of a network with other periods',
      spoilt({ period: { ...PERIOD, lengthMinutes: 720 } }),
      'ANSWER_PERIOD',
    ],
    [
      'of a period beyond all numbers',
      spoilt({ period: { ...PERIOD, periodNum: 2 ** 33 } }),
      'ANSWER_PERIOD',
    ],
    ['to be used after its window', spoilt({ useFrom: NOON + 12 * 3600 }), 'ANSWER_PERIOD'],
    ['with a text that is none', spoilt({ text: 'hs-descriptor 3\n' }), 'ANSWER_DESCRIPTOR'],
    [
      'with a changed text',
      spoilt({ text: FIRST.text.replace('lifetime 180', 'lifetime 181') }),
      'ANSWER_DESCRIPTOR',
    ],
    ['with two texts for one second', { ...ANSWER, descriptors: [FIRST, FIRST] }, 'ANSWER_ORDER'],
  ])('is an alarm when it is %s.', (_, answer, fault) => {
    expect(faultOf(answer)).toBe(fault);
  });

  it('is an alarm when counters fall while seconds rise.', () => {
    const [first, second, ...rest] = ANSWER.descriptors;
    const swapped = [
      { ...first!, useFrom: second!.useFrom },
      { ...second!, useFrom: first!.useFrom },
      ...rest,
    ];
    expect(faultOf({ ...ANSWER, descriptors: swapped })).toBe('ANSWER_ORDER');
  });

  it.each([
    ['one point more', BACKEND.inner.introductionPoints],
    ['one point less', POINTS.slice(0, 2)],
    ['a foreign point', [...POINTS.slice(0, 2), forge({ label: 'thief' }).inner.introductionPoints[0]!]],
    ['one point twice', [POINTS[0]!, POINTS[0]!, POINTS[1]!]],
  ])('is an alarm when its text has %s.', (_, points) => {
    const text = signText('toy', TOR_NETWORK, PERIOD, AT, points);
    expect(faultOf({ ...ANSWER, descriptors: [text] })).toBe('ANSWER_POINTS');
  });

  it('is an alarm when somebody else signed it.', () => {
    const text = signText('thief', TOR_NETWORK, PERIOD, AT, POINTS);
    expect(faultOf({ ...ANSWER, descriptors: [text] })).toBe('ANSWER_DESCRIPTOR');
  });

  it('is an alarm on a network of which the signer knows nothing.', () => {
    expect(faultOf(ANSWER, { profile: testNetwork('toy', 10) })).toBe('ANSWER_PERIOD');
  });

  it('may hide its points from us where discovery is restricted.', () => {
    const { text, parts } = forge({ label: 'toy', at: AT, clients: [noise('a client', 32)] });
    const descriptor = {
      period: PERIOD,
      variant: 0,
      useFrom: AT,
      revisionCounter: parts.revisionCounter.toString(),
      text: Buffer.from(text).toString('latin1'),
    };
    expect(verifyAnswer({ ...ANSWER, descriptors: [descriptor] }, EXPECTED)).toMatchObject({
      ok: true,
      answer: { restricted: true },
    });
  });
});
