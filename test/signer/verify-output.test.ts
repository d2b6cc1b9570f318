import { describe, expect, it } from 'vitest';
import {
  type CaaRecord,
  openDescriptor,
  openDescriptorWithNoble,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import type { Approved } from '../../src/signer/policy/evaluate.ts';
import type { SignedTarget } from '../../src/signer/ports.ts';
import { OUTPUT_OPENERS, OutputVerifier, wipeCookies } from '../../src/signer/verify-output.ts';
import { forge, noise } from '../descriptor/forge.ts';

const caa = [{ flags: 128, tag: 'issue', value: 'ca.example' }];
const clients = [1, 2].map(name => noise(`client ${name}`, 32));
const made = forge({ label: 'our service' });
const restricted = forge({ label: 'our service', clients, inner: { caa } });
const longer = forge({
  label: 'our service',
  editOuter: text => text.replace('descriptor-lifetime 180', 'descriptor-lifetime 181'),
});
const points = made.inner.introductionPoints;

const targetOf = ({ period, at, parts, text }: typeof made): SignedTarget => ({
  periodNum: period.periodNum,
  variant: 0,
  second: at,
  lead: 0,
  revisionCounter: parts.revisionCounter,
  text,
  descriptorCookie: parts.descriptorCookie,
  settingsSerial: 1,
});
const target = targetOf(made);
const hidden = targetOf(restricted);

interface Changes {
  readonly kpHsId?: Uint8Array;
  readonly singleOnion?: boolean;
  readonly points?: readonly unknown[];
  readonly clients?: number;
  readonly caa?: readonly CaaRecord[];
  readonly caaCritical?: boolean;
}

/** The parts of an approval that are compared; only `evaluate` makes a whole one. */
function approve(changes: Changes = {}): Approved {
  const { kpHsId = made.kpHsId, points: introductionPoints = points, clients: count = 0 } = changes;
  const settings = { singleOnion: false, caa: [], caaCritical: false };
  return {
    service: {
      service: 'frontpage',
      ...settings,
      ...changes,
      kpHsId,
      clients: Array.from({ length: count }, () => ({})),
    },
    introductionPoints,
  } as unknown as Approved;
}

const verify = (approved: Approved, changed: Partial<SignedTarget> = {}) =>
  new OutputVerifier(TOR_NETWORK).verify(approved, { ...target, ...changed });

describe('a text from the keyholder', () => {
  it('that holds exactly what was approved is verified', () => {
    expect(verify(approve()).target.text).toBe(made.text);
  });

  it('that is restricted is verified with its cookie, which does not go on', () => {
    const verified = verify(approve({ clients: 2, caa }), hidden);
    expect(verified.target.text).toBe(restricted.text);
    expect(Object.keys(verified.target)).not.toContain('descriptorCookie');
    expect(verify(approve({ clients: 16, caa }), hidden).target.text).toBe(restricted.text);
  });

  it('is opened with OpenSSL, and the first of each period key and settings with @noble too', () => {
    expect(OUTPUT_OPENERS).toEqual({ every: openDescriptor, first: openDescriptorWithNoble });
    const asked: string[] = [];
    const verifier = new OutputVerifier(TOR_NETWORK, {
      every: (text, options) => {
        asked.push('every');
        return openDescriptor(text, options);
      },
      first: (text, options) => {
        asked.push('first');
        return openDescriptorWithNoble(text, options);
      },
    });
    verifier.verify(approve(), target);
    verifier.verify(approve(), target);
    verifier.verify(approve(), { ...target, settingsSerial: 2 });
    expect(asked).toEqual(['every', 'first', 'every', 'every', 'first']);
  });

  it('is compared each time, also when its key was seen before', () => {
    const verifier = new OutputVerifier(TOR_NETWORK);
    verifier.verify(approve(), target);
    expect(() => verifier.verify(approve({ points: points.slice(1) }), target)).toThrow(
      expect.objectContaining({ code: 'SERVICE_LATCHED' }),
    );
  });

  it('has its signature verified each time, by OpenSSL alone when its key was seen before', () => {
    const verifier = new OutputVerifier(TOR_NETWORK);
    verifier.verify(approve(), target);
    // The signature is the last word; its first digit becomes another.
    const at = Buffer.from(made.text).lastIndexOf(' ') + 1;
    const text = made.text.with(at, made.text[at] === 0x41 ? 0x42 : 0x41);
    expect(() => verifier.verify(approve(), { ...target, text })).toThrow(
      expect.objectContaining({ code: 'SERVICE_LATCHED' }),
    );
    expect(verifier.verify(approve(), target).target.text).toBe(made.text);
  });

  it.each(['every', 'first'] as const)('stops the service when one of both refuses it: %s', which => {
    const refuse = (): never => {
      throw new Error('it does not open');
    };
    const verifier = new OutputVerifier(TOR_NETWORK, { ...OUTPUT_OPENERS, [which]: refuse });
    expect(() => verifier.verify(approve(), target)).toThrow(
      expect.objectContaining({ code: 'SERVICE_LATCHED' }),
    );
  });

  it('has its cookie wiped when nobody needs it any more', () => {
    const held = { ...hidden, descriptorCookie: Uint8Array.from(hidden.descriptorCookie ?? []) };
    wipeCookies([target, held]);
    expect(held.descriptorCookie).toEqual(new Uint8Array(16));
    expect(hidden.descriptorCookie).not.toEqual(held.descriptorCookie);
  });

  it.each([
    ['that everybody can read, of a service with clients', approve({ clients: 1 }), {}],
    ['that clients can read, of a service that is open', approve({ caa }), hidden],
    ['with fewer client lines than policy has clients', approve({ clients: 17, caa }), hidden],
    [
      'with a cookie that does not open it',
      approve({ clients: 2, caa }),
      { ...hidden, descriptorCookie: noise('x', 16) },
    ],
    [
      'without the cookie that would show it',
      approve({ clients: 2, caa }),
      { ...hidden, descriptorCookie: undefined },
    ],
    ['with a CAA record that policy does not have', approve({ clients: 2 }), hidden],
    ['without the CAA record of policy', approve({ caa }), {}],
    ['without caa-critical, which policy has', approve({ caaCritical: true }), {}],
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
    ['with another lifetime than 180 minutes', approve(), targetOf(longer)],
    ['with a bad byte', approve(), { text: made.text.with(1000, (made.text[1000] ?? 0) ^ 1) }],
  ])('%s stops the service', (_, approved, changed) => {
    expect(() => verify(approved, changed)).toThrow(expect.objectContaining({ code: 'SERVICE_LATCHED' }));
  });
});
