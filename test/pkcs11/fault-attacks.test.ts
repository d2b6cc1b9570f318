import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ed25519Verify,
  fromHex,
  nobleVerify,
  openDescriptor,
  openDescriptorWithNoble,
  type OpenedDescriptor,
  parseEd25519Public,
  parseKpHsDescSign,
  parseKpHsId,
  parseKpHssDescEnc,
  testNetwork,
  timePeriod,
} from '../../src/descriptor/index.ts';
import { type Rung, blindIdentity, descSigningCertBody, signLadder } from '../../src/pkcs11/blinded-sign.ts';
import { CheckpointSigner } from '../../src/pkcs11/checkpoint.ts';
import {
  RESULT_OPENERS,
  type ResultOpeners,
  createResultCheck,
} from '../../src/pkcs11/descriptor-builder.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { Secret } from '../../src/pkcs11/locked-memory.ts';
import { MarkLog } from '../../src/pkcs11/mark-log.ts';
import { isVouching, vouch } from '../../src/pkcs11/vouching.ts';
import { ed25519Pair } from '../descriptor/forge.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { expectCode, expectCodeOf } from './expect-code.ts';
import { FaultySodium, type Outcome, spread } from './faulty-sodium.ts';
import { type Rig, backendDescriptor, createRig, pointsOf, targetsAt } from './keyholder-rig.ts';

// A bit flips while a secret is used, as a glitch of voltage or memory does it: a wrong signature tells an attacker more
// than none, so none is released.

const sodium = new FaultySodium();
afterAll(() => sodium.restore());

const profile = testNetwork('test', 600);
const period = timePeriod(profile, 120_000);
const expanded = fromHex(chain.expandedSecret);
const identity = { scalar: expanded.subarray(0, 32), prfHalf: expanded.subarray(32) };
const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
const kpHsDescSign = parseKpHsDescSign(fromHex(chain.kpHsDescSign));

function blindedLadder(): Rung[] {
  const key = blindIdentity(identity, kpHsId, period);
  try {
    return signLadder(key, kpHsDescSign, profile, period);
  } finally {
    key.secret.wipe();
  }
}

const { kpHsBlindId, secret } = blindIdentity(identity, kpHsId, period);
secret.wipe();
const isLadder = (rungs: readonly Rung[]): boolean =>
  rungs.length > 0 &&
  rungs.every(({ expiryHours, signature }) =>
    [ed25519Verify, nobleVerify].every(verify =>
      verify(descSigningCertBody(expiryHours, kpHsDescSign, kpHsBlindId), signature, kpHsBlindId),
    ),
  );

/** Flips one bit in about `most` calls, one after the other. Codes of what was refused; all that was released is good. */
async function flipAll<T>(act: () => T, isGood: (result: T) => boolean, most = 150) {
  const refused = new Map<string, number>();
  const calls = await sodium.count(act);
  for (const at of spread(calls, most)) {
    const outcome: Outcome<T> = await sodium.run(act, at, 'flips a bit', 37 * at);
    if ('result' in outcome) {
      expect(isGood(outcome.result), `call ${at} of ${calls}`).toBe(true);
    } else if (outcome.thrown instanceof CustodyError) {
      refused.set(outcome.thrown.code, (refused.get(outcome.thrown.code) ?? 0) + 1);
    } else throw outcome.thrown;
  }
  return refused;
}

describe('a bit that flips in the token process', () => {
  test('during blinding and a ladder is refused before a certificate leaves', async () => {
    expect(isLadder(blindedLadder())).toBe(true);
    const refused = await flipAll(blindedLadder, isLadder);
    expect([...refused.keys()].toSorted()).toEqual(['CRYPTO', 'IDENTITY_MISMATCH']);
    expect([...refused.values()].every(count => count > 20)).toBe(true);
  });

  test('in the scalar itself is refused, whichever it is', () => {
    for (let bit = 0; bit < 256; bit += 1) {
      const key = blindIdentity(identity, kpHsId, period);
      key.secret.use(bytes => bytes.writeUInt8((bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3));
      expectCode('CRYPTO', () => signLadder(key, kpHsDescSign, profile, period));
      key.secret.wipe();
      const flipped = Uint8Array.from(identity.scalar);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expectCode('IDENTITY_MISMATCH', () => blindIdentity({ ...identity, scalar: flipped }, kpHsId, period));
    }
  });

  test('during the identity’s word for the checkpoint key is refused before it leaves', async () => {
    const checkpointKey = parseEd25519Public(ed25519Pair('checkpoints').publicKey);
    const refused = await flipAll(
      () => vouch(identity, kpHsId, checkpointKey),
      word => isVouching(word, kpHsId, checkpointKey),
    );
    expect([...refused.keys()]).toEqual(['CRYPTO']);
    expect(refused.get('CRYPTO')).toBeGreaterThan(50);
  });
});

describe('a bit that flips in the keyholder', () => {
  let rig: Rig;
  /** One for all tests: a second is spent once. */
  const clock = { now: Date.now() };
  beforeAll(async () => {
    rig = await createRig();
  });
  afterAll(() => rig.dispose());

  test('during a checkpoint is refused before it leaves', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fault-'));
    const marks = MarkLog.create(join(folder, 'marks'), new Uint8Array(16));
    const signer = new CheckpointSigner(Secret.random(32), marks);
    const sign = () => signer.sign({ size: 1n, rootHash: new Uint8Array(32).fill(1), proof: [] });
    const good = sign();
    const refused = await flipAll(sign, note => note === good);
    expect(refused).toEqual(new Map([['CRYPTO', 2]]));
    marks.close();
    rmSync(folder, { recursive: true });
  });

  test('during a descriptor latches the service: nothing is released, and nothing signed, until a restart', async () => {
    rig.writeList();
    const keyholder = rig.keyholder({ clock: () => clock.now });
    await keyholder.prepare();
    const order = (holder = keyholder) => {
      clock.now += 1000;
      const { digest } = holder.prove(rig.alpha, backendDescriptor('a1'));
      const second = Math.floor(clock.now / 1000);
      return holder.sign({
        kpHsId: rig.alpha,
        listSerial: rig.listSerial,
        points: pointsOf(digest, 0, 1),
        targets: targetsAt(second).slice(0, 1),
      });
    };
    expect(await order()).toHaveLength(1);
    // With all points certified, the signature of the descriptor is the last call but the wipes.
    const calls = await sodium.count(() => order());
    const codes = new Set<string>();
    for (let back = 0; back < 3 && codes.size === 0; back += 1) {
      const outcome = await sodium.run(() => order(), calls - back, 'flips a bit', 5);
      if ('thrown' in outcome && outcome.thrown instanceof CustodyError) codes.add(outcome.thrown.code);
    }
    expect([...codes]).toEqual(['KEYHOLDER_LATCHED']);
    await expectCodeOf('KEYHOLDER_LATCHED', order());
    const { services } = keyholder.status();
    expect(services.map(({ alias, latched }) => [alias, latched])).toEqual([
      ['alpha', true],
      ['beta', false],
    ]);
    keyholder.close();

    const after = rig.keyholder({ clock: () => clock.now });
    expect(await order(after)).toHaveLength(1);
    after.close();
  });

  /** Signs for alpha in all published periods, with this check of results. */
  function holderWith(openers: Partial<ResultOpeners>) {
    rig.writeList();
    const checkResult = createResultCheck({ ...RESULT_OPENERS, ...openers });
    const keyholder = rig.keyholder({ clock: () => clock.now, checkResult });
    const order = () => {
      clock.now += 1000;
      const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1'));
      return keyholder.sign({
        kpHsId: rig.alpha,
        listSerial: rig.listSerial,
        points: pointsOf(digest, 0, 1),
        targets: targetsAt(Math.floor(clock.now / 1000)),
      });
    };
    return { keyholder, order };
  }

  test('is looked for by both implementations: every text by OpenSSL, the first of each period by @noble', async () => {
    expect(RESULT_OPENERS).toEqual({ every: openDescriptor, first: openDescriptorWithNoble });
    const asked = { every: 0, first: 0 };
    const { keyholder, order } = holderWith({
      every: (text, options) => {
        asked.every += 1;
        return openDescriptor(text, options);
      },
      first: (text, options) => {
        asked.first += 1;
        return openDescriptorWithNoble(text, options);
      },
    });
    await keyholder.prepare();
    const periods = (await order()).length;
    expect(periods).toBeGreaterThan(0);
    await order();
    expect(asked).toEqual({ every: 2 * periods, first: periods });
    keyholder.close();
  });

  test.each(['every', 'first'] as const)('latches the service when one of both sees it: %s', async which => {
    const { keyholder, order } = holderWith({
      [which]: () => {
        throw new Error('it does not open');
      },
    });
    await keyholder.prepare();
    await expectCodeOf('KEYHOLDER_LATCHED', order());
    expect(keyholder.status().services[0]?.latched).toBe(true);
    keyholder.close();
  });

  // What opens well and says something else: a bit that flipped before the text was signed.
  const otherKey = parseKpHssDescEnc(ed25519Pair('another').publicKey);
  const CHANGES: [string, (opened: OpenedDescriptor) => OpenedDescriptor][] = [
    ['nothing', opened => opened],
    ['its counter', o => ({ ...o, outer: { ...o.outer, revisionCounter: o.outer.revisionCounter + 1n } })],
    ['its signing key', o => ({ ...o, kpHsDescSign })],
    ['its ephemeral key', o => ({ ...o, middle: { ...o.middle, ephemeralKey: otherKey } })],
    ['caa-critical', o => ({ ...o, middle: { ...o.middle, caaCritical: !o.middle.caaCritical } })],
    ['a client line', o => ({ ...o, middle: { ...o.middle, authClients: o.middle.authClients.slice(1) } })],
    [
      'single onion',
      o => withInner(o, ({ singleOnionService }) => ({ singleOnionService: !singleOnionService })),
    ],
    [
      'a point',
      o => withInner(o, ({ introductionPoints }) => ({ introductionPoints: introductionPoints.slice(1) })),
    ],
    ['a CAA line', o => withInner(o, () => ({ caa: [{ flags: 0, tag: 'issue', value: 'x' }] }))],
  ];

  test.each(CHANGES)('that changed %s, and only that, latches the service', async (what, change) => {
    const { keyholder, order } = holderWith({
      every: (text, options) => change(openDescriptor(text, options)),
    });
    await keyholder.prepare();
    if (what === 'nothing') expect((await order()).length).toBeGreaterThan(0);
    else await expectCodeOf('KEYHOLDER_LATCHED', order());
    keyholder.close();
  });
});

function withInner(
  opened: OpenedDescriptor,
  change: (inner: NonNullable<OpenedDescriptor['inner']>) => Partial<NonNullable<OpenedDescriptor['inner']>>,
): OpenedDescriptor {
  const { inner } = opened;
  return inner === undefined ? opened : { ...opened, inner: { ...inner, ...change(inner) } };
}
