import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listTokens, prepareToken } from '../../src/pkcs11/administration-client.ts';
import type { RsaBits } from '../../src/pkcs11/administration-messages.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import { parsePkcs11Uri } from '../../src/pkcs11/uri.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { expectCodeOf } from './expect-code.ts';

let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await createSoftHsm();
});
afterAll(() => hsm.dispose());

const sealTo = (uri: string) =>
  new TokenClient({ env: hsm.env }).seal({
    tokens: [hsm.access(uri)],
    ageRecipients: [],
    source: { kind: 'new' },
  });

describe('listing', () => {
  test('shows each initialised token with the URI that selects it, without a PIN', async () => {
    const second = await hsm.addToken('second');
    const tokens = await listTokens(hsm.modulePath, { env: hsm.env });
    expect(tokens.map(({ label }) => label).sort()).toEqual([hsm.label, 'second'].sort());
    const found = tokens.find(({ label }) => label === 'second');
    expect(parsePkcs11Uri(found?.uri ?? '').match).toEqual(parsePkcs11Uri(second).match);
    expect(found).toMatchObject({ model: 'SoftHSM v2', hasRsaOaep: true });
  });

  test('takes a module by name and refuses what is none', async () => {
    expect((await listTokens('pkcs11:?module-name=softhsm2', { env: hsm.env })).length).toBeGreaterThan(0);
    await expectCodeOf('MODULE_PATH', listTokens('/usr/lib/none.so'));
    await expectCodeOf('MODULE_PATH', listTokens('softhsm2'));
  });
});

describe('preparing a token', () => {
  test.each([2048, 3072] as const)('makes a key of %d bits to which identities are sealed', async bits => {
    const uri = await hsm.makeKey({ bits, label: `seal ${bits}` });
    expect(parsePkcs11Uri(uri).match.object).toBe(`seal ${bits}`);
    expect((await sealTo(uri)).origin).toBe('born');
  });

  test('makes no second key of one name, and one of another name beside it', async () => {
    await hsm.makeKey({ label: 'once' });
    await expectCodeOf('KEY_EXISTS', hsm.makeKey({ label: 'once' }));
    expect(await hsm.makeKey({ label: 'twice' })).toMatch(/object=twice/u);
  });

  test('refuses other sizes', async () => {
    for (const bits of [1024, 2047, 8192]) {
      await expectCodeOf('KEY_UNSUITABLE', hsm.makeKey({ bits: bits as RsaBits }));
    }
  });

  test('refuses a wrong PIN, a literal PIN, and a URI for no token or several', async () => {
    const wrongPin = join(hsm.folder, 'wrong');
    await writeFile(wrongPin, 'wrong', { mode: 0o600 });
    const prepare = (changes: Partial<ReturnType<SoftHsm['access']>>) =>
      prepareToken({ access: { ...hsm.access(), ...changes }, bits: 2048, label: 'a' }, { env: hsm.env });
    await expectCodeOf('PIN_INCORRECT', prepare({ pinSource: `file:${wrongPin}` }));
    await expectCodeOf('PIN_LITERAL', prepare({ pinSource: '123456' }));
    await expectCodeOf('TOKEN_NOT_FOUND', prepare({ uri: 'pkcs11:token=none' }));
    await expectCodeOf('TOKEN_AMBIGUOUS', prepare({ uri: 'pkcs11:' }));
    expect(await prepare({})).toMatch(/^pkcs11:token=/u);
  });
});
