import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listTokens } from '../../src/pkcs11/administration-client.ts';
import { CKF_USER_PIN_COUNT_LOW } from '../../src/pkcs11/pkcs11-constants.ts';
import { TokenClient, type TokenClientOptions } from '../../src/pkcs11/token-client.ts';
import { createSoftHsm } from '../softhsm/create-softhsm.ts';
import { expectCodeOf } from './expect-code.ts';
import { createTokenRig, opened, type TokenRig } from './token-rig.ts';

let rig: TokenRig;
beforeAll(async () => {
  rig = await createTokenRig();
});
afterAll(() => rig.dispose());

describe('choosing token and key', () => {
  test('several tokens or keys that match are an error, and so is none', async () => {
    const crowd = await createSoftHsm();
    const second = await crowd.addToken('second');
    const keyUri = await crowd.makeKey();
    const ask = (uri: string) =>
      new TokenClient({ env: crowd.env }).seal(rig.sealRequest({ tokens: [{ ...crowd.access(), uri }] }));
    await expectCodeOf('TOKEN_AMBIGUOUS', ask('pkcs11:'));
    await expectCodeOf('TOKEN_NOT_FOUND', ask('pkcs11:token=none'));
    await expectCodeOf('KEY_NOT_FOUND', ask(second));
    await crowd.makeKey({ label: 'another' });
    await expectCodeOf('KEY_AMBIGUOUS', ask(crowd.uri));
    expect((await ask(keyUri)).kpHsId).toHaveLength(32);
    await rm(join(crowd.folder, 'tokens'), { recursive: true });
    await mkdir(join(crowd.folder, 'tokens'));
    await expectCodeOf('TOKEN_NOT_FOUND', ask(keyUri));
    await crowd.dispose();
  });

  test('a module that is not there or is none is an error', async () => {
    const ask = (modulePath: string) =>
      rig.client().open(rig.openRequest({ access: { ...rig.hsm.access(`pkcs11:`), modulePath } }));
    await expectCodeOf('MODULE_PATH', ask('/usr/lib/none.so'));
    await expectCodeOf('MODULE_PATH', ask(''));
    await expectCodeOf(
      'URI_SYNTAX',
      rig.client().open(rig.openRequest({ access: rig.hsm.access('softhsm') })),
    );
  });
});

describe('the PIN', () => {
  const countIsLow = async () => {
    const { tokens } = await listTokens(rig.hsm.modulePath, { env: rig.hsm.env, deadlineMs: 120_000 });
    return ((tokens.find(({ label }) => label === rig.hsm.label)?.flags ?? 0) & CKF_USER_PIN_COUNT_LOW) !== 0;
  };

  async function withWrongPin(act: (path: string) => Promise<void>): Promise<void> {
    const path = join(rig.hsm.folder, 'wrong-pin');
    await writeFile(path, 'not the pin', { mode: 0o600 });
    await act(path);
  }

  test('when wrong is refused by this client until its file changes', async () => {
    await withWrongPin(async path => {
      const once = rig.client();
      const request = rig.openRequest({ access: { ...rig.hsm.access(), pinSource: `file:${path}` } });
      expect(await countIsLow()).toBe(false);
      await expectCodeOf('PIN_INCORRECT', once.open(request));
      expect(await countIsLow()).toBe(true);
      await expectCodeOf('PIN_INCORRECT', once.open(request));
      await writeFile(path, await readFile(rig.hsm.pinFile));
      expect(opened((await once.open(request))[0]).ladders).toHaveLength(1);
      expect(await countIsLow()).toBe(false);
    });
  });

  const spy = [
    process.env['PKCS11_SPY_MODULE'] ?? '',
    '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so',
    '/usr/lib/x86_64-linux-gnu/pkcs11/pkcs11-spy.so',
    '/usr/lib/aarch64-linux-gnu/pkcs11-spy.so',
    '/usr/lib/aarch64-linux-gnu/pkcs11/pkcs11-spy.so',
  ].find(path => existsSync(path));
  test('when wrong reaches the module in exactly one call, when right as well', async () => {
    await withWrongPin(async path => {
      for (const [pinFile, code] of [
        [path, 'PIN_INCORRECT'],
        [rig.hsm.pinFile, undefined],
      ] as const) {
        const output = join(rig.hsm.folder, `calls-${code}`);
        const env = { PKCS11SPY: rig.hsm.modulePath, PKCS11SPY_OUTPUT: output };
        const access = {
          modulePath: spy ?? 'install the package opensc-pkcs11',
          uri: `pkcs11:token=${rig.hsm.label}`,
          pinSource: `file:${pinFile}`,
        };
        const request = rig.client({ env }).open(rig.openRequest({ access }));
        if (code === undefined) expect(opened((await request)[0]).ladders).toHaveLength(1);
        else await expectCodeOf(code, request);
        expect((await readFile(output, 'latin1')).match(/: C_Login$/gmu)).toHaveLength(1);
      }
    });
  });

  test('is not tried when the periods are refused: no attempt is spent', async () => {
    await withWrongPin(async path => {
      const access = { ...rig.hsm.access(), pinSource: `file:${path}` };
      await expectCodeOf('PERIOD_REFUSED', rig.client().open(rig.openRequest({ access }, [0])));
      expect(await countIsLow()).toBe(false);
    });
  });

  test('file with a bad mode and a literal PIN are refused before anything is started or tried', async () => {
    await withWrongPin(async path => {
      await chmod(path, 0o644);
      const ask = (pinSource: string, options: TokenClientOptions = {}) =>
        rig.client(options).open(rig.openRequest({ access: { ...rig.hsm.access(), pinSource } }));
      await expectCodeOf('PIN_SOURCE', ask(`file:${path}`));
      const started: number[] = [];
      await expectCodeOf('PIN_LITERAL', ask('123456', { onSpawn: pid => started.push(pid) }));
      expect(started).toEqual([]);
      expect(await countIsLow()).toBe(false);
    });
  });

  test('may be named by the URI, which goes before the configured source', async () => {
    const uri = `${rig.hsm.uri}&pin-source=file:${rig.hsm.pinFile}`;
    const [result] = await rig
      .client()
      .open(rig.openRequest({ access: { modulePath: '', uri, pinSource: 'credential:none' } }));
    expect(opened(result).ladders).toHaveLength(1);
  });
});
