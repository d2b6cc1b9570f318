import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CheckResult, createResultCheck } from '../../src/pkcs11/descriptor-builder.ts';
import type { SignOrder } from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
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
