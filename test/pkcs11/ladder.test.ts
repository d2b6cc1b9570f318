import { describe, expect, test } from 'vitest';
import {
  type Ed25519Verify,
  deriveKpHsBlindId,
  ed25519Verify,
  ladderHours,
  nobleVerify,
  parseKpHsDescSign,
  testNetwork,
  timePeriod,
} from '../../src/descriptor/index.ts';
import { type Rung, descSigningCertBody } from '../../src/pkcs11/blinded-sign.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { LADDER_VERIFIERS, verifyLadder } from '../../src/pkcs11/ladder.ts';
import { ed25519Pair, identity } from '../descriptor/forge.ts';

// Nine hours to a ladder, where the public network has 49.
const profile = testNetwork('test', 600);
const { kpHsId, signBlinded } = identity('ladder');
const period = timePeriod(profile, 120_000);
const kpHsBlindId = deriveKpHsBlindId(kpHsId, period);
const kpHsDescSign = parseKpHsDescSign(ed25519Pair('ladder descriptor signing').publicKey);
const demand = { period, kpHsBlindId, kpHsDescSign };
const hours = ladderHours(profile, period);
const rungs: Rung[] = hours.map(expiryHours => ({
  expiryHours,
  signature: signBlinded(period, descSigningCertBody(expiryHours, kpHsDescSign, kpHsBlindId)),
}));

/** The ladder with one signature spoilt: in R, or in S. */
const spoilt = (rung: number, byte: number): Rung[] =>
  rungs.map((each, i) =>
    i === rung ? { ...each, signature: each.signature.with(byte, (each.signature[byte] ?? 0) ^ 1) } : each,
  );

const ALONE: [string, readonly Ed25519Verify[] | undefined][] = [
  ['OpenSSL alone', [ed25519Verify]],
  ['@noble alone', [nobleVerify]],
  ['both, as in use', undefined],
];

describe.each(ALONE)('a ladder before %s', (_, verifiers) => {
  const verdict = async (given: readonly Rung[], asked = demand): Promise<string> => {
    try {
      await verifyLadder(asked, given, profile, verifiers);
      return 'taken';
    } catch (error) {
      if (error instanceof CustodyError) return error.code;
      throw error;
    }
  };

  test('is taken when every certificate holds', async () => {
    expect(hours.length).toBeGreaterThan(5);
    expect(await verdict(rungs)).toBe('taken');
  });

  test('is refused for one bad certificate, whichever it is', async () => {
    for (const rung of rungs.keys()) {
      expect(await verdict(spoilt(rung, rung % 2 === 0 ? 3 : 35)), `rung ${rung}`).toBe('TOKEN_PROTOCOL');
    }
  });

  test('is refused over another key and under another identity', async () => {
    const other = parseKpHsDescSign(ed25519Pair('other').publicKey);
    expect(await verdict(rungs, { ...demand, kpHsDescSign: other })).toBe('TOKEN_PROTOCOL');
    const stranger = deriveKpHsBlindId(identity('stranger').kpHsId, period);
    expect(await verdict(rungs, { ...demand, kpHsBlindId: stranger })).toBe('TOKEN_PROTOCOL');
  });

  test('is refused with an hour too few, too many, or in another order', async () => {
    expect(await verdict(rungs.slice(1))).toBe('TOKEN_PROTOCOL');
    expect(await verdict([...rungs, ...rungs.slice(-1)])).toBe('TOKEN_PROTOCOL');
    expect(await verdict(rungs.toReversed())).toBe('TOKEN_PROTOCOL');
  });
});

test('each certificate is put before each implementation', async () => {
  expect(LADDER_VERIFIERS).toEqual([ed25519Verify, nobleVerify]);
  const seen: string[] = [];
  const spy = (name: string): Ed25519Verify => {
    return (message, signature, publicKey) => {
      seen.push(`${name} ${Buffer.from(signature).toString('hex')}`);
      return ed25519Verify(message, signature, publicKey);
    };
  };
  await verifyLadder(demand, rungs, profile, [spy('first'), spy('second')]);
  expect(new Set(seen).size).toBe(rungs.length * 2);
});

test('other work has its turn while a ladder is verified', async () => {
  let turns = 0;
  const tick = (): void => {
    turns += 1;
    timer = setImmediate(tick);
  };
  let timer = setImmediate(tick);
  await verifyLadder(demand, rungs, profile);
  clearImmediate(timer);
  expect(turns).toBeGreaterThanOrEqual(rungs.length - 1);
});
