import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  deriveKpHsBlindId,
  ed25519Verify,
  encodeBase64Unpadded,
  ladderHours,
  publicationWindow,
  testNetwork,
  timePeriod,
  timePeriodAt,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import { descSigningCertBody } from '../../src/pkcs11/blinded-sign.ts';
import { parseEnvelope } from '../../src/pkcs11/envelope-header.ts';
import { askChild } from '../../src/pkcs11/ask-child.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import { isVouching } from '../../src/pkcs11/vouching.ts';
import { createSoftHsm } from '../softhsm/create-softhsm.ts';
import { expectCodeOf } from './expect-code.ts';
import { createTokenRig, currentPeriod, kpHsDescSign, now, opened, type TokenRig } from './token-rig.ts';

let rig: TokenRig;
beforeAll(async () => {
  rig = await createTokenRig();
});
afterAll(() => rig.dispose());

describe('an identity sealed to a token', () => {
  test('gives, opened, one valid ladder for each period and the secret of the service', async () => {
    const periods = [0, 1, 2].map(ahead => currentPeriod() + ahead);
    const [result] = await rig.client().open(rig.openRequest({}, periods));
    const { ladders, origin, vouching } = opened(result);
    expect(origin).toBe('born');
    expect(isVouching(vouching, rig.sealed.kpHsId, kpHsDescSign)).toBe(true);
    expect(isVouching(vouching, rig.sealed.kpHsId, rig.sealed.kpHsId)).toBe(false);
    expect(ladders.map(({ periodNum }) => periodNum)).toEqual(periods);
    for (const { periodNum, rungs } of ladders) {
      const period = timePeriod(TOR_NETWORK, periodNum);
      const kpHsBlindId = deriveKpHsBlindId(rig.sealed.kpHsId, period);
      expect(rungs.map(({ expiryHours }) => expiryHours)).toEqual(ladderHours(TOR_NETWORK, period));
      for (const { expiryHours, signature } of rungs) {
        const body = descSigningCertBody(expiryHours, kpHsDescSign, kpHsBlindId);
        expect(ed25519Verify(body, signature, kpHsBlindId)).toBe(true);
      }
    }
    expect(rig.serviceSecretOf(result)).toEqual(
      rig.serviceSecretOf((await rig.client().open(rig.openRequest()))[0]),
    );
  });

  test('is a file that the stock age program opens with the paper key: key file of tor, then the secret', async () => {
    const plain = rig.age.decrypt(rig.sealed.envelope);
    expect(plain?.subarray(0, 32).toString('latin1')).toBe('== ed25519v1-secret: type0 ==\0\0\0');
    expect(plain?.subarray(96)).toEqual(rig.serviceSecretOf((await rig.client().open(rig.openRequest()))[0]));
  });

  test('has new keys each time', async () => {
    const other = await rig.client().seal(rig.sealRequest());
    expect(other.kpHsId).not.toEqual(rig.sealed.kpHsId);
    expect(rig.age.decrypt(other.envelope)?.subarray(96)).not.toEqual(
      rig.age.decrypt(rig.sealed.envelope)?.subarray(96),
    );
  });

  test('serves a test network by the profile of the request', async () => {
    const profile = testNetwork('test', 20);
    const period = timePeriodAt(profile, now());
    const [result] = await rig.client().open(rig.openRequest({ profile }, [period.periodNum]));
    const kpHsBlindId = deriveKpHsBlindId(rig.sealed.kpHsId, period);
    const [rung] = opened(result).ladders[0]?.rungs ?? [];
    expect(ladderHours(profile, period)).toContain(rung?.expiryHours);
    const body = descSigningCertBody(rung?.expiryHours ?? 0, kpHsDescSign, kpHsBlindId);
    expect(ed25519Verify(body, rung?.signature ?? new Uint8Array(64), kpHsBlindId)).toBe(true);
  });

  test('may be opened with others by one login; one bad envelope does not keep the others shut', async () => {
    const other = await rig.client().seal(rig.sealRequest());
    const periods = [{ periodNum: currentPeriod(), kpHsDescSign }];
    const openings = [
      { kpHsId: rig.sealed.kpHsId, envelope: rig.sealed.envelope, periods },
      { kpHsId: rig.sealed.kpHsId, envelope: other.envelope, periods },
      { kpHsId: other.kpHsId, envelope: other.envelope, periods },
    ];
    const results = await rig.client().open(rig.openRequest({ openings }));
    expect(results.map(result => ('error' in result ? result.error.code : result.ladders.length))).toEqual([
      1,
      'IDENTITY_MISMATCH',
      1,
    ]);
  });
});

describe('the horizon', () => {
  test('bounds the periods that are certified, on both sides', async () => {
    const period = timePeriod(TOR_NETWORK, currentPeriod() + 5);
    const reach = publicationWindow(TOR_NETWORK, period).from - now();
    const [result] = await rig
      .client()
      .open(rig.openRequest({ horizonSeconds: reach + 60 }, [period.periodNum]));
    expect(opened(result).ladders).toHaveLength(1);
    await expectCodeOf(
      'PERIOD_REFUSED',
      rig.client().open(rig.openRequest({ horizonSeconds: reach - 60 }, [period.periodNum])),
    );
  });

  test('refuses a period that is over', async () => {
    await expectCodeOf(
      'PERIOD_REFUSED',
      rig.client().open(rig.openRequest({}, [currentPeriod(), currentPeriod() - 2])),
    );
    await expectCodeOf('PERIOD_REFUSED', rig.client().open(rig.openRequest({}, [0])));
  });

  test('a profile that no tor network runs is refused', async () => {
    const profile = { ...TOR_NETWORK, periodLengthMinutes: 100_000 };
    await expectCodeOf('PROFILE_REFUSED', rig.client().open(rig.openRequest({ profile })));
  });
});

describe('a damaged or foreign envelope', () => {
  const outcome = async (envelope: Uint8Array, kpHsId = rig.sealed.kpHsId) => {
    const periods = [{ periodNum: currentPeriod(), kpHsDescSign }];
    const [result] = await rig.client().open(rig.openRequest({ openings: [{ kpHsId, envelope, periods }] }));
    return result === undefined || 'error' in result ? result?.error.code : 'opened';
  };

  function flipped(at: number): Uint8Array {
    const changed = Uint8Array.from(rig.sealed.envelope);
    changed[at] = (changed[at] ?? 0) ^ 1;
    return changed;
  }

  test('is refused by its own code, and the whole one is opened', async () => {
    const text = Buffer.from(rig.sealed.envelope).toString('latin1');
    const mac = text.indexOf('\n--- ') + 5;
    expect(await outcome(rig.sealed.envelope)).toBe('opened');
    expect(await outcome(rig.sealed.envelope.slice(0, -1))).toBe('ENVELOPE_PAYLOAD');
    expect(await outcome(rig.sealed.envelope.slice(0, 500))).toBe('ENVELOPE_SYNTAX');
    expect(await outcome(flipped(rig.sealed.envelope.length - 40))).toBe('ENVELOPE_PAYLOAD');
    expect(await outcome(flipped(mac + 3))).toBe('ENVELOPE_MAC');
    expect(await outcome(Buffer.from(text.replace(' born', ' imported-2026-01-01'), 'latin1'))).toBe(
      'ENVELOPE_MAC',
    );
  });

  test('whose wrapped key was changed is refused by the token', async () => {
    const { wrapped } = parseEnvelope(rig.sealed.envelope).tokens[0] ?? { wrapped: new Uint8Array(0) };
    const changed = Uint8Array.from(wrapped);
    changed[100] = (changed[100] ?? 0) ^ 1;
    const lines = (bytes: Uint8Array) => encodeBase64Unpadded(bytes).replace(/.{64}(?=.)/gu, '$&\n');
    const text = Buffer.from(rig.sealed.envelope).toString('latin1').replace(lines(wrapped), lines(changed));
    expect(await outcome(Buffer.from(text, 'latin1'))).toBe('ENVELOPE_UNWRAP');
  });

  test('is opened with the key that it was sealed to, whatever else is on the token by now', async () => {
    const crowded = await createTokenRig();
    await crowded.hsm.makeKey({ label: 'made later' });
    const [result] = await crowded.client().open(crowded.openRequest());
    expect(opened(result).ladders).toHaveLength(1);
    // Sealing does not choose: it is told which key.
    await expectCodeOf('KEY_AMBIGUOUS', crowded.client().seal(crowded.sealRequest()));
    await crowded.dispose();
  });

  test('of another token is refused', async () => {
    const otherHsm = await createSoftHsm();
    await otherHsm.makeKey();
    const foreign = await new TokenClient({ env: otherHsm.env, deadlineMs: 60_000 }).seal(
      rig.sealRequest({ tokens: [otherHsm.access()] }),
    );
    expect(await outcome(foreign.envelope, foreign.kpHsId)).toBe('ENVELOPE_NO_RECIPIENT');
    await otherHsm.dispose();
  });
});

describe('a token process', () => {
  test('that hangs is killed at the deadline', async () => {
    let pid = 0;
    const stopped = rig.client({
      deadlineMs: 300,
      onSpawn: started => {
        pid = started;
        process.kill(started, 'SIGSTOP');
      },
    });
    await expectCodeOf('TOKEN_TIMEOUT', stopped.open(rig.openRequest()));
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test('that dies is reported as dead', async () => {
    const killed = rig.client({ onSpawn: pid => process.kill(pid, 'SIGKILL') });
    await expectCodeOf('TOKEN_DEAD', killed.open(rig.openRequest()));
  });

  test('is gone when its answer is here', async () => {
    const pids: number[] = [];
    const watched = rig.client({ onSpawn: pid => pids.push(pid) });
    await watched.open(rig.openRequest());
    await expectCodeOf('PERIOD_REFUSED', watched.open(rig.openRequest({}, [0])));
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test.each(['token-process', 'administration'] as const)(
    'refuses a request that it does not know: %s',
    async entry => {
      await expectCodeOf(
        'TOKEN_PROTOCOL',
        askChild(entry, 99, new Uint8Array(0), { env: rig.hsm.env, deadlineMs: 60_000 }),
      );
      await expectCodeOf(
        'FRAME_BAD',
        askChild(entry, entry === 'administration' ? 4 : 1, new Uint8Array(0), {
          env: rig.hsm.env,
          deadlineMs: 60_000,
        }),
      );
    },
  );

  test('gets nothing of our environment but what modules need', async () => {
    process.env['NODE_OPTIONS_FOR_TEST'] = 'leaked';
    let environment = '';
    const watched = rig.client({
      onSpawn: pid => {
        environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      },
    });
    await watched.open(rig.openRequest());
    delete process.env['NODE_OPTIONS_FOR_TEST'];
    const names = environment.split('\0').flatMap(line => (line === '' ? [] : [line.split('=')[0]]));
    // What the rig gives besides is its own.
    expect(new Set(names)).toEqual(new Set(['PATH', ...Object.keys(rig.hsm.env)]));
  });
});
