import { copyFileSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { forgetPins } from '../../src/pkcs11/keyholder-start.ts';
import {
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKF_USER_PIN_TO_BE_CHANGED,
} from '../../src/pkcs11/pkcs11-constants.ts';
import { lockState } from '../../src/pkcs11/state-lock.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { expectCodeOf } from './expect-code.ts';
import { createRig, type Rig } from './keyholder-rig.ts';

/** Attempts at the PIN, counted by the module itself. */

let rig: Rig;
let modules: MisbehavingModules;
let module: MisbehavingModule;
let clock: number;
let credentials = '';

beforeAll(async () => {
  rig = await createRig();
  modules = compileMisbehavingModule();
  credentials = join(rig.folder, 'credentials');
  process.env['CREDENTIALS_DIRECTORY'] = credentials;
});
afterAll(async () => {
  delete process.env['CREDENTIALS_DIRECTORY'];
  modules.dispose();
  await rig.dispose();
});
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  module = modules.create(rig.hsm.modulePath);
});

const list = (pinSource: string) =>
  rig.writeList({
    tokens: [{ uri: `pkcs11:token=${rig.hsm.label}`, modulePath: module.modulePath }],
    pinSource,
  });

/** What a start of the service does, without a process of its own; the token process is real. */
async function runKeyholder(requests = 1): Promise<string> {
  const host = HostState.open(rig.paths.state, parseHostKeySource(rig.paths.hostKey));
  const client = new TokenClient({ env: rig.hsm.env, deadlineMs: 120_000, pins: host.pins });
  const keyholder = new Keyholder({
    host,
    listPath: rig.paths.list,
    openerFor: () => client,
    isolation: 'same user',
    clock: () => clock,
  });
  try {
    const codes = new Set<string>();
    for (let i = 0; i < requests; i++) {
      for (const { errorCode } of await keyholder.prepare()) codes.add(errorCode);
      clock += 60_000;
    }
    return [...codes].join(' ');
  } finally {
    keyholder.close();
    clock = Date.now();
  }
}

/** systemd makes the folder anew at each start. */
function provideCredential(pin: string): void {
  rmSync(credentials, { recursive: true, force: true });
  mkdirSync(credentials, { mode: 0o700 });
  writeFileSync(join(credentials, 'pin'), pin, { mode: 0o400 });
}

describe('a wrong PIN', () => {
  test('is tried once over 10,000 requests and 100 restarts, from a file and from a credential', async () => {
    const path = join(rig.folder, 'wrong-pin');
    writeFileSync(path, 'wrong\n', { mode: 0o600 });
    list(`file:${path}`);
    for (let start = 0; start < 95; start++) expect(await runKeyholder(105)).toBe('PIN_INCORRECT');
    expect(module.count('C_Login')).toBe(1);
    // The same PIN by another way, each time in a file that is new.
    list('credential:pin');
    for (let start = 0; start < 5; start++) {
      provideCredential('wrong\n');
      expect(await runKeyholder(5)).toBe('PIN_INCORRECT');
    }
    expect(module.count('C_Login')).toBe(1);
    // Each of them came to the token and read its flags: the control.
    expect(module.count('C_GetTokenInfo')).toBeGreaterThan(5);
    provideCredential('another wrong one\n');
    expect(await runKeyholder(3)).toBe('PIN_INCORRECT');
    expect(module.count('C_Login')).toBe(2);
  }, 900_000);

  test('in a file that was only touched is not tried again, and a corrected one is', async () => {
    const path = join(rig.folder, 'touched-pin');
    writeFileSync(path, 'wrong\n', { mode: 0o600 });
    list(`file:${path}`);
    expect(await runKeyholder()).toBe('PIN_INCORRECT');
    utimesSync(path, 1, 1);
    expect(await runKeyholder()).toBe('PIN_INCORRECT');
    expect(module.count('C_Login')).toBe(1);
    copyFileSync(rig.hsm.pinFile, path);
    expect(await runKeyholder()).toBe('');
    expect(module.count('C_Login')).toBe(2);
  }, 300_000);

  test('may be tried once more after the operator’s `forget-pins`, which a running keyholder forbids', async () => {
    const path = join(rig.folder, 'token-changed');
    copyFileSync(rig.hsm.pinFile, path);
    list(`file:${path}`);
    module.command('C_Login return 0xa0');
    expect(await runKeyholder()).toBe('PIN_INCORRECT');
    // By now the token has the PIN of the file.
    module.command();
    expect(await runKeyholder()).toBe('PIN_INCORRECT');
    const lock = await lockState(rig.paths.state);
    await expectCodeOf('STATE_LOCKED', forgetPins(rig.paths));
    await lock.release();
    await forgetPins(rig.paths);
    expect(await runKeyholder()).toBe('');
    expect(module.count('C_Login')).toBe(2);
  }, 300_000);
});

describe('a login during which the token process dies', () => {
  test('is repeated once, over restarts; then an operator is needed', async () => {
    list(rig.hsm.pinSource);
    module.command('C_Login abort');
    expect(await runKeyholder()).toBe('TOKEN_DEAD');
    expect(await runKeyholder()).toBe('TOKEN_DEAD');
    module.command();
    expect(await runKeyholder()).toBe('PIN_UNANSWERED');
    expect(module.count('C_Login')).toBe(2);
    await forgetPins(rig.paths);
    expect(await runKeyholder()).toBe('');
  }, 300_000);

  test('is not repeated when the token has counted it, and else leaves nothing behind', async () => {
    list(rig.hsm.pinSource);
    module.command('C_Login exit');
    expect(await runKeyholder()).toBe('TOKEN_DEAD');
    module.command(`C_GetTokenInfo flags ${CKF_USER_PIN_COUNT_LOW}`);
    expect(await runKeyholder()).toBe('PIN_UNANSWERED');
    expect(module.count('C_Login')).toBe(1);
    module.command();
    expect(await runKeyholder()).toBe('');
    expect(module.count('C_Login')).toBe(2);
  }, 300_000);

  test('is no reason to doubt the PIN when it died afterwards', async () => {
    list(rig.hsm.pinSource);
    module.command('C_Decrypt abort');
    for (let i = 0; i < 3; i++) expect(await runKeyholder()).toBe('TOKEN_DEAD');
    module.command();
    expect(await runKeyholder()).toBe('');
    expect(module.count('C_Login')).toBe(4);
  }, 300_000);
});

test.each([
  ['PIN_FINAL_TRY', CKF_USER_PIN_FINAL_TRY],
  ['PIN_LOCKED', CKF_USER_PIN_LOCKED],
  ['PIN_CHANGE', CKF_USER_PIN_TO_BE_CHANGED],
])(
  'no attempt is made when the token says %s',
  async (code, flag) => {
    list(rig.hsm.pinSource);
    module.command(`C_GetTokenInfo flags ${flag}`);
    expect(await runKeyholder()).toBe(code);
    expect(module.count('C_GetTokenInfo')).toBeGreaterThan(0);
    expect(module.count('C_Login')).toBe(0);
  },
  300_000,
);
