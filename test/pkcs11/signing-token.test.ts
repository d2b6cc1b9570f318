import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CERT_TYPE } from '../../src/descriptor/index.ts';
import type { PointCert } from '../../src/pkcs11/desc-signing-key.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { type PinStore, volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import { SigningChild } from '../../src/pkcs11/signing-child.ts';
import { SIGNING_FRAME, encodeEnter, parseEntered } from '../../src/pkcs11/signing-messages.ts';
import { SigningToken, type SigningTokenOptions } from '../../src/pkcs11/signing-token.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { expectCodeOf } from './expect-code.ts';

const LABEL = 'ours';

let modules: MisbehavingModules;
/** Each in a store of its own: they are used at the same time. */
let stores: SoftHsm[];
const tokens: SigningToken[] = [];
const children: SigningChild[] = [];

beforeAll(async () => {
  modules = compileMisbehavingModule();
  stores = await Promise.all(Array.from({ length: 5 }, () => createSoftHsm()));
});
afterAll(async () => {
  for (const token of tokens) token.stop();
  for (const child of children) child.kill();
  modules.dispose();
  for (const store of stores) await store.dispose();
});

const storeAt = (index: number): SoftHsm => {
  const store = stores[index];
  if (store === undefined) throw new Error('no such store');
  return store;
};

const accessOf = (store: SoftHsm, { modulePath }: MisbehavingModule) => ({
  ...store.access(`pkcs11:token=${store.label}`),
  modulePath,
});

function tokenOf(
  store: SoftHsm,
  module: MisbehavingModule,
  options: Partial<SigningTokenOptions>,
): SigningToken {
  const token = new SigningToken({
    access: () => accessOf(store, module),
    deadlineMs: () => 120_000,
    label: LABEL,
    known: () => [],
    pins: volatilePinStore(),
    beforeLogin: () => undefined,
    onEntered: () => undefined,
    env: store.env,
    ...options,
  });
  tokens.push(token);
  token.start();
  return token;
}

/** As many as a request with half as many points needs. */
const certs = (count: number): PointCert[] =>
  Array.from({ length: count }, () => ({
    certType: CERT_TYPE.authKey,
    expiryHours: Math.floor(Date.now() / 3_600_000) + 54,
    certifiedKey: randomBytes(32),
  }));

/** Generous by what a process takes to be met here: nothing is late by itself. Milliseconds. */
async function deadlineOn(store: SoftHsm): Promise<number> {
  const began = performance.now();
  await tokenOf(store, modules.create(store.modulePath), {}).ready();
  return Math.ceil(3_000 + 1.5 * (performance.now() - began));
}

describe.concurrent('a token', () => {
  test('that is slow serves another service between the certificates of one, and loses no request', async () => {
    const store = storeAt(0);
    const deadlineMs = await deadlineOn(store);
    const module = modules.create(store.modulePath);
    const token = tokenOf(store, module, { deadlineMs: () => deadlineMs });
    await token.ready();
    const [ofAlpha, ofBeta] = [await token.make(), await token.make()];
    module.command(`C_Sign slow ${Math.ceil(deadlineMs / 20)}`);
    const served: string[] = [];
    const certify = async (name: string, count: number, key: typeof ofAlpha): Promise<void> => {
      expect(await token.keyOf(key, name).certify(certs(count))).toHaveLength(count);
      served.push(name);
    };
    // More than one deadline's worth, and one that comes behind it.
    await Promise.all([certify('alpha', 22, ofAlpha), certify('beta', 2, ofBeta)]);
    expect(served).toEqual(['beta', 'alpha']);
    expect(token.status.state).toBe('up');
  });

  test('that is slow gets the whole deadline for each request, however long that waited; for one, no more', async () => {
    const store = storeAt(1);
    const deadlineMs = await deadlineOn(store);
    const module = modules.create(store.modulePath);
    const child = new SigningChild({ deadlineMs, pins: volatilePinStore(), env: store.env });
    children.push(child);
    const enter = { access: accessOf(store, module), label: LABEL, known: [] };
    await child.ask(SIGNING_FRAME.enter, encodeEnter(enter));
    module.command(`C_GetTokenInfo slow ${Math.ceil(deadlineMs / 4)}`);
    const touches = Array.from({ length: 5 }, () => child.ask(SIGNING_FRAME.touch, new Uint8Array(0)));
    await Promise.all(touches);
    // The control: one request for which that is too long, and what waits behind it.
    const late = child.ask(SIGNING_FRAME.touch, new Uint8Array(0), { deadlineMs: 100 });
    const behind = child.ask(SIGNING_FRAME.touch, new Uint8Array(0));
    await Promise.all([expectCodeOf('TOKEN_TIMEOUT', late), expectCodeOf('TOKEN_TIMEOUT', behind)]);
    expect((await child.ended).code).toBe('TOKEN_TIMEOUT');
  });

  test('that is slow gets the whole deadline for each call, when it loads or uses keys; for one, no more', async () => {
    const store = storeAt(2);
    const deadlineMs = await deadlineOn(store);
    const module = modules.create(store.modulePath);
    const maker = tokenOf(store, module, {});
    await maker.ready();
    const [key, other] = [await maker.make(), await maker.make()];
    maker.stop();
    module.command(`C_Sign slow ${Math.ceil(deadlineMs / 2)}`);
    const took = async (work: () => Promise<unknown>): Promise<number> => {
      const began = performance.now();
      await work();
      return performance.now() - began;
    };
    const missing: unknown[] = [];
    const token = tokenOf(store, module, {
      deadlineMs: () => deadlineMs,
      known: () => [key, other],
      onEntered: records => missing.push(...records),
    });
    // Each takes longer than one deadline: the control.
    const works = [() => token.ready(), () => token.keyOf(key, 'alpha').certify(certs(2))];
    for (const work of works) expect(await took(work)).toBeGreaterThan(deadlineMs);
    expect(missing).toEqual([]);
    module.command(`C_Sign slow ${2 * deadlineMs}`);
    await expectCodeOf('TOKEN_TIMEOUT', token.make());
  });

  test('that is slow to read attributes gets the whole deadline for each; for one, no more', async () => {
    const store = storeAt(4);
    const deadlineMs = await deadlineOn(store);
    const module = modules.create(store.modulePath);
    const maker = tokenOf(store, module, {});
    await maker.ready();
    const known = [await maker.make()];
    maker.stop();
    // Before the key signs seven are read in a row, with two calls each: longer than one deadline.
    module.command(`C_GetAttributeValue slow ${Math.ceil(deadlineMs / 12)}`);
    const child = new SigningChild({ deadlineMs, pins: volatilePinStore(), env: store.env });
    children.push(child);
    const enter = { access: accessOf(store, module), label: LABEL, known };
    const entered = await child.ask(SIGNING_FRAME.enter, encodeEnter(enter));
    expect(parseEntered(entered).present).toEqual([true]);
    // The control.
    module.command('C_GetAttributeValue slow 2000');
    const late = child.ask(SIGNING_FRAME.make, new Uint8Array(0), { deadlineMs: 1_000 });
    await expectCodeOf('TOKEN_TIMEOUT', late);
  });

  test('that failed comes back also when that failure could not be written down', async () => {
    const store = storeAt(3);
    const module = modules.create(store.modulePath);
    const memory = volatilePinStore();
    const save: PinStore['save'] = records => {
      if (records.some(({ verdict }) => verdict === 'refused')) throw new CustodyError('STATE_WRITE');
      memory.save(records);
    };
    module.command('C_Login return 0xa0');
    const token = tokenOf(store, module, { pins: { ...memory, save } });
    const stateOf = () => expect.poll(() => token.status, { timeout: 120_000, interval: 20 });
    await stateOf().toMatchObject({ state: 'down', errorCode: 'STATE_WRITE' });
    module.command();
    await stateOf().toMatchObject({ state: 'up', errorCode: '' });
    const { pid } = token.status;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => [0, pid].includes(token.status.pid), { timeout: 120_000 }).toBe(false);
    await stateOf().toMatchObject({ state: 'up', errorCode: '' });
  });
});
