import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  TOR_NETWORK,
  openDescriptor,
  openDescriptorWithNoble,
  publicationWindow,
  publishablePeriods,
  timePeriod,
} from '../../src/descriptor/index.ts';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import type { Keyholder, KeyholderOptions } from '../../src/pkcs11/keyholder-service.ts';
import { SigningChild } from '../../src/pkcs11/signing-child.ts';
import { labelOf } from '../../src/pkcs11/signing-keys.ts';
import { SIGNING_FRAME } from '../../src/pkcs11/signing-messages.ts';
import { expectCodeOf } from './expect-code.ts';
import { type Rig, backendDescriptor, createRig, pointsOf, targetsAt } from './keyholder-rig.ts';
import { tokenObjects } from './token-objects.ts';

const LONG = { timeout: 120_000, interval: 50 };
/** Looking at the token is a process each time. */
const SLOW = { ...LONG, interval: 500 };
const STRANGER = 'somebody’s key';

let rig: Rig;
let clock: number;
const open: Keyholder[] = [];

/** A keyholder whose process in the token is up. */
const start = async (options: Partial<KeyholderOptions> = {}): Promise<Keyholder> => {
  const keyholder = rig.keyholder({ clock: () => clock, ...options });
  open.push(keyholder);
  return await up(keyholder);
};
const token = (keyholder: Keyholder) => keyholder.status().signingToken;
const up = async (keyholder: Keyholder): Promise<Keyholder> => {
  await expect.poll(() => token(keyholder).state, LONG).toBe('up');
  return keyholder;
};
const alpha = (keyholder: Keyholder) => {
  const [first] = keyholder.status().services;
  if (first === undefined) throw new Error('the list has no service');
  return first;
};
const keysOf = (keyholder: Keyholder) => alpha(keyholder).periods.map(({ kpHsDescSign }) => kpHsDescSign);

/** What the next keyholder calls its keys on the token. */
function ownLabel(): string {
  const host = HostState.open(rig.paths.state, parseHostKeySource(rig.paths.hostKey));
  const label = labelOf(host.state.id);
  host.close();
  return label;
}

/** Ids of the private halves of this name on the token, ascending. */
async function idsOf(label: string): Promise<string[]> {
  const objects = await tokenObjects(rig.hsm);
  const own = objects.filter(each => each.label === label);
  const [privates, publics] = [3, 2].map(wanted =>
    own
      .filter(each => each.class === wanted)
      .map(({ id }) => id)
      .toSorted(),
  );
  expect(publics).toEqual(privates);
  return privates ?? [];
}

function orderAt(keyholder: Keyholder, second: number) {
  const { digest } = keyholder.prove(rig.alpha, backendDescriptor('a1'));
  const { listSerial } = keyholder.status();
  return { kpHsId: rig.alpha, listSerial, points: pointsOf(digest, 0, 1), targets: targetsAt(second) };
}

/** A second that nothing was signed for. */
function nextSecond(): number {
  clock = Math.max(clock, Date.now()) + 2000;
  return Math.floor(clock / 1000);
}

const sign = async (keyholder: Keyholder) => await keyholder.sign(orderAt(keyholder, nextSecond()));

beforeAll(async () => {
  rig = await createRig();
});
afterAll(() => rig.dispose());
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  rig.writeList({ periodKeys: 'token' });
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const keyholder of open.splice(0)) keyholder.close();
});

describe('a period key in a token', () => {
  test('signs descriptors that two readers open, and is the same after a restart', async () => {
    const label = ownLabel();
    const first = await start();
    const prepared = await first.prepare();
    expect(prepared.map(({ errorCode, missingPeriods }) => [errorCode, missingPeriods])).toEqual([
      ['', 0],
      ['', 0],
    ]);
    expect(alpha(first).periods.every(({ inToken }) => inToken)).toBe(true);
    // One for each period of both services, and one more for each service, made ahead.
    const wanted = 2 * keysOf(first).length + 2;
    await expect.poll(() => idsOf(label).then(ids => ids.length), SLOW).toBe(wanted);
    const [ids, keys] = [await idsOf(label), keysOf(first)];
    first.close();

    const second = await start();
    expect(keysOf(second)).toEqual(keys);
    expect(await idsOf(label)).toEqual(ids);
    const signed = await sign(second);
    expect(signed).toHaveLength(2);
    const periods = publishablePeriods(TOR_NETWORK, Math.floor(clock / 1000));
    const options = { kpHsId: rig.alpha, periods, nowSeconds: Math.floor(clock / 1000) };
    for (const { text } of signed) {
      const opened = [openDescriptor(text, options), openDescriptorWithNoble(text, options)];
      for (const { inner, kpHsDescSign } of opened) {
        expect(inner?.introductionPoints).toHaveLength(2);
        expect(keys).toContainEqual(kpHsDescSign);
      }
    }
  });

  test('is destroyed after its window, and with its service; others take no harm', async () => {
    const label = ownLabel();
    const before = await tokenObjects(rig.hsm, { label: STRANGER });
    const keyholder = await start();
    await keyholder.prepare();
    await expect
      .poll(() => idsOf(label).then(ids => ids.length), LONG)
      .toBe(2 * keysOf(keyholder).length + 2);
    const [count] = [keysOf(keyholder).length];
    const oldest = Math.min(...alpha(keyholder).periods.map(({ periodNum }) => periodNum));
    const { to } = publicationWindow(TOR_NETWORK, timePeriod(TOR_NETWORK, oldest));
    clock = (to + 3 * 3600) * 1000;
    const at = clock / 1000;
    const periods = publishablePeriods(TOR_NETWORK, at);
    const [period] = periods;
    if (period === undefined) throw new Error('nothing is published');
    keyholder.prove(rig.alpha, backendDescriptor('a1', { at: at - 600, period }));
    keyholder.expire();
    expect(keysOf(keyholder)).toHaveLength(count - 1);
    await expect.poll(() => idsOf(label).then(ids => ids.length), SLOW).toBe(2 * (count - 1) + 2);

    const { services } = rig.writeList({ periodKeys: 'token' });
    rig.writeList({ periodKeys: 'token', services: services.slice(1) });
    keyholder.reload();
    await expect.poll(() => idsOf(label).then(ids => ids.length), SLOW).toBe(count - 1 + 2);
    expect(await tokenObjects(rig.hsm)).toEqual(expect.arrayContaining(before));
  });

  test('without a record is destroyed at the next start, when it is ours', async () => {
    const label = ownLabel();
    const lost = { label, id: 'ab'.repeat(16) };
    const others = { label: `${label}0`, id: 'ab'.repeat(16) };
    await tokenObjects(rig.hsm, others);
    await tokenObjects(rig.hsm, lost);
    expect(await idsOf(label)).toEqual([lost.id]);
    await start();
    expect(await idsOf(label)).toEqual([]);
    expect(await idsOf(others.label)).toEqual([others.id]);
  });

  test('that could leave the token is not used', async () => {
    const label = ownLabel();
    const first = await start();
    await first.prepare();
    first.close();
    const [id = ''] = await idsOf(label);
    await tokenObjects(rig.hsm, { label, id, fate: 'export' });
    const second = rig.keyholder({ clock: () => clock });
    open.push(second);
    await expect
      .poll(() => token(second), LONG)
      .toMatchObject({ state: 'down', errorCode: 'KEY_UNSUITABLE' });
    expect(alpha(second)).toMatchObject({ certifiedUntil: 0, lastError: 'KEY_UNSUITABLE' });
    await expectCodeOf('KEY_UNSUITABLE', sign(second));
  });

  test('that is gone from the token is made anew', async () => {
    const label = ownLabel();
    const first = await start();
    await first.prepare();
    const keys = keysOf(first);
    first.close();
    for (const id of await idsOf(label)) await tokenObjects(rig.hsm, { label, id, fate: 'gone' });
    const second = await start();
    expect(keysOf(second)).toEqual([]);
    const prepared = await second.prepare();
    expect(prepared.map(({ missingPeriods }) => missingPeriods)).toEqual([0, 0]);
    expect(keysOf(second)).toHaveLength(keys.length);
    for (const key of keysOf(second)) expect(keys).not.toContainEqual(key);
  });
});

describe('a token with period keys', () => {
  test('that is silent or dies is missed at once and loses no second; back, it signs again', async () => {
    const label = ownLabel();
    const keyholder = await start();
    await keyholder.prepare();
    // While it makes keys, it is waited for.
    const count = 2 * keysOf(keyholder).length + 2;
    await expect.poll(() => idsOf(label).then(ids => ids.length), SLOW).toBe(count);
    expect(alpha(keyholder).certifiedUntil).toBeGreaterThan(Math.floor(clock / 1000));
    const order = orderAt(keyholder, nextSecond());
    const { pid } = token(keyholder);
    process.kill(pid, 'SIGSTOP');
    await expect.poll(() => token(keyholder).state, { ...LONG, interval: 5 }).toBe('silent');
    expect(alpha(keyholder)).toMatchObject({ certifiedUntil: 0, lastError: 'TOKEN_TIMEOUT' });
    process.kill(pid, 'SIGCONT');
    await up(keyholder);
    expect(alpha(keyholder)).toMatchObject({ lastError: '' });
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => token(keyholder).state, { ...LONG, interval: 5 }).not.toBe('up');
    expect(alpha(keyholder)).toMatchObject({ certifiedUntil: 0, lastError: 'TOKEN_DEAD' });
    await expectCodeOf('TOKEN_DEAD', keyholder.sign(order));
    await up(keyholder);
    expect(token(keyholder).pid).not.toBe(pid);
    expect(await keyholder.sign(order)).toHaveLength(2);
    expect(alpha(keyholder)).toMatchObject({ lastError: '' });
  });

  test('that signs wrongly latches the service, and no text leaves', async () => {
    const keyholder = await start();
    await keyholder.prepare();
    expect(await sign(keyholder)).toHaveLength(2);
    const ask: SigningChild['ask'] = Reflect.get(SigningChild.prototype, 'ask');
    vi.spyOn(SigningChild.prototype, 'ask').mockImplementation(async function (this: SigningChild, ...args) {
      const answer = await ask.apply(this, args);
      if (args[0] === SIGNING_FRAME.descriptor) answer[20] = (answer[20] ?? 0) ^ 1;
      return answer;
    });
    await expectCodeOf('KEYHOLDER_LATCHED', sign(keyholder));
    vi.restoreAllMocks();
    await expectCodeOf('KEYHOLDER_LATCHED', sign(keyholder));
    expect(alpha(keyholder).latched).toBe(true);
  });

  test('holds no new keys once the list keeps them in the keyholder, and is let go with the last', async () => {
    const label = ownLabel();
    const keyholder = await start();
    await keyholder.prepare();
    const inUse = 2 * keysOf(keyholder).length;
    await expect.poll(() => idsOf(label).then(ids => ids.length), SLOW).toBe(inUse + 2);
    rig.writeList({ periodKeys: 'keyholder', aheadSeconds: 5 * 86_400 });
    keyholder.reload();
    await keyholder.prepare();
    const kinds = alpha(keyholder).periods.map(({ inToken }) => inToken);
    expect([kinds.filter(Boolean).length, kinds.filter(each => !each).length]).toEqual([inUse / 2, 2]);
    expect(await sign(keyholder)).toHaveLength(2);
    rig.writeList({ services: [], aheadSeconds: 5 * 86_400 });
    keyholder.reload();
    await expect.poll(() => idsOf(label), SLOW).toEqual([]);
    await expect.poll(() => token(keyholder).state, LONG).toBe('off');
  });
});
