import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Frame } from '../../src/pkcs11/frames.ts';
import {
  ANSWER_BIT,
  KEYHOLDER_FRAME,
  MAX_SLOW_REQUESTS,
  SIGN_DEADLINE_MS,
  type SignOrder,
  encodeSign,
  parsePrepared,
  parseSigned,
} from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { encodeFence, encodeFreeze } from '../../src/pkcs11/measure-messages.ts';
import type { TokenOpener } from '../../src/pkcs11/openings.ts';
import { Turns } from '../../src/pkcs11/turns.ts';
import { type Connection, codesOf, connectTo, holdSigning, receive } from './core-connection.ts';
import { type Rig, backendDescriptor, createRig, pointsOf, targetsAt } from './keyholder-rig.ts';

/** What a keyholder does first, what later, and what not at all. */

const { sign, prepare, status, freeze, fence, failed } = KEYHOLDER_FRAME;
const NOTHING = new Uint8Array(0);

let rig: Rig;
let keyholder: Keyholder;
let clock: number;
/** Openings begin, and go on after `release`. */
let gate: { readonly opens: number; release(): void };

/** For a second of its own. */
function order(label: 'a1' | 'b1' = 'a1'): SignOrder {
  clock += 1000;
  const kpHsId = label === 'a1' ? rig.alpha : rig.beta;
  const { digest } = keyholder.prove(kpHsId, backendDescriptor(label));
  const targets = targetsAt(Math.floor(clock / 1000));
  return { kpHsId, listSerial: rig.listSerial, points: pointsOf(digest, 0), targets };
}

const connect = (turns = new Turns()): Connection => connectTo(keyholder, turns);

function gated(opener: TokenOpener): { opener: TokenOpener; gate: typeof gate } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let opens = 0;
  return {
    gate: {
      get opens() {
        return opens;
      },
      release: () => resolve(),
    },
    opener: {
      open: async request => {
        opens += 1;
        await promise;
        return opener.open(request);
      },
    },
  };
}

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  clock = Date.now() + 5000;
  const held = gated(rig.opener());
  gate = held.gate;
  keyholder = rig.keyholder({ clock: () => clock, openerFor: () => held.opener });
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('a core that connects again is served while the token of the former one still works, and shares what that gives', async () => {
  const [first, second] = [connect(), connect()];
  await first.core.send(prepare, 1, NOTHING);
  await expect.poll(() => gate.opens).toBe(1);
  first.end();
  await first.served;
  await second.core.send(prepare, 1, NOTHING);
  await second.core.send(status, 2, NOTHING);
  expect(await receive(second.core, 1)).toMatchObject([{ type: status | ANSWER_BIT, sequence: 2 }]);
  gate.release();
  const [prepared] = await receive(second.core, 1);
  const missing = parsePrepared(prepared?.payload ?? NOTHING).map(({ missingPeriods }) => missingPeriods);
  expect(missing).toEqual([0, 0]);
  expect(gate.opens).toBe(1);
  second.end();
  await second.served;
});

test('what an operator orders overtakes all orders that wait for a token, and services do not wait for each other', async () => {
  const { begun, finish } = holdSigning(keyholder);
  const { core, end, served } = connect();
  for (let i = 1; i <= 8; i++) await core.send(sign, i, encodeSign(order()));
  await core.send(sign, 9, encodeSign(order('b1')));
  await core.send(freeze, 10, encodeFreeze(rig.alpha, true));
  await core.send(fence, 11, encodeFence(rig.alpha));
  const answers = await receive(core, 2);
  expect(answers.map(({ type, sequence }) => [type, sequence])).toEqual([
    [freeze | ANSWER_BIT, 10],
    [fence | ANSWER_BIT, 11],
  ]);
  expect(keyholder.status().services.map(({ frozen }) => frozen)).toEqual([true, false]);
  keyholder.freeze(rig.alpha, false);
  expect(begun.map(({ kpHsId }) => kpHsId)).toEqual([rig.alpha, rig.beta]);
  finish();
  const late = await receive(core, 9);
  expect(late.every(({ type }) => type === failed)).toBe(true);
  expect(late.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(begun).toHaveLength(9);
  end();
  await served;
});

test('also more orders than are kept waiting: what is too many is refused at once', async () => {
  const { begun, finish } = holdSigning(keyholder);
  const { core, end, served } = connect();
  const payload = encodeSign(order());
  for (let i = 1; i <= MAX_SLOW_REQUESTS + 2; i++) await core.send(sign, i, payload);
  await core.send(freeze, 1000, encodeFreeze(rig.alpha, false));
  const answers = await receive(core, 3);
  expect(codesOf(answers)).toEqual(['KEYHOLDER_BUSY', 'KEYHOLDER_BUSY', 'answered']);
  expect(answers.map(({ sequence }) => sequence)).toEqual([
    MAX_SLOW_REQUESTS + 1,
    MAX_SLOW_REQUESTS + 2,
    1000,
  ]);
  finish();
  await receive(core, MAX_SLOW_REQUESTS);
  expect(begun).toHaveLength(MAX_SLOW_REQUESTS);
  // There is room again.
  await core.send(sign, 2000, payload);
  expect(codesOf(await receive(core, 1))).toEqual(['SERVICE_FROZEN']);
  end();
  await served;
});

test('nothing is signed for a core that has gone, and what its orders waited for is there for the next one', async () => {
  const { begun, finish } = holdSigning(keyholder);
  const turns = new Turns();
  const [gone, next] = [connect(turns), connect(turns)];
  const payload = encodeSign(order());
  for (let i = 1; i <= MAX_SLOW_REQUESTS; i++) await gone.core.send(sign, i, payload);
  await gone.core.send(status, 1000, NOTHING);
  await receive(gone.core, 1);
  gone.end();
  await gone.served;
  const ours = order();
  await next.core.send(sign, 1, encodeSign(ours));
  await next.core.send(status, 2, NOTHING);
  await receive(next.core, 1);
  expect(begun).toHaveLength(1);
  finish();
  expect(codesOf(await receive(next.core, 1))).toEqual(['SERVICE_FROZEN']);
  expect(begun.slice(1)).toEqual([ours]);
  next.end();
  await next.served;
});

test('an order that the core gave up is not signed when its turn comes, and its seconds are not spent', async () => {
  gate.release();
  await keyholder.prepare();
  vi.useFakeTimers({ toFake: ['performance'] });
  const real = keyholder.sign.bind(keyholder);
  const { promise, resolve } = Promise.withResolvers<void>();
  const begun: SignOrder[] = [];
  vi.spyOn(keyholder, 'sign').mockImplementation(async signOrder => {
    begun.push(signOrder);
    await promise;
    return real(signOrder);
  });
  const { core, end, served } = connect();
  const [first, late, inTime] = [order(), order(), order()];
  await core.send(sign, 1, encodeSign(first));
  await core.send(sign, 2, encodeSign(late));
  await core.send(status, 3, NOTHING);
  await receive(core, 1);
  vi.advanceTimersByTime(1);
  await core.send(sign, 4, encodeSign(inTime));
  await core.send(status, 5, NOTHING);
  await receive(core, 1);
  vi.advanceTimersByTime(SIGN_DEADLINE_MS - 1);
  resolve();
  const answers = await receive(core, 3);
  expect(codesOf(answers)).toEqual(['answered', 'KEYHOLDER_TIMEOUT', 'answered']);
  expect(answers.map(({ sequence }) => sequence)).toEqual([1, 2, 4]);
  expect(begun).toEqual([first, inTime]);
  // Its second was never spent here, and is spent once when it is ordered again: counters follow the seconds.
  await core.send(sign, 6, encodeSign(late));
  await core.send(sign, 7, encodeSign(late));
  const [again, twice] = await receive(core, 2);
  expect(twice?.type).toBe(KEYHOLDER_FRAME.refused);
  const counterIn = (frame: Frame | undefined): bigint =>
    parseSigned(frame?.payload ?? NOTHING)[0]?.revisionCounter ?? 0n;
  const counters = [answers[0], again, answers[2]].map(counterIn);
  expect(counters.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(counters);
  expect(new Set(counters).size).toBe(3);
  end();
  await served;
});
