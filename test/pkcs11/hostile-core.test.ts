import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  INVARIANTS,
  type InvariantId,
  MAX_T,
  TOR_NETWORK,
  checkCounterCeiling,
  publicationWindow,
  publishablePeriods,
  timePeriod,
} from '../../src/descriptor/index.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import {
  type SignOrder,
  encodeProve,
  encodeSign,
  parseProve,
  parseSign,
} from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { LIST_LIMITS } from '../../src/pkcs11/list.ts';
import { type Rig, backendDescriptor, createRig, now, pointsOf, targetsAt } from './keyholder-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
/** Milliseconds. */
let clock: number;

const second = () => Math.floor(clock / 1000);
const older = () => publishablePeriods(TOR_NETWORK, second())[0]?.periodNum ?? 0;

/** What a core under an attacker's control can do: send frames, with fields of its own choice. */
const send = (order: Partial<SignOrder>, surplus = new Uint8Array()) => {
  const whole = { kpHsId: rig.alpha, listSerial: rig.listSerial, points: [], targets: [], ...order };
  return keyholder.sign(parseSign(Buffer.concat([encodeSign(whole), surplus])));
};
const prove = (text: Uint8Array, kpHsId = rig.alpha) => {
  const { digest } = keyholder.prove(kpHsId, parseProve(encodeProve(kpHsId, text)).text);
  return digest;
};

/** What the keyholder says to it: the rule of a denial, or the code of an error. */
async function answer(act: () => unknown): Promise<string> {
  try {
    await act();
    return 'signed';
  } catch (thrown) {
    if (!(thrown instanceof CustodyError)) throw thrown;
    return thrown.denial?.rule ?? thrown.code;
  }
}

interface Attack {
  /** Signs, so that the refusal is for the attack and nothing else. */
  readonly control: () => unknown;
  readonly attack: () => unknown;
  /** Where the frame itself has no room for the attack. */
  readonly refusedAs?: string;
}

const honest = () => ({
  points: pointsOf(prove(backendDescriptor('a1')), 0, 1),
  targets: targetsAt(second()),
});

/** By invariant: a new one without an attack does not compile. */
const ATTACKS: Record<InvariantId, Attack> = {
  'INTRO-PROVENANCE': {
    control: () => send(honest()),
    attack: () => {
      const { targets } = honest();
      prove(backendDescriptor('b1'), rig.beta);
      return send({ targets, points: pointsOf(prove(backendDescriptor('b1'), rig.beta), 0) });
    },
  },
  'POINT-UNIQUE': {
    control: () => send(honest()),
    attack: () => send({ ...honest(), points: pointsOf(prove(backendDescriptor('a1')), 0, 1, 0) }),
  },
  'EVIDENCE-AGE': {
    control: () => send(honest()),
    attack: () => {
      const { points } = honest();
      clock += 5 * 3_600_000;
      return send({ points, targets: targetsAt(second()) });
    },
  },
  'PERIOD-WINDOW': {
    control: () => send(honest()),
    attack: () => {
      rig.writeList({ runwaySeconds: 86_400 });
      keyholder.reload();
      const { to } = publicationWindow(TOR_NETWORK, timePeriod(TOR_NETWORK, older()));
      return send({ ...honest(), targets: [{ periodNum: older(), variant: 0, second: to }] });
    },
  },
  RUNWAY: {
    control: () => send({ ...honest(), targets: targetsAt(second() + 1) }),
    attack: () =>
      send({
        ...honest(),
        targets: [{ periodNum: older() + 1, variant: 0, second: second() + 6 * 3600 + 1 }],
      }),
  },
  HORIZON: {
    control: () => send(honest()),
    attack: () =>
      send({ ...honest(), targets: [{ periodNum: older() + 3650, variant: 0, second: second() }] }),
  },
  'ONE-PER-SECOND': {
    control: () => send(honest()),
    attack: () => send(honest()),
  },
  VARIANT: {
    control: () => send(honest()),
    attack: () =>
      send({ ...honest(), targets: targetsAt(second() + 1).map(target => ({ ...target, variant: 1 })) }),
  },
  'COUNTER-CEILING': {
    control: async () => {
      for (const { periodNum, revisionCounter } of await send(honest())) {
        const period = timePeriod(TOR_NETWORK, periodNum);
        expect(checkCounterCeiling(TOR_NETWORK, period, revisionCounter)).toBeUndefined();
      }
    },
    // A second has one counter, and no field of an order is another one.
    attack: () => send({ ...honest(), targets: targetsAt(second() + 1) }, new Uint8Array(8).fill(0xff)),
    refusedAs: 'FRAME_BAD',
  },
};

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  clock = Date.now();
  const first = rig.keyholder({ clock: () => clock });
  await first.prepare();
  first.close();
});
afterAll(() => rig.dispose());
beforeEach(() => {
  rig.writeList();
  clock = Math.max(clock, now() * 1000) + 10_000;
  keyholder = rig.keyholder({ clock: () => clock });
  clock += 5000;
});
afterEach(() => keyholder.close());

test('every invariant has an attack', () => {
  expect(Object.keys(ATTACKS).toSorted()).toEqual(Object.values(INVARIANTS).toSorted());
});

test.each(Object.entries(ATTACKS))(
  '%s holds against a hostile core',
  async (id, { control, attack, refusedAs }) => {
    const start = clock;
    expect(await answer(control)).toBe('signed');
    expect(await answer(attack)).toBe(refusedAs ?? id);
    clock = start + 1000;
  },
);

test('CONTENT-CHURN counts different sets of points, not orders, and refuses what is beyond the list', async () => {
  rig.writeList({}, { pointSetsPerHour: 2 });
  keyholder.reload();
  const evidence = prove(backendDescriptor('a1'));
  const again = prove(backendDescriptor('a1', { at: now() - 700 }));
  const ask = (points: SignOrder['points']) => {
    clock += 1000;
    return answer(() => send({ points, targets: targetsAt(second()) }));
  };
  expect([await ask(pointsOf(evidence, 0, 1)), await ask(pointsOf(evidence, 0, 2))]).toEqual([
    'signed',
    'signed',
  ]);
  expect(await ask(pointsOf(evidence, 1, 2))).toBe('CONTENT-CHURN');
  // The same points in another order, or from other evidence, are the same set.
  expect(await ask([...pointsOf(again, 1), ...pointsOf(evidence, 0)])).toBe('signed');
});

test('a floor spends what lies before it, and lies no further ahead than anything that was ever spent', async () => {
  const most = LIST_LIMITS.runwaySeconds + MAX_T;
  expect(await answer(() => keyholder.raiseFloor(second() + most + 1))).toBe('HORIZON');
  expect(await answer(() => send(honest()))).toBe('signed');
  const floor = second() + 100;
  keyholder.raiseFloor(floor);
  keyholder.raiseFloor(floor - 50);
  clock = (floor - 1) * 1000;
  expect(await answer(() => send(honest()))).toBe('ONE-PER-SECOND');
  clock = floor * 1000;
  expect(await answer(() => send(honest()))).toBe('signed');
});
