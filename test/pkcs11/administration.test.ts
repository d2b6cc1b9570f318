import { chmodSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listTokens, prepareToken } from '../../src/pkcs11/administration-client.ts';
import type { PrepareRequest, RsaBits } from '../../src/pkcs11/administration-messages.ts';
import { filePinStore, forgetPinBook } from '../../src/pkcs11/pin-book.ts';
import { CKF_USER_PIN_COUNT_LOW, CKA_NEVER_EXTRACTABLE } from '../../src/pkcs11/pkcs11-constants.ts';
import { probeToken } from '../../src/pkcs11/probe-client.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import { parsePkcs11Uri } from '../../src/pkcs11/uri.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { expectCodeOf } from './expect-code.ts';

let hsm: SoftHsm;
let modules: MisbehavingModules;
beforeAll(async () => {
  hsm = await createSoftHsm();
  modules = compileMisbehavingModule();
});
afterAll(async () => {
  modules.dispose();
  await hsm.dispose();
});

const RSA = { kind: 'rsa', bits: 2048 } as const;
const AES = { kind: 'aes' } as const;
const prepare = (label: string, key: PrepareRequest['key'], access = hsm.access()) =>
  prepareToken({ access, key, label }, { env: hsm.env, deadlineMs: 300_000 });
const sealTo = (uri: string) =>
  new TokenClient({ env: hsm.env, deadlineMs: 300_000 }).seal({
    tokens: [hsm.access(uri)],
    ageRecipients: [],
    source: { kind: 'new' },
  });

describe('listing', () => {
  test('shows each initialised token with the URI that selects it, without a PIN', async () => {
    const second = await hsm.addToken('second');
    const { tokens, failing } = await listTokens(hsm.modulePath, { env: hsm.env, deadlineMs: 300_000 });
    expect(failing).toEqual([]);
    expect(tokens.map(({ label }) => label).sort()).toEqual([hsm.label, 'second'].sort());
    const found = tokens.find(({ label }) => label === 'second');
    expect(parsePkcs11Uri(found?.uri ?? '').match).toEqual(parsePkcs11Uri(second).match);
    expect(found).toMatchObject({ model: 'SoftHSM v2', hasRsaOaep: true, hasAesGcm: true });
  });

  test('takes a module by name and refuses what is none', async () => {
    const options = { env: hsm.env, deadlineMs: 300_000 };
    const { tokens } = await listTokens('pkcs11:?module-name=softhsm2', options);
    expect(tokens.length).toBeGreaterThan(0);
    await expectCodeOf('MODULE_PATH', listTokens('/usr/lib/none.so'));
    await expectCodeOf('MODULE_PATH', listTokens('softhsm2'));
  });
});

describe('a slot that fails', () => {
  /** SoftHSM’s number of the slot of a token. */
  const slotOf = (serial: string): number => Number.parseInt(serial.slice(-8), 16) & 0x7fff_ffff;

  test.each(['C_GetSlotInfo', 'C_GetTokenInfo', 'C_GetMechanismList'])(
    'at %s is named, and the others are listed and used',
    async call => {
      const broken = `broken ${call}`;
      await hsm.addToken(broken);
      const options = { env: hsm.env, deadlineMs: 300_000 };
      const module = modules.create(hsm.modulePath);
      const before = await listTokens(module.modulePath, options);
      expect(before.failing).toEqual([]);
      const slot = slotOf(before.tokens.find(({ label }) => label === broken)?.serial ?? '');
      module.command(`${call} slot ${slot}`);
      const { tokens, failing } = await listTokens(module.modulePath, options);
      expect(tokens).toEqual(before.tokens.filter(({ label }) => label !== broken));
      expect(failing).toMatchObject([{ code: 'TOKEN_DEAD', ckr: 0x30 }]);
      if (call !== 'C_GetSlotInfo') expect(failing[0]?.description).toMatch(/SoftHSM/u);
      if (call === 'C_GetMechanismList') return;
      const access = (uri: string) => ({ ...hsm.access(uri), modulePath: module.modulePath });
      expect(await prepare(`beside ${call}`, AES, access(hsm.uri))).toMatch(/beside/u);
      // The one that was asked for may be in it, or another one of that name.
      for (const name of [broken, hsm.label]) {
        const inIt = access(`pkcs11:token=${encodeURIComponent(name)}`);
        await expectCodeOf('TOKEN_DEAD', prepare('in it', AES, inIt));
        await expectCodeOf('TOKEN_DEAD', probeToken(inIt, options));
      }
      module.command();
      expect(await prepare(`in it ${call}`, AES, access(`pkcs11:token=${hsm.label}`))).toMatch(/in%20it/u);
    },
    300_000,
  );
});

describe('preparing a token', () => {
  test.each([2048, 3072] as const)('makes a key of %d bits to which identities are sealed', async bits => {
    const uri = await hsm.makeKey({ bits, label: `seal ${bits}` });
    expect(parsePkcs11Uri(uri).match.object).toBe(`seal ${bits}`);
    expect((await sealTo(uri)).origin).toBe('born');
  });

  test('makes an AES key to which identities are sealed, whose URI selects it', async () => {
    const uri = await prepare('aes', AES);
    expect(parsePkcs11Uri(uri)).toMatchObject({ match: { object: 'aes' }, type: 'secret-key' });
    expect((await sealTo(uri)).origin).toBe('born');
    await expectCodeOf('KEY_NOT_FOUND', sealTo(uri.replace('secret-key', 'private')));
  });

  test('makes no RSA key of the name of an AES key, and the other way round', async () => {
    await prepare('both', AES);
    await expectCodeOf('KEY_EXISTS', prepare('both', RSA));
    await expectCodeOf('KEY_EXISTS', prepare('both', AES));
    await prepare('pair', RSA);
    await expectCodeOf('KEY_EXISTS', prepare('pair', AES));
  });

  test.each([RSA, AES])(
    'keeps no $kind key of which the token says that it could have left it',
    async key => {
      const module = modules.create(hsm.modulePath);
      const access = { ...hsm.access(`pkcs11:token=${hsm.label}`), modulePath: module.modulePath };
      module.command(`C_GetAttributeValue flip ${CKA_NEVER_EXTRACTABLE}`);
      await expectCodeOf('KEY_UNSUITABLE', prepare(`unfit ${key.kind}`, key, access));
      module.command();
      expect(await prepare(`unfit ${key.kind}`, key, access)).toMatch(/unfit/u);
    },
  );

  test('makes no second key of one name, and one of another name beside it', async () => {
    await hsm.makeKey({ label: 'once' });
    await expectCodeOf('KEY_EXISTS', hsm.makeKey({ label: 'once' }));
    expect(await hsm.makeKey({ label: 'twice' })).toMatch(/object=twice/u);
  });

  test.each(['onion-signer probe', 'onion-signer period key', 'onion-signer period key 0123456789abcdef'])(
    'makes no key of the name %j, which a probe or a signer would destroy',
    async label => {
      await expectCodeOf('KEY_LABEL', prepare(label, AES));
      expect(await prepare(`my ${label}`, AES)).toMatch(/object=my/u);
    },
  );

  test('refuses other sizes', async () => {
    for (const bits of [1024, 2047, 8192]) {
      await expectCodeOf('KEY_UNSUITABLE', hsm.makeKey({ bits: bits as RsaBits }));
    }
  });

  test('refuses a wrong PIN, a literal PIN, and a URI for no token or several', async () => {
    const wrongPin = join(hsm.folder, 'wrong');
    await writeFile(wrongPin, 'wrong', { mode: 0o600 });
    const changed = (changes: Partial<ReturnType<SoftHsm['access']>>) =>
      prepare('a', RSA, { ...hsm.access(), ...changes });
    await expectCodeOf('PIN_LITERAL', changed({ pinSource: '123456' }));
    await expectCodeOf('TOKEN_NOT_FOUND', changed({ uri: 'pkcs11:token=none' }));
    await expectCodeOf('TOKEN_AMBIGUOUS', changed({ uri: 'pkcs11:' }));
    const key = await changed({});
    await expectCodeOf('PIN_INCORRECT', changed({ pinSource: `file:${wrongPin}` }));
    // Whose PIN the token counted, nobody knows: until a right one is tried by whoever uses it.
    await expectCodeOf('PIN_COUNT_LOW', prepare('b', AES));
    await sealTo(key);
    expect(await prepare('b', AES)).toMatch(/^pkcs11:token=/u);
  });
});

describe('the PIN of a command', () => {
  let module: MisbehavingModule;
  let book: string;
  const command = (label: string) =>
    prepareToken(
      {
        access: { ...hsm.access(`pkcs11:token=${hsm.label}`), modulePath: module.modulePath },
        key: AES,
        label,
      },
      { env: hsm.env, deadlineMs: 300_000, pins: filePinStore(book) },
    );
  beforeEach(() => {
    module = modules.create(hsm.modulePath);
    book = join(hsm.folder, 'state', 'onion-signer', `pins of ${module.modulePath.slice(-9)}`);
  });

  test('that the token refused is not tried again by the next commands, until an operator says so', async () => {
    module.command('C_Login return 0xa0');
    for (let i = 0; i < 3; i++) await expectCodeOf('PIN_INCORRECT', command('refused'));
    expect(module.count('C_Login')).toBe(1);
    // By now the token has this PIN, which nobody knows.
    module.command();
    await expectCodeOf('PIN_INCORRECT', command('refused'));
    expect(module.count('C_Login')).toBe(1);
    await forgetPinBook(book);
    expect(await command('refused')).toMatch(/object=refused/u);
    expect(module.count('C_Login')).toBe(2);
    expect(await command('taken again')).toMatch(/object=taken/u);
    expect(module.count('C_Login')).toBe(3);
  });

  test('is not tried when the token has counted a wrong one since the last right one', async () => {
    module.command(`C_GetTokenInfo flags ${CKF_USER_PIN_COUNT_LOW}`);
    await expectCodeOf('PIN_COUNT_LOW', command('count low'));
    expect(module.count('C_GetTokenInfo')).toBeGreaterThan(0);
    expect(module.count('C_Login')).toBe(0);
  });

  test('during whose login the process died is tried once more', async () => {
    module.command('C_Login abort');
    for (let i = 0; i < 2; i++) await expectCodeOf('TOKEN_DEAD', command('dead'));
    await expectCodeOf('PIN_UNANSWERED', command('dead'));
    expect(module.count('C_Login')).toBe(2);
  });

  test('is kept as a digest, in a file that others cannot read and that must not be damaged', async () => {
    const pin = readFileSync(hsm.pinFile, 'utf8').trim();
    module.command('C_Login return 0xa0');
    await expectCodeOf('PIN_INCORRECT', command('kept'));
    expect(statSync(book).mode & 0o777).toBe(0o600);
    expect(readFileSync(book).includes(pin)).toBe(false);
    chmodSync(book, 0o644);
    await expectCodeOf('PIN_BOOK', command('kept'));
    chmodSync(book, 0o600);
    await expectCodeOf('PIN_INCORRECT', command('kept'));
    await writeFile(book, readFileSync(book).subarray(1));
    await expectCodeOf('PIN_BOOK', command('kept'));
    expect(module.count('C_Login')).toBe(1);
  });
});
