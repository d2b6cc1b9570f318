import { describe, expect, it } from 'vitest';
import { TOR_NETWORK } from '../../src/descriptor/index.ts';
import type { Approved } from '../../src/signer/policy/evaluate.ts';
import type { SignedTarget } from '../../src/signer/ports.ts';
import { OutputVerifier } from '../../src/signer/verify-output.ts';
import { forge } from '../descriptor/forge.ts';

const made = forge({ label: 'our service' });
const points = made.inner.introductionPoints;
const target: SignedTarget = {
  periodNum: made.period.periodNum,
  variant: 0,
  second: made.at,
  revisionCounter: made.parts.revisionCounter,
  text: made.text,
};

/** The parts of an approval that are compared; only `evaluate` makes a whole one. */
function approve(
  changes: { kpHsId?: Uint8Array; singleOnion?: boolean; points?: readonly unknown[] } = {},
): Approved {
  const { kpHsId = made.kpHsId, singleOnion = false, points: introductionPoints = points } = changes;
  return {
    service: { service: 'frontpage', kpHsId, singleOnion },
    introductionPoints,
  } as unknown as Approved;
}

const verify = (approved: Approved, changed: Partial<SignedTarget> = {}) =>
  new OutputVerifier(TOR_NETWORK).verify(approved, { ...target, ...changed });

describe('a text from the keyholder', () => {
  it('that holds exactly what was approved is verified', () => {
    expect(verify(approve()).target.text).toBe(made.text);
  });

  it.each([
    ['with a point more than was approved', approve({ points: points.slice(1) }), {}],
    ['with a point less than was approved', approve({ points: [...points, points[0]] }), {}],
    ['with its points in another order', approve({ points: points.toReversed() }), {}],
    [
      'with a point that was not approved',
      approve({ points: forge({ label: 'thief' }).inner.introductionPoints }),
      {},
    ],
    ['of a service that is to be single onion', approve({ singleOnion: true }), {}],
    ['of another service', approve({ kpHsId: forge({ label: 'other' }).kpHsId }), {}],
    ['with another counter than it says', approve(), { revisionCounter: target.revisionCounter + 1n }],
    ['of another period', approve(), { periodNum: target.periodNum + 1 }],
    ['with the certificate of another hour', approve(), { second: target.second + 3600 }],
    ['with a bad byte', approve(), { text: made.text.with(1000, (made.text[1000] ?? 0) ^ 1) }],
  ])('%s stops the service', (_, approved, changed) => {
    expect(() => verify(approved, changed)).toThrow(expect.objectContaining({ code: 'SERVICE_LATCHED' }));
  });
});
