import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DescriptorErrorCode, DescriptorParts } from '../../src/descriptor/index.ts';
import { decodeUtf8 } from '../../src/descriptor/bytes.ts';
import {
  AUTH_CLIENT_LENGTH,
  assembleDescriptor,
  finishDescriptor,
  makeFakeAuthClientLine,
  openCookie,
} from '../../src/descriptor/index.ts';
import { openTwice } from './both-verdicts.ts';
import { expectRefusal } from './expect-refusal.ts';
import { PERIOD, ed25519Pair, forge, makePoint, noise } from './forge.ts';

function fakes(count: number) {
  return Array.from({ length: count }, (_, i) =>
    makeFakeAuthClientLine(noise(`fake ${i}`, AUTH_CLIENT_LENGTH)),
  );
}

describe('assembling a descriptor', () => {
  test('what is built is opened by both implementations, for 1 to 20 points, with and without clients', () => {
    const made = fc.record({
      label: fc.stringMatching(/^[a-z]{1,8}$/),
      points: fc.integer({ min: 1, max: 20 }),
      clients: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
      singleOnionService: fc.boolean(),
      flowControl: fc.option(
        fc.record({
          versions: fc.constantFrom('1', '1-2', '1,3-4'),
          sendmeInc: fc.integer({ min: 1, max: 255 }),
        }),
        { nil: undefined },
      ),
      caa: fc.array(
        fc.record({
          flags: fc.integer({ min: 0, max: 255 }),
          tag: fc.stringMatching(/^[a-zA-Z0-9]{1,15}$/),
          value: fc.stringMatching(/^[ !#-[\]-~]{0,40}$/),
        }),
        { maxLength: 3 },
      ),
      caaCritical: fc.boolean(),
      lifetimeMinutes: fc.integer({ min: 30, max: 720 }),
      counter: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(made, ({ label, points, clients, singleOnionService, flowControl, caa, ...rest }) => {
        const keys =
          clients === undefined
            ? undefined
            : Array.from({ length: clients }, (_, i) => noise(`${label} ${i}`, 32));
        const forged = forge({
          label,
          points,
          clients: keys,
          counter: rest.counter,
          inner: { singleOnionService, flowControl, caa },
        });
        const parts: DescriptorParts = {
          ...forged.parts,
          lifetimeMinutes: rest.lifetimeMinutes,
          middle: { ...forged.parts.middle, caaCritical: rest.caaCritical },
        };
        const signable = assembleDescriptor(parts);
        const text = finishDescriptor(signable, forged.descSign.sign(signable.signedMessage));
        const options = { kpHsId: forged.kpHsId, periods: [PERIOD], nowSeconds: forged.at };
        const opened = openTwice(text, { ...options, descriptorCookie: parts.descriptorCookie });
        if (typeof opened === 'string') throw new Error(opened);
        expect(opened.inner).toMatchObject({ ...parts.inner, unknown: [] });
        expect(opened.middle).toMatchObject({ ...parts.middle, unknown: [] });
        expect(opened.outer).toMatchObject({
          lifetimeMinutes: rest.lifetimeMinutes,
          revisionCounter: rest.counter,
        });
        expect(opened.dropped).toEqual([]);
        for (const client of keys?.slice(0, 2) ?? []) {
          expect(openCookie(client, opened.middle, parts.subcredential)).toEqual(parts.descriptorCookie);
        }
      }),
      { numRuns: 25, seed: 3 },
    );
  });

  test('the text has the lines and the size that it has from tor', () => {
    const { parts, descSign } = forge();
    const signable = assembleDescriptor({ ...parts, lifetimeMinutes: undefined });
    const text = decodeUtf8(finishDescriptor(signable, descSign.sign(signable.signedMessage)));
    expect(text.split('\n').filter(line => /^[a-z]/.test(line) && line.length < 64)).toEqual([
      'hs-descriptor 3',
      'descriptor-lifetime 180',
      'descriptor-signing-key-cert',
      `revision-counter ${parts.revisionCounter}`,
      'superencrypted',
    ]);
    expect(text).toMatch(/\n-----END MESSAGE-----\nsignature [A-Za-z0-9+/]{86}\n$/);
    expect(text.replace(/(?<=revision-counter )\d+/, '42')).toHaveLength(14_103);
  });

  test('a middle layer of 30,000 bytes is the most', () => {
    const { parts } = forge({ points: 3 });
    const of = (clients: number): DescriptorParts => ({
      ...parts,
      middle: { ...parts.middle, authClients: fakes(clients) },
    });
    expect(assembleDescriptor(of(368)).unsigned.length).toBeGreaterThan(41_000);
    expect(assembleDescriptor(of(368)).unsigned.length).toBeLessThan(49_999);
    expectRefusal('TOO_LARGE', () => assembleDescriptor(of(400)));
  });

  const stranger = ed25519Pair('stranger');
  const good = forge().parts;
  const withPoint = (
    point: DescriptorParts['inner']['introductionPoints'][number],
  ): Partial<DescriptorParts> => ({
    inner: { ...good.inner, introductionPoints: [point] },
  });
  const [first, second] = good.inner.introductionPoints;

  test.each<[string, DescriptorErrorCode, Partial<DescriptorParts>]>([
    ['no point', 'POINT_COUNT', { inner: { ...good.inner, introductionPoints: [] } }],
    ['a point certified by another key', 'WRONG_KEY', withPoint(makePoint('p', stranger, 1))],
    ['the certificates of another auth key', 'WRONG_KEY', withPoint({ ...first!, authKey: second!.authKey })],
    ['the certificates of another enc-key', 'WRONG_KEY', withPoint({ ...first!, encKey: second!.encKey })],
    [
      "certificates at each other's place",
      'BAD_CERT',
      withPoint({ ...first!, authKeyCert: first!.encKeyCert }),
    ],
    [
      'a certificate that is cut short',
      'BAD_LENGTH',
      withPoint({ ...first!, authKeyCert: first!.authKeyCert.slice(1) }),
    ],
    ['another blinded key', 'WRONG_KEY', { kpHsBlindId: forge({ label: 'other' }).parts.kpHsBlindId }],
    ['a certificate of type 09 for the signing key', 'BAD_CERT', { descSigningKeyCert: first!.authKeyCert }],
    ['too few client lines', 'BAD_LAYER', { middle: { ...good.middle, authClients: [] } }],
    [
      'an unfilled number of client lines',
      'BAD_LAYER',
      { middle: { ...good.middle, authClients: fakes(17) } },
    ],
    ['a cookie of 32 bytes', 'BAD_LENGTH', { descriptorCookie: new Uint8Array(32) }],
    ['an empty cookie', 'BAD_LENGTH', { descriptorCookie: new Uint8Array() }],
    ['a salt of 8 bytes', 'BAD_LENGTH', { salts: { ...good.salts, inner: new Uint8Array(8) } }],
    ['a lifetime of 10 minutes', 'BAD_INTEGER', { lifetimeMinutes: 10 }],
    ['a counter beyond 64 bits', 'BAD_INTEGER', { revisionCounter: 2n ** 64n }],
  ])('%s is refused', (_, code, change) => {
    expect(assembleDescriptor(good).unsigned.length).toBeGreaterThan(14_000);
    expectRefusal(code, () => assembleDescriptor({ ...good, ...change }));
  });

  test('a signature of another length is refused', () => {
    const signable = assembleDescriptor(good);
    expect(finishDescriptor(signable, new Uint8Array(64))).toHaveLength(signable.unsigned.length + 97);
    expectRefusal('BAD_LENGTH', () => finishDescriptor(signable, new Uint8Array(63)));
  });
});
