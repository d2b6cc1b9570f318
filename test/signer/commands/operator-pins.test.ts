import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { parseOnionAddress } from '../../../src/descriptor/index.ts';
import { prepareToken } from '../../../src/pkcs11/administration-client.ts';
import { parseEnvelope } from '../../../src/pkcs11/envelope-header.ts';
import { CustodyError } from '../../../src/pkcs11/error.ts';
import { filePinStore, pinBookPath } from '../../../src/pkcs11/pin-book.ts';
import { accessOf, operatorClient } from '../../../src/signer/commands/held-envelope.ts';
import { parseConfig, type SignerConfig } from '../../../src/signer/config.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../../misbehaving-module/misbehaving-module.ts';
import { expectCodeOf } from '../../pkcs11/expect-code.ts';
import { createSoftHsm, type SoftHsm } from '../../softhsm/create-softhsm.ts';

/** Attempts at the PIN that `key …` makes, counted by the module; each call here is what one run of a command does. */

const LIMIT = 300_000;
let hsm: SoftHsm;
let modules: MisbehavingModules;
let module: MisbehavingModule;
let folder: string;
let pinFile: string;
let config: SignerConfig;

beforeAll(async () => {
  hsm = await createSoftHsm();
  modules = compileMisbehavingModule();
}, LIMIT);
afterAll(async () => {
  modules.dispose();
  await hsm.dispose();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'operator-pins-'));
  module = modules.create(hsm.modulePath);
  pinFile = join(folder, 'pin');
  writeFileSync(pinFile, 'wrong\n', { mode: 0o600 });
  vi.stubEnv('SOFTHSM2_CONF', hsm.env.SOFTHSM2_CONF);
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'));
  const lines = [
    `tokens: ["${tokenUri(hsm.label)}"]`,
    `pin: file:${pinFile}`,
    'publishers: { vps1: unix }',
    `state: ${folder}`,
  ];
  config = parseConfig(`${lines.join('\n')}\n`, join(folder, 'signer.yaml'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const tokenUri = (label: string): string => `pkcs11:token=${label}?module-path=${module.modulePath}`;

/** The example of docs/formats/envelope.md, which is sealed to no token here. */
const page = readFileSync(new URL('../../../docs/formats/envelope.md', import.meta.url), 'utf8');
const [header = '', body = ''] = [...page.matchAll(/^```text\n(.*?)^```$/gmsu)].map(([, text]) => text);
const envelope = Buffer.concat([
  Buffer.from(header, 'latin1'),
  Buffer.from(body.replaceAll('\n', ''), 'hex'),
]);
const kpHsId = parseOnionAddress(`${parseEnvelope(envelope).address}.onion`);

const run = (label = hsm.label) => {
  const by = { kind: 'token', access: accessOf(config, tokenUri(label)) } as const;
  return operatorClient(config).verify({ envelope, kpHsId, by });
};

test(
  'a wrong PIN is tried by one run of a command, and by no later one until it is corrected',
  async () => {
    for (let i = 0; i < 3; i++) await expectCodeOf('PIN_INCORRECT', run());
    expect(module.count('C_Login')).toBe(1);
    copyFileSync(hsm.pinFile, pinFile);
    await expectCodeOf('KEY_NOT_FOUND', run());
    expect(module.count('C_Login')).toBe(2);
  },
  LIMIT,
);

test(
  'a PIN that one token of signer.yaml refused is tried by no later run at another one of the same source',
  async () => {
    await hsm.addToken('spare');
    await expectCodeOf('PIN_INCORRECT', run());
    await expectCodeOf('PIN_INCORRECT', run('spare'));
    expect(module.count('C_Login')).toBe(1);
    expect(module.count('C_GetTokenInfo')).toBeGreaterThan(1);
  },
  LIMIT,
);

test(
  'a refusal where a person named token and PIN together says nothing of other tokens',
  async () => {
    const prepare = (label: string) =>
      prepareToken(
        { access: accessOf(config, tokenUri(label)), key: { kind: 'aes' }, label: 'named' },
        { pins: filePinStore(pinBookPath(), { isOwn: true }), deadlineMs: LIMIT },
      );
    copyFileSync(hsm.pinFile, pinFile);
    for (const label of ['named', 'other']) await hsm.addToken(label);
    module.command('C_Login return 0xa0');
    await expectCodeOf('PIN_INCORRECT', prepare('named'));
    module.command();
    await expectCodeOf('KEY_NOT_FOUND', run('other'));
    await expectCodeOf('PIN_INCORRECT', prepare('named'));
    await expectCodeOf('PIN_INCORRECT', run('named'));
    expect(module.count('C_Login')).toBe(2);
  },
  LIMIT,
);

test(
  'commands that run at once try a wrong PIN once, and none fails for another one when it is right',
  async () => {
    const runs = () => Promise.allSettled([run(), run(), run()]);
    const codes = (results: readonly PromiseSettledResult<unknown>[]) =>
      results.map(each => (each.status === 'rejected' ? codeOf(each.reason) : ''));
    expect(codes(await runs())).toEqual(['PIN_INCORRECT', 'PIN_INCORRECT', 'PIN_INCORRECT']);
    expect(module.count('C_Login')).toBe(1);
    copyFileSync(hsm.pinFile, pinFile);
    module.command('C_Login slow 300');
    expect(codes(await runs())).toEqual(['KEY_NOT_FOUND', 'KEY_NOT_FOUND', 'KEY_NOT_FOUND']);
    expect(module.count('C_Login')).toBe(4);
  },
  LIMIT,
);

const codeOf = (reason: unknown): string => (reason instanceof CustodyError ? reason.code : String(reason));
