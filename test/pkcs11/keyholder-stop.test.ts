import { kill } from 'node:process';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { childrenOf, listen, rig, start, useRig } from './keyholder-processes.ts';
import { connectKeyholder } from '../../src/pkcs11/keyholder-client.ts';

/** A keyholder that is stopped while its token is in a login. */

const LIMIT = 300_000;
let modules: MisbehavingModules;
let module: MisbehavingModule;

useRig();
beforeAll(() => {
  modules = compileMisbehavingModule();
});
afterAll(() => modules.dispose());
beforeEach(() => {
  module = modules.create(rig.hsm.modulePath);
  rig.writeList({ tokens: [{ uri: `pkcs11:token=${rig.hsm.label}`, modulePath: module.modulePath }] });
});

const logins = async (count: number) =>
  expect.poll(() => module.count('C_Login'), { timeout: LIMIT }).toBe(count);

/** What PREPARE of a keyholder as a child says, which is then ended. */
async function prepare(): Promise<string[]> {
  const client = await start();
  const codes = (await client.prepare()).map(({ errorCode }) => errorCode);
  await client.close();
  return [...new Set(codes)];
}

test(
  'the end of a core, twice in the middle of a slow login, leaves no attempt without an answer',
  async () => {
    module.command('C_Login slow 1000');
    for (const count of [1, 2]) {
      const client = await start();
      const preparing = client.prepare().catch(() => undefined);
      await logins(count);
      await client.close();
      await preparing;
    }
    expect(await prepare()).toEqual(['']);
  },
  LIMIT,
);

test(
  'SIGTERM to all processes of the unit, twice in the middle of a slow login, leaves none either',
  async () => {
    module.command('C_Login slow 1000');
    for (const count of [1, 2]) {
      const { socket, child } = await listen();
      const pid = child.pid ?? 0;
      const exited = new Promise(resolve => child.once('exit', resolve));
      const client = await connectKeyholder(socket);
      const preparing = client.prepare().catch(() => undefined);
      await logins(count);
      for (const each of [pid, ...childrenOf(pid)]) kill(each, 'SIGTERM');
      expect(await exited).toBe(0);
      await preparing;
      await client.close();
    }
    expect(await prepare()).toEqual(['']);
  },
  LIMIT,
);

test(
  'a login that hangs is ended with the keyholder, and its attempt stays without an answer',
  async () => {
    module.command('C_Login hang');
    for (const count of [1, 2]) {
      let pid = 0;
      const client = await start({}, spawned => {
        pid = spawned;
      });
      const preparing = client.prepare().catch(() => undefined);
      await logins(count);
      const opener = childrenOf(pid);
      expect(opener).not.toEqual([]);
      await client.close();
      await preparing;
      const isGone = (each: number) => {
        try {
          return !kill(each, 0);
        } catch {
          return true;
        }
      };
      await expect.poll(() => opener.every(isGone), { timeout: LIMIT }).toBe(true);
    }
    module.command();
    expect(await prepare()).toEqual(['PIN_UNANSWERED']);
  },
  LIMIT,
);
