import { duplexPair } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Bytes, parseKpHscDescEnc, x25519PublicKey } from '../../src/descriptor/index.ts';
import type { ClientAccess } from '../../src/pkcs11/client-access.ts';
import { type CheckResult, createResultCheck } from '../../src/pkcs11/descriptor-builder.ts';
import { FrameChannel } from '../../src/pkcs11/frames.ts';
import {
  ANSWER_BIT,
  encodeSign,
  KEYHOLDER_FRAME,
  parseSigned,
  type SignedDescriptor,
} from '../../src/pkcs11/keyholder-messages.ts';
import { serveKeyholder } from '../../src/pkcs11/keyholder-server.ts';
import { Turns } from '../../src/pkcs11/turns.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { noise } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';
import { backendDescriptor, createRig, pointsOf, type Rig, targetsAt } from './keyholder-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
let clock = Date.now();
let evidence: string;
/** What the check of each text was given. */
let checked: Parameters<CheckResult>[];

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  const first = rig.keyholder({ clock: () => clock });
  await first.prepare();
  first.close();
});
afterAll(() => rig.dispose());

beforeEach(() => {
  clock += 10_000;
  checked = [];
  putInForce(17);
  keyholder = rig.keyholder({ clock: () => clock, checkResult: (...given) => void checked.push(given) });
  evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
});
afterEach(() => keyholder.close());

/** A list with as many clients. */
function putInForce(count: number): void {
  const serial = rig.listSerial + 1;
  const clients = Array.from({ length: count }, (_, i) =>
    parseKpHscDescEnc(x25519PublicKey(noise(`client ${i}`, 32))),
  ).sort((a, b) => Buffer.compare(a, b));
  rig.writeList({}, { clients, clientsSerial: serial, settingsSerial: serial });
}

function order() {
  clock += 1000;
  const targets = targetsAt(Math.floor(clock / 1000));
  return { kpHsId: rig.alpha, listSerial: rig.listSerial, points: pointsOf(evidence, 0, 1), targets };
}

const isZero = (bytes: Bytes | undefined): boolean | undefined => bytes?.every(byte => byte === 0);

test('a cookie that went out in a frame is wiped here', async () => {
  const held: SignedDescriptor[] = [];
  const sign = keyholder.sign.bind(keyholder);
  vi.spyOn(keyholder, 'sign').mockImplementation(async given => {
    const signed = await sign(given);
    held.push(...signed);
    return signed;
  });
  const [ours, theirs] = duplexPair();
  const core = new FrameChannel(ours);
  const served = serveKeyholder(new FrameChannel(theirs), keyholder, new Turns());
  await core.send(KEYHOLDER_FRAME.sign, 1, encodeSign(order()));
  const answer = await core.receive();
  expect(answer?.type).toBe(KEYHOLDER_FRAME.sign | ANSWER_BIT);
  const sent = parseSigned(answer?.payload ?? new Uint8Array(0));
  expect(sent.map(({ descriptorCookie }) => isZero(descriptorCookie))).toEqual([false, false]);
  expect(held.map(({ descriptorCookie }) => isZero(descriptorCookie))).toEqual([true, true]);
  ours.end();
  await served;
});

test('a list that is newer ends the cookies of the one before at once', async () => {
  await keyholder.sign(order());
  const held = checked.map(([, { key }, { settings }]) => key.accessOf(settings));
  const read = (access: ClientAccess): boolean => access.useCookie(cookie => isZero(cookie) === false);
  expect(held.map(read)).toEqual([true, true]);
  putInForce(17);
  keyholder.reload();
  for (const access of held) expectCode('SECRET_WIPED', () => read(access));
});

describe('a text is released only with the lines of its clients', () => {
  /** `value`, but for some of its properties. */
  const but = <T extends object>(value: T, changes: Partial<T>): T =>
    new Proxy(value, {
      get: (target, name) => {
        const found: unknown = Reflect.get(name in changes ? changes : target, name, target);
        return typeof found === 'function' ? (found.bind(target) as unknown) : found;
      },
    });

  test.each([
    ['as they are', (lines: ClientAccess['authClients']) => lines, true],
    ['in another order', (lines: ClientAccess['authClients']) => lines.toReversed(), false],
    ['but one', (lines: ClientAccess['authClients']) => lines.slice(1), false],
    [
      'with another cookie in one of them',
      ([first, ...rest]: ClientAccess['authClients']) =>
        first === undefined ? rest : [{ ...first, encryptedCookie: noise('another', 16) }, ...rest],
      false,
    ],
  ])('%s', async (_, change, fits) => {
    await keyholder.sign(order());
    const [given] = checked;
    if (given === undefined) throw new Error('nothing was checked');
    const [text, plan, fields] = given;
    const access = plan.key.accessOf(fields.settings);
    const changed = but(access, { authClients: change(access.authClients) });
    const check = (): void =>
      createResultCheck()(text, { ...plan, key: but(plan.key, { accessOf: () => changed }) }, fields);
    if (fits) expect(check).not.toThrow();
    else expectCode('KEYHOLDER_FAULT', check);
  });
});
