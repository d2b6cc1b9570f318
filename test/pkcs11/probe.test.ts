import { readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKF_USER_PIN_TO_BE_CHANGED,
  CKA_ALWAYS_AUTHENTICATE,
  CKA_NEVER_EXTRACTABLE,
} from '../../src/pkcs11/pkcs11-constants.ts';
import { readProbe } from '../../scripts/tokens/read.ts';
import { volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import { PROBE_LABEL } from '../../src/pkcs11/own-labels.ts';
import { probeToken } from '../../src/pkcs11/probe-client.ts';
import type { Outcome, ProbeLineId } from '../../src/pkcs11/probe-lines.ts';
import type { ProbeReport } from '../../src/pkcs11/probe-report.ts';
import type { TokenClientOptions } from '../../src/pkcs11/token-client.ts';
import type { TokenProbe } from '../../src/signer/contract/token-probe.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { expectCodeOf } from './expect-code.ts';
import { tokenObjects } from './token-objects.ts';

const COMMITTED = new URL('../../docs/probes/softhsm-2.6.1.json', import.meta.url);
const LONG_MS = 300_000;

let hsm: SoftHsm;
let modules: MisbehavingModules;
let module: MisbehavingModule;
beforeAll(async () => {
  hsm = await createSoftHsm();
  modules = compileMisbehavingModule();
});
afterAll(async () => {
  modules.dispose();
  await hsm.dispose();
});
beforeEach(() => {
  module = modules.create(hsm.modulePath);
});

const probe = (options: TokenClientOptions = {}): Promise<ProbeReport> =>
  probeToken(
    { ...hsm.access(`pkcs11:token=${hsm.label}`), modulePath: module.modulePath },
    { env: hsm.env, deadlineMs: LONG_MS, ...options },
  );

function outcomes({ findings }: ProbeReport): Partial<Record<ProbeLineId, Outcome>> {
  return Object.fromEntries(findings.map(({ line, outcome }) => [line, outcome]));
}
const detailOf = ({ findings }: ProbeReport, line: ProbeLineId): string | undefined =>
  findings.find(each => each.line === line)?.detail;
const carried = ({ custody }: ProbeReport): boolean[] => custody.map(each => each.carried);
const reasons = ({ custody }: ProbeReport): string =>
  custody.flatMap(each => (each.carried ? [] : each.why)).join('; ');

/** Without what is another each time. */
const timeless = (report: TokenProbe): TokenProbe => ({
  ...report,
  token: { ...report.token, label: '', serial: '' },
  findings: report.findings.map(each => ({ ...each, perSecond: each.perSecond > 0 ? 1 : 0 })),
});

describe('a probe of SoftHSM', () => {
  test('gives what is committed, with one login, and leaves nothing on the token', async () => {
    const report = readProbe(JSON.stringify(await probe()));
    expect(module.count('C_Login')).toBe(1);
    expect(await tokenObjects(hsm)).toEqual([]);
    const committed = readProbe(readFileSync(COMMITTED, 'utf8'));
    expect(timeless(report)).toEqual(timeless(committed));
    expect(report.token.serial).not.toBe('');
  });

  test('removes what a probe left that was killed, and nothing of anybody else', async () => {
    await tokenObjects(hsm, { label: PROBE_LABEL });
    await tokenObjects(hsm, { label: 'of somebody else' });
    const report = await probe();
    expect(detailOf(report, 'clean')).toBe('2 removed');
    expect((await tokenObjects(hsm)).map(({ label }) => label)).toEqual([
      'of somebody else',
      'of somebody else',
    ]);
    await tokenObjects(hsm, { label: 'of somebody else', fate: 'gone' });
  });
});

test('a token that finds what was not searched for loses nothing by a probe', async () => {
  const [foreign, ours] = ['of somebody else', PROBE_LABEL];
  for (const label of [foreign, ours]) await tokenObjects(hsm, { label });
  module.command('C_FindObjectsInit any');
  const report = await probe();
  expect(outcomes(report)).toMatchObject({ clean: 'wrong', 'nothing-left': 'wrong' });
  expect(detailOf(report, 'clean')).toBe('TOKEN_PROTOCOL');
  expect((await tokenObjects(hsm)).map(({ label }) => label)).toEqual([foreign, foreign]);
  await tokenObjects(hsm, { label: foreign, fate: 'gone' });
}, 300_000);

describe('a token that does less', () => {
  let small: SoftHsm;
  beforeAll(async () => {
    small = await createSoftHsm();
  });
  afterAll(() => small.dispose());

  const probeWith = async (mechanisms: string): Promise<ProbeReport> => {
    await appendFile(small.env.SOFTHSM2_CONF, `slots.mechanisms = ${mechanisms}\n`);
    return await probeToken(small.access(), { env: small.env, deadlineMs: LONG_MS });
  };
  const KEYS = 'CKM_RSA_PKCS_KEY_PAIR_GEN,CKM_AES_KEY_GEN,CKM_EC_EDWARDS_KEY_PAIR_GEN';

  test('than Ed25519 and AES-GCM carries sealing by RSA-OAEP alone', async () => {
    const report = await probeWith(`${KEYS},CKM_RSA_PKCS_OAEP`);
    expect(carried(report)).toEqual([true, false, false]);
    expect(report.advice).toEqual({ prepare: 'rsa', periodKeys: 'keyholder' });
    const { 'aes-gcm': gcm, 'aes-gcm-refuses': refuses, 'eddsa-14k': eddsa } = outcomes(report);
    expect([gcm, refuses, eddsa]).toEqual(['refused', 'untried', 'refused']);
    expect(report.mechanisms.filter(({ listed }) => !listed).map(({ name }) => name)).toEqual([
      'CKM_AES_GCM',
      'CKM_EDDSA',
    ]);
    expect(reasons(report)).toMatch(
      /AES-GCM sealed and opened: refused .*50,000 bytes .*: refused \(CKR 0x70\)/u,
    );
  });

  test('than RSA-OAEP carries sealing by AES-GCM, and period keys', async () => {
    const report = await probeWith(`${KEYS},CKM_AES_GCM,CKM_EDDSA`);
    expect(carried(report)).toEqual([false, true, true]);
    expect(report.advice).toEqual({ prepare: 'aes', periodKeys: 'token' });
    expect(outcomes(report)).toMatchObject({ 'oaep-sha1': 'refused', 'oaep-sha256': 'refused' });
  });
});

describe('a token that refuses or lies', () => {
  test('makes no keys: all that needs them is untried, and nothing is carried', async () => {
    module.command('C_GenerateKeyPair return 0x70', 'C_GenerateKey return 0x70');
    const report = await probe();
    expect(carried(report)).toEqual([false, false, false]);
    expect(report.advice).toEqual({ periodKeys: 'keyholder' });
    expect(outcomes(report)).toMatchObject({
      'rsa-key': 'refused',
      'oaep-sha1': 'untried',
      'aes-key': 'refused',
      'aes-gcm': 'untried',
      'ed25519-key': 'refused',
      'eddsa-50k': 'untried',
      'nothing-left': 'works',
    });
    expect(reasons(report)).toMatch(/RSA key of 2048 bits made: refused \(CKR 0x70\)/u);
  });

  test('gives other plaintexts and other signatures', async () => {
    module.command('C_Decrypt flip', 'C_Sign flip');
    const report = await probe();
    expect(carried(report)).toEqual([false, false, false]);
    expect(outcomes(report)).toMatchObject({
      'oaep-sha1': 'wrong',
      'aes-gcm': 'wrong',
      'eddsa-14k': 'wrong',
    });
  });

  test('says of its keys that they could have left it', async () => {
    module.command(`C_GetAttributeValue flip ${CKA_NEVER_EXTRACTABLE}`);
    const report = await probe();
    expect(carried(report)).toEqual([false, false, false]);
    expect(outcomes(report)).toMatchObject({
      'rsa-held': 'wrong',
      'aes-held': 'wrong',
      'ed25519-held': 'wrong',
    });
    expect(reasons(report)).toMatch(/may leave/u);
  });

  test('wants its PIN at each use of a private key', async () => {
    module.command(`C_GetAttributeValue flip ${CKA_ALWAYS_AUTHENTICATE}`);
    const report = await probe();
    expect(carried(report)).toEqual([false, true, false]);
    expect(detailOf(report, 'rsa-key')).toMatch(/PIN at each use/u);
  });

  test('is taken out meanwhile: then there is no report', async () => {
    module.command('C_GenerateKey return 0x32');
    await expectCodeOf('TOKEN_NOT_FOUND', probe());
  });
});

describe('a module that hangs or dies', () => {
  test('at one line is told as that, and the rest is tried in a new process', async () => {
    module.command('C_Encrypt hang');
    let spawned = 0;
    const onSpawn = (): void => {
      spawned += 1;
      if (spawned === 2) module.command();
    };
    const report = await probe({ deadlineMs: 25_000, onSpawn });
    expect(outcomes(report)).toMatchObject({
      'aes-gcm': 'silent',
      'aes-gcm-refuses': 'untried',
      'eddsa-50k': 'works',
    });
    expect(carried(report)).toEqual([true, false, true]);
    // Each process logged in once, with a PIN that was right.
    expect([spawned, module.count('C_Login')]).toEqual([2, 2]);
  });

  test('at every signature leaves nothing on the token either', async () => {
    module.command('C_Sign abort');
    const report = await probe();
    expect(outcomes(report)).toMatchObject({
      'eddsa-14k': 'dead',
      'eddsa-50k': 'dead',
      'nothing-left': 'works',
    });
    expect(carried(report)).toEqual([true, true, false]);
    expect(await tokenObjects(hsm)).toEqual([]);
    expect(module.count('C_Login')).toBe(4);
  });

  test('at every other line is left alone after five deaths', async () => {
    module.command('C_SignInit abort', 'C_EncryptInit abort', 'C_DecryptInit abort');
    const report = await probe();
    const ends = Object.values(outcomes(report));
    expect(ends.filter(each => each === 'dead')).toHaveLength(5);
    expect(detailOf(report, 'nothing-left')).toBe('the process died too often');
    module.command();
    await probe();
    expect(await tokenObjects(hsm)).toEqual([]);
  });
});

describe('the PIN', () => {
  test('that was refused is not tried by the next probe', async () => {
    module.command('C_Login return 0xa0');
    const pins = volatilePinStore();
    for (let i = 0; i < 3; i++) await expectCodeOf('PIN_INCORRECT', probe({ pins }));
    expect(module.count('C_Login')).toBe(1);
  });

  test.each([
    ['PIN_FINAL_TRY', CKF_USER_PIN_FINAL_TRY, 'the final try of the PIN is left'],
    ['PIN_LOCKED', CKF_USER_PIN_LOCKED, 'PIN locked'],
    ['PIN_CHANGE', CKF_USER_PIN_TO_BE_CHANGED, 'PIN to be changed'],
    ['PIN_COUNT_LOW', CKF_USER_PIN_COUNT_LOW, 'a wrong PIN was counted'],
    ['PIN_SOURCE', CKF_PROTECTED_AUTHENTICATION_PATH, 'PIN pad'],
  ] as const)('is not tried when the token says %s, which the report tells', async (code, flag, words) => {
    module.command(`C_GetTokenInfo flags ${flag}`);
    const report = await probe();
    expect(report).toMatchObject({ login: code, flags: expect.arrayContaining([words]) as string[] });
    expect(new Set(Object.values(outcomes(report)))).toEqual(new Set(['untried']));
    expect(carried(report)).toEqual([false, false, false]);
    expect(module.count('C_Login')).toBe(0);
  });
});
