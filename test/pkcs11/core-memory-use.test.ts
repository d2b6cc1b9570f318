import { setImmediate as nextRound } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { FrameChannel } from '../../src/pkcs11/frames.ts';
import {
  KEYHOLDER_FRAME,
  MAX_REFERENCES,
  MAX_SLOW_REQUESTS,
  MAX_TARGETS,
  type PreparedService,
  encodeSign,
} from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { Turns } from '../../src/pkcs11/turns.ts';
import { codesOf, connectTo, holdSigning, receive } from './core-connection.ts';
import { type Rig, createRig } from './keyholder-rig.ts';

/** What a core that was taken over makes a keyholder keep in its memory. */

const { sign, prepare, status } = KEYHOLDER_FRAME;
const NOTHING = new Uint8Array(0);
const EVIDENCE = 'ab'.repeat(32);

let rig: Rig;
let keyholder: Keyholder;

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Sends as many slow requests as are kept, is told that one more is too many, and goes. */
async function fillAndGo(type: number, payload: Uint8Array, turns: Turns): Promise<WeakRef<FrameChannel>> {
  const { core, end, served, kept } = connectTo(keyholder, turns);
  for (let i = 1; i <= MAX_SLOW_REQUESTS + 1; i++) await core.send(type, i, payload);
  expect(codesOf(await receive(core, 1))).toEqual(['KEYHOLDER_BUSY']);
  end();
  await served;
  return kept;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const stillKept = (refs: readonly WeakRef<FrameChannel>[]): number => {
  collect();
  return refs.filter(each => each.deref() !== undefined).length;
};

test('of cores that have gone nothing is kept while a token hangs for them, however often they come again', async () => {
  const hanging = Promise.withResolvers<PreparedService[]>();
  const begun = vi.spyOn(keyholder, 'prepare').mockReturnValue(hanging.promise);
  const turns = new Turns();
  const gone: WeakRef<FrameChannel>[] = [];
  for (let round = 0; round < 3; round++) gone.push(await fillAndGo(prepare, NOTHING, turns));
  await expect.poll(() => stillKept(gone)).toBe(0);
  // The control: an order that has begun keeps its connection until it is over.
  const { finish } = holdSigning(keyholder);
  const signing = [
    await fillAndGo(sign, encodeSign({ kpHsId: rig.alpha, listSerial: 1, points: [], targets: [] }), turns),
  ];
  for (let round = 0; round < 5; round++) await nextRound();
  expect(stillKept(signing)).toBe(1);
  finish();
  await expect.poll(() => stillKept(signing)).toBe(0);
  // Who is there when the token answers is told, each time that it asked.
  const { core, end, served } = connectTo(keyholder, turns);
  await core.send(prepare, 1, NOTHING);
  await core.send(prepare, 2, NOTHING);
  await core.send(status, 4, NOTHING);
  expect(await receive(core, 1)).toMatchObject([{ sequence: 4 }]);
  hanging.resolve([]);
  expect(codesOf(await receive(core, 2))).toEqual(['answered', 'answered']);
  expect(begun).toHaveBeenCalledTimes(1);
  await core.send(prepare, 3, NOTHING);
  expect(codesOf(await receive(core, 1))).toEqual(['answered']);
  expect(begun).toHaveBeenCalledTimes(2);
  end();
  await served;
});

test('the longest order waits for its turn; what is longer, or no order at all, is refused and never kept', async () => {
  const { begun, finish } = holdSigning(keyholder);
  const points = Array.from({ length: MAX_REFERENCES }, (_, index) => ({ evidence: EVIDENCE, index }));
  const targets = Array.from({ length: MAX_TARGETS }, (_, second) => ({ periodNum: 1, variant: 0, second }));
  const longest = encodeSign({ kpHsId: rig.alpha, listSerial: 1, points, targets });
  expect(longest).toHaveLength(2442);
  const one = connectTo(keyholder);
  for (let i = 1; i <= MAX_SLOW_REQUESTS; i++) await one.core.send(sign, i, longest);
  finish();
  await receive(one.core, MAX_SLOW_REQUESTS);
  expect(begun).toHaveLength(MAX_SLOW_REQUESTS);
  one.end();
  await one.served;
  for (const [type, payload] of [
    [sign, new Uint8Array([...longest, 0])],
    [prepare, new Uint8Array(100_000)],
  ] as const) {
    const { core, end, served } = connectTo(keyholder, new Turns(), 64);
    let taken = 0;
    // A core that does not read what it is told: nothing more is read of it either.
    const sent = Array.from({ length: 300 }, (_, i) =>
      core.send(type, i + 1, payload).then(() => (taken += 1)),
    );
    for (let round = 0; round < 1000; round++) await nextRound();
    expect(taken).toBeLessThan(MAX_SLOW_REQUESTS / 2);
    expect(codesOf(await receive(core, 300))).toEqual(sent.map(() => 'FRAME_BAD'));
    await Promise.all(sent);
    end();
    await served;
  }
  expect(begun).toHaveLength(MAX_SLOW_REQUESTS);
});
