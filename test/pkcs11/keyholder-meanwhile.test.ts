import { duplexPair } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type CheckResult, createResultCheck } from '../../src/pkcs11/descriptor-builder.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { FrameChannel } from '../../src/pkcs11/frames.ts';
import {
  ANSWER_BIT,
  KEYHOLDER_FRAME,
  type SignOrder,
  encodeSign,
} from '../../src/pkcs11/keyholder-messages.ts';
import { serveKeyholder } from '../../src/pkcs11/keyholder-server.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { encodeFence, encodeFreeze } from '../../src/pkcs11/measure-messages.ts';
import { expectCodeOf } from './expect-code.ts';
import { type Rig, backendDescriptor, createRig, pointsOf, targetsAt } from './keyholder-rig.ts';

/** What happens to a service while it is signed for, and what comes between. */

let rig: Rig;
let keyholder: Keyholder;
let clock: number;
/** What is done to each text before anybody sees it. */
let check: CheckResult;

const REAL_CHECK = createResultCheck();

/** For a second of its own. */
function order(label: 'a1' | 'b1' = 'a1'): SignOrder {
  clock += 1000;
  const kpHsId = label === 'a1' ? rig.alpha : rig.beta;
  const { digest } = keyholder.prove(kpHsId, backendDescriptor(label));
  const { listSerial } = keyholder.status();
  const targets = targetsAt(Math.floor(clock / 1000));
  return { kpHsId, listSerial, points: pointsOf(digest, 0), targets };
}

/** A list without the first service, or with both. */
function putInForce(services: 'beta' | 'both'): void {
  const { services: all } = rig.writeList();
  if (services === 'beta') rig.writeList({ services: all.slice(1) });
  keyholder.reload();
}

/** Orders are begun, and answered only after `finish`. */
function holdSigning(): { readonly begun: Uint8Array[]; readonly finish: () => void } {
  const begun: Uint8Array[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  vi.spyOn(keyholder, 'sign').mockImplementation(async ({ kpHsId }) => {
    begun.push(kpHsId);
    await promise;
    throw new CustodyError('SERVICE_FROZEN');
  });
  return { begun, finish: () => resolve() };
}

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  clock = Date.now();
  keyholder = rig.keyholder({ clock: () => clock, checkResult: (...given) => check(...given) });
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(() => {
  check = REAL_CHECK;
  clock = Math.max(clock, Date.now()) + 5000;
});
afterEach(() => {
  vi.restoreAllMocks();
});

const latches = (): boolean[] => keyholder.status().services.map(({ latched }) => latched);

test('a service that left the list while it was signed for is no defect, and is not latched', async () => {
  await keyholder.prepare();
  check = (...given) => {
    putInForce('beta');
    REAL_CHECK(...given);
  };
  await expectCodeOf('SECRET_WIPED', keyholder.sign(order()));
  putInForce('both');
  expect(latches()).toEqual([false, false]);
});

test('a latch is forgotten by a new process alone, not by a list that leaves the service out for a while', async () => {
  await keyholder.prepare();
  check = () => {
    putInForce('beta');
    throw new Error('a bit has flipped');
  };
  // Latched when it had already left.
  await expectCodeOf('KEYHOLDER_LATCHED', keyholder.sign(order()));
  check = REAL_CHECK;
  for (let round = 0; round < 2; round++) {
    putInForce('both');
    expect(latches()).toEqual([true, false]);
    await expectCodeOf('KEYHOLDER_LATCHED', keyholder.sign(order()));
    expect(await keyholder.sign(order('b1'))).toHaveLength(2);
    putInForce('beta');
  }
  putInForce('both');
});

test('what an operator orders overtakes all orders that wait for a token, and services do not wait for each other', async () => {
  const { begun, finish } = holdSigning();
  const [ours, theirs] = duplexPair();
  const core = new FrameChannel(ours);
  const served = serveKeyholder(new FrameChannel(theirs), keyholder);
  const { sign, freeze, fence, failed } = KEYHOLDER_FRAME;
  for (let i = 1; i <= 8; i++) await core.send(sign, i, encodeSign(order()));
  await core.send(sign, 9, encodeSign(order('b1')));
  await core.send(freeze, 10, encodeFreeze(rig.alpha, true));
  await core.send(fence, 11, encodeFence(rig.alpha));
  const answers = [await core.receive(), await core.receive()];
  expect(answers.map(answer => [answer?.type, answer?.sequence])).toEqual([
    [freeze | ANSWER_BIT, 10],
    [fence | ANSWER_BIT, 11],
  ]);
  expect(keyholder.status().services.map(({ frozen }) => frozen)).toEqual([true, false]);
  expect(begun).toEqual([rig.alpha, rig.beta]);
  finish();
  const late = [];
  for (let i = 1; i <= 9; i++) late.push(await core.receive());
  expect(late.every(answer => answer?.type === failed)).toBe(true);
  expect(late.flatMap(answer => answer?.sequence ?? []).sort((a, b) => a - b)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9,
  ]);
  expect(begun).toHaveLength(9);
  ours.end();
  await served;
});

test('nothing is signed for a core that has gone', async () => {
  const { begun, finish } = holdSigning();
  const [ours, theirs] = duplexPair();
  const core = new FrameChannel(ours);
  const served = serveKeyholder(new FrameChannel(theirs), keyholder);
  for (let i = 1; i <= 3; i++) await core.send(KEYHOLDER_FRAME.sign, i, encodeSign(order()));
  await core.send(KEYHOLDER_FRAME.status, 4, new Uint8Array(0));
  await core.receive();
  ours.end();
  finish();
  await served;
  expect(begun).toHaveLength(1);
});
