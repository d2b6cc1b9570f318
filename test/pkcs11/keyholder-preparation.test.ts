import { chmodSync, copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  TOR_NETWORK,
  ladderHours,
  publicationWindow,
  publishablePeriods,
  timePeriod,
} from '../../src/descriptor/index.ts';
import type { Keyholder, KeyholderOptions } from '../../src/pkcs11/keyholder-service.ts';
import { wantedPeriods, type TokenOpener } from '../../src/pkcs11/openings.ts';
import type { PinStore } from '../../src/pkcs11/pin-memory.ts';
import type { OpenRequest, OpeningResult } from '../../src/pkcs11/token-messages.ts';
import { type Rig, createRig } from './keyholder-rig.ts';

let rig: Rig;
let clock: number;
const open = (options: Partial<KeyholderOptions> = {}) => rig.keyholder({ clock: () => clock, ...options });
const seconds = () => Math.floor(clock / 1000);
const keysOf = (keyholder: Keyholder) =>
  keyholder.status().services.map(({ periods }) => periods.map(({ kpHsDescSign }) => kpHsDescSign));

beforeAll(async () => {
  rig = await createRig();
});
afterAll(() => rig.dispose());
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  rig.writeList();
});

/** A token between us and the real one, which spoils what comes back. */
const spoilt = (change: (results: OpeningResult[], request: OpenRequest) => OpeningResult[]): TokenOpener => {
  const client = rig.opener();
  return { open: async request => change(await client.open(request), request) };
};
const certified = (result: OpeningResult | undefined) => {
  if (result === undefined || 'error' in result) throw new Error('not opened');
  return result;
};

describe('PREPARE', () => {
  test('certifies all periods up to `ahead` for every enabled service, with one run of the token process', async () => {
    const pids: number[] = [];
    const client = rig.opener(pid => pids.push(pid));
    const keyholder = open({ openerFor: () => client });
    const prepared = await keyholder.prepare();
    const wanted = wantedPeriods(TOR_NETWORK, seconds(), 3 * 86_400);
    expect(wanted.length).toBeGreaterThanOrEqual(4);
    expect(wanted.slice(0, 2)).toEqual(publishablePeriods(TOR_NETWORK, seconds()));
    const next = timePeriod(TOR_NETWORK, (wanted.at(-1)?.periodNum ?? 0) + 1);
    for (const each of prepared) {
      expect(each).toMatchObject({
        certifiedPeriods: wanted.length,
        missingPeriods: 0,
        origin: 'born',
        errorCode: '',
      });
      expect(each.certifiedUntil).toBe(publicationWindow(TOR_NETWORK, next).from);
    }
    expect(prepared).toHaveLength(2);
    expect(pids).toHaveLength(1);
    for (const { periods } of keyholder.status().services) {
      for (const { periodNum, exposureEnd } of periods) {
        const hours = ladderHours(TOR_NETWORK, timePeriod(TOR_NETWORK, periodNum));
        expect(exposureEnd).toBe((hours.at(-1) ?? 0) * 3600);
      }
    }
    await keyholder.prepare();
    expect(pids).toHaveLength(1);
    keyholder.close();
  });

  test('is shared by those who ask at the same time', async () => {
    const pids: number[] = [];
    const client = rig.opener(pid => pids.push(pid));
    const keyholder = open({ openerFor: () => client });
    await Promise.all([keyholder.prepare(), keyholder.prepare(), keyholder.prepare()]);
    expect(pids).toHaveLength(1);
    keyholder.close();
  });

  test('leaves a disabled service alone', async () => {
    rig.writeList({}, { enabled: false });
    const keyholder = open();
    expect(await keyholder.prepare()).toHaveLength(1);
    expect(keysOf(keyholder).map(keys => keys.length > 0)).toEqual([false, true]);
    keyholder.close();
  });

  test('goes on after a token process that was killed while it opened', async () => {
    let kill = true;
    const client = rig.opener(pid => {
      if (kill) process.kill(pid, 'SIGKILL');
    });
    const keyholder = open({ openerFor: () => client });
    for (const each of await keyholder.prepare())
      expect(each).toMatchObject({ errorCode: 'TOKEN_DEAD', certifiedUntil: 0 });
    kill = false;
    // Not at once: a failure is followed by a pause.
    for (const each of await keyholder.prepare()) expect(each.errorCode).toBe('TOKEN_DEAD');
    clock += 61_000;
    for (const each of await keyholder.prepare())
      expect(each).toMatchObject({ errorCode: '', missingPeriods: 0 });
    keyholder.close();
  });

  test('loses nothing when the token fails later, and takes only what is missing', async () => {
    const keyholder = open();
    await keyholder.prepare();
    const keys = keysOf(keyholder);
    keyholder.close();
    const broken: TokenOpener = { open: () => Promise.reject(new Error('gone')) };
    const again = open({ openerFor: () => broken });
    clock += 86_400_000;
    const [first] = await again.prepare();
    expect(first).toMatchObject({ errorCode: 'TOKEN_DEAD', missingPeriods: 1 });
    expect(keysOf(again)[0]).toEqual(keys[0]);
    again.close();
  });

  test('opens a service at most four times in a voting interval', async () => {
    let asked = 0;
    const failing: TokenOpener = {
      open: request => {
        asked += 1;
        // Every answer is good but one service's secret, so that no key ever comes into use.
        return spoilt(results =>
          results.map(each => ({ ...certified(each), sealedServiceSecret: new Uint8Array(80) })),
        ).open(request);
      },
    };
    const keyholder = open({ openerFor: () => failing });
    const start = clock;
    for (; clock < start + 3_600_000; clock += 10_000) await keyholder.prepare();
    // At 0, 60, 180 and 420 seconds: the budget, not the pause, ends it.
    expect(asked).toBe(4);
    await keyholder.prepare();
    expect(asked).toBe(5);
    keyholder.close();
  });

  test('opens with the next token of the list when one is not there', async () => {
    const [token] = rig.writeList().tokens;
    const absent = { uri: 'pkcs11:token=absent', modulePath: rig.hsm.modulePath };
    rig.writeList({ tokens: token === undefined ? [] : [absent, token] });
    const keyholder = open();
    for (const each of await keyholder.prepare())
      expect(each).toMatchObject({ errorCode: '', missingPeriods: 0 });
    keyholder.close();
  });

  test('names why one service stays shut while another is opened', async () => {
    const path = join(rig.folder, 'alpha.age');
    const aside = join(rig.folder, 'aside');
    renameSync(path, aside);
    const first = open();
    expect((await first.prepare()).map(each => each.errorCode)).toEqual(['ENVELOPE_FILE', '']);
    first.close();
    // The envelope of another service is opened by the same token, and refused by its address.
    rig.reset();
    copyFileSync(join(rig.folder, 'beta.age'), path);
    const second = open();
    expect((await second.prepare()).map(each => each.errorCode)).toEqual(['IDENTITY_MISMATCH', '']);
    second.close();
    rig.reset();
    renameSync(aside, path);
    chmodSync(path, 0o666);
    const third = open();
    expect((await third.prepare()).map(each => each.errorCode)).toEqual(['ENVELOPE_FILE', '']);
    third.close();
    chmodSync(path, 0o600);
    rig.reset();
    const fourth = open();
    expect((await fourth.prepare()).map(each => each.errorCode)).toEqual(['', '']);
    fourth.close();
  });

  test('tries a wrong PIN once, over all requests and restarts, until it is corrected', async () => {
    const wrong = join(rig.folder, 'wrong-pin');
    writeFileSync(wrong, '000000\n', { mode: 0o600 });
    rig.writeList({ pinSource: `file:${wrong}` });
    let asked = 0;
    const counted = () => {
      const onSpawn = () => {
        asked += 1;
      };
      return (_: number, pins: PinStore) => rig.opener(onSpawn, pins);
    };
    for (let start = 0; start < 3; start++) {
      const keyholder = open({ openerFor: counted() });
      for (const each of await keyholder.prepare()) expect(each.errorCode).toBe('PIN_INCORRECT');
      clock += 4_000_000;
      for (const each of await keyholder.prepare()) expect(each.errorCode).toBe('PIN_INCORRECT');
      keyholder.close();
    }
    expect(asked).toBe(1);
    // A newer list is no newer PIN; a corrected file is.
    rig.writeList({ pinSource: `file:${wrong}` });
    const unchanged = open({ openerFor: counted() });
    for (const each of await unchanged.prepare()) expect(each.errorCode).toBe('PIN_INCORRECT');
    expect(asked).toBe(1);
    unchanged.close();
    copyFileSync(rig.hsm.pinSource.slice('file:'.length), wrong);
    const keyholder = open({ openerFor: counted() });
    clock = Date.now();
    for (const each of await keyholder.prepare()) expect(each.errorCode).toBe('');
    keyholder.close();
  });
});

describe('a ladder', () => {
  const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte));

  test.each<[string, (results: OpeningResult[], request: OpenRequest) => OpeningResult[]]>([
    [
      'has one bad signature',
      ([first, ...rest]) => {
        const { ladders, ...other } = certified(first);
        const spoil = ladders.map(ladder => ({
          ...ladder,
          rungs: ladder.rungs.map((rung, i) =>
            i === 20 ? { ...rung, signature: flip(rung.signature) } : rung,
          ),
        }));
        return [{ ...other, ladders: spoil }, ...rest];
      },
    ],
    [
      'lacks a rung',
      ([first, ...rest]) => {
        const { ladders, ...other } = certified(first);
        return [
          { ...other, ladders: ladders.map(each => ({ ...each, rungs: each.rungs.slice(1) })) },
          ...rest,
        ];
      },
    ],
    [
      'is that of another period',
      ([first, ...rest]) => {
        const { ladders, ...other } = certified(first);
        return [{ ...other, ladders: ladders.toReversed() }, ...rest];
      },
    ],
    [
      'comes with a secret that is not sealed to us',
      ([first, ...rest]) => {
        const result = certified(first);
        return [{ ...result, sealedServiceSecret: flip(result.sealedServiceSecret) }, ...rest];
      },
    ],
    [
      'vouches for no checkpoint key',
      ([first, ...rest]) => {
        const result = certified(first);
        return [{ ...result, vouching: flip(result.vouching) }, ...rest];
      },
    ],
    ['is that of another service', ([first, second]) => [second, first].map(each => certified(each))],
  ])('is not used when it %s, and nothing else changes', async (_what, change) => {
    const keyholder = open({ openerFor: () => spoilt(change) });
    const [alpha] = await keyholder.prepare();
    expect(alpha).toMatchObject({ errorCode: 'TOKEN_PROTOCOL', certifiedPeriods: 0, origin: '' });
    expect(keysOf(keyholder)[0]).toEqual([]);
    keyholder.close();
    const good = open({ openerFor: () => spoilt(results => results) });
    expect(await good.prepare()).toMatchObject([{ errorCode: '' }, { errorCode: '' }]);
    good.close();
  });
});
