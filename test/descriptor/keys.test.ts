import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/descriptor/bytes.ts';
import * as k from '../../src/descriptor/keys.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const { Point } = ed25519;
const identity = fromHex(chain.kpHsId);
const x25519Key = fromHex(chain.x25519PublicKey);
/** P − 1 and its neighbours as little-endian numbers. */
const le = (value: bigint) => fromHex(value.toString(16).padStart(64, '0')).reverse();
const P = 2n ** 255n - 19n;

/** The identity plus a point of order 8: on the curve, not of small order, not torsion-free. */
function withTorsion(): Uint8Array {
  const torsion = ED25519_TORSION_SUBGROUP.map(hex => Point.fromHex(hex)).find(
    point => !point.multiplyUnsafe(4n).is0(),
  );
  if (torsion === undefined) throw new Error('no point of order 8');
  return Point.fromBytes(identity).add(torsion).toBytes();
}

describe('Ed25519 public keys', () => {
  test('a key is copied, so that its bytes stay what was checked', () => {
    const source = new Uint8Array(identity);
    const key = k.parseKpHsId(source);
    source.fill(0);
    expect(toHex(key)).toBe(chain.kpHsId);
  });

  test.each([
    ['KP_hs_id', k.parseKpHsId],
    ['KP_hs_blind_id', k.parseKpHsBlindId],
    ['KP_hs_desc_sign', k.parseKpHsDescSign],
    ['KP_hs_ipt_sid', k.parseKpHsIptSid],
    ['a key without a name', (bytes: Uint8Array) => k.parseEd25519Public(bytes)],
  ])('%s is a canonical point that is not of small order', (_name, parse) => {
    expect(toHex(parse(identity))).toBe(chain.kpHsId);
    for (const hex of ED25519_TORSION_SUBGROUP) expectRefusal('BAD_KEY', () => parse(fromHex(hex)));
    // y = p + 3 and p + 18 encode 3 and 18 a second time; y = 2 is not on the curve.
    for (const y of [P, P + 1n, P + 3n, P + 18n, 2n]) expectRefusal('BAD_KEY', () => parse(le(y)));
    // x = 0 with the sign bit set is a second encoding of the identity element and of −1.
    for (const y of [1n, P - 1n]) expectRefusal('BAD_KEY', () => parse(le(y + 2n ** 255n)));
    expectRefusal('BAD_LENGTH', () => parse(identity.subarray(1)));
    expectRefusal('BAD_LENGTH', () => parse(new Uint8Array(33)));
  });

  test('an identity has no torsion part; other keys may', () => {
    expect(k.parseEd25519Public(withTorsion())).toHaveLength(32);
    expectRefusal('BAD_KEY', () => k.parseKpHsId(withTorsion()));
  });
});

describe('X25519 public keys', () => {
  test.each([
    ['KP_hss_ntor', k.parseKpHssNtor],
    ['KP_ntor', k.parseKpNtor],
    ['KP_hsc_desc_enc', k.parseKpHscDescEnc],
    ['KP_hss_desc_enc', k.parseKpHssDescEnc],
    ['a key without a name', (bytes: Uint8Array) => k.parseX25519Public(bytes)],
  ])('%s is canonical and not of low order', (_name, parse) => {
    expect(toHex(parse(x25519Key))).toBe(chain.x25519PublicKey);
    expect(parse(le(P - 2n))).toHaveLength(32);
    for (const u of [0n, 1n, P - 1n, P, P + 1n, P + 9n, 2n ** 255n + 9n]) {
      expectRefusal('BAD_KEY', () => parse(le(u)));
    }
    expectRefusal('BAD_LENGTH', () => parse(x25519Key.subarray(1)));
  });
});

test.each([
  ['a relay fingerprint', k.parseRelayFingerprint, 20],
  ['a relay Ed25519 identity', k.parseRelayEd25519Id, 32],
  ['a shared random value', k.parseSharedRandomValue, 32],
  ['N_hs_cred', k.parseNHsCred, 32],
  ['N_hs_subcred', k.parseNHsSubcred, 32],
] as const)('%s has its length and no other', (_name, parse, length) => {
  expect(parse(new Uint8Array(length))).toEqual(new Uint8Array(length));
  expectRefusal('BAD_LENGTH', () => parse(new Uint8Array(length - 1)));
  expectRefusal('BAD_LENGTH', () => parse(new Uint8Array(length + 1)));
});
