import path from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  AUTH_PRIVATE_LENGTH,
  PEM_KEY_LENGTH,
  PKCS8_KEY_LENGTH,
  assembleDescriptor,
  createRevisionCounter,
  deriveClientKeys,
  makeAuthClientLine,
  openCookie,
  openDescriptor,
  parseClientAuthPrivate,
  parsePemKey,
  parseSecretKeyFile,
  prepareSecretKeyFile,
  toHex,
  writeClientAuthPrivate,
  writePemKey,
  x25519PublicKey,
  x25519SharedSecret,
} from '../../src/descriptor/index.ts';
import { readSources } from '../setup/module-graph.ts';
import { impureUses } from '../setup/purity-rules.ts';
import { exposedSecrets } from '../setup/secret-rules.ts';
import { forge, noise } from './forge.ts';
import { textsMadeBy } from './texts-made.ts';

const SOURCES = readSources(path.dirname(path.dirname(import.meta.dirname)), 'src/descriptor');

function impure(text: string): string[] {
  return impureUses(new Map([['a.ts', text]]));
}

describe('the descriptor library takes nothing from the platform but computation', () => {
  test('no clock, no randomness, no environment, no files, no network, no timers, no log', () => {
    expect(SOURCES.size).toBeGreaterThan(20);
    expect(impureUses(SOURCES)).toEqual([]);
  });

  test.each([
    ['const a = Date.now();', 'Date'],
    ['const a = new Date();', 'Date'],
    ['const a = Date();', 'Date'],
    ['const now = Date;', 'Date'],
    ['const a = performance.now();', 'performance'],
    ['const a = Math.random();', '.random'],
    ['const { random } = Math;', 'Math'],
    ["Math['random']();", 'Math'],
    ['crypto.getRandomValues(new Uint8Array(1));', 'crypto'],
    ["const a = eval('1');", 'eval'],
    ["import { randomBytes } from 'node:crypto';", 'randomBytes of node:crypto'],
    ["import * as c from 'node:crypto';", '* of node:crypto'],
    ["import c from 'node:crypto';", 'default of node:crypto'],
    ["import { randomBytes } from '@noble/hashes/utils.js';", 'randomBytes of @noble/hashes/utils.js'],
    ['ed.utils.randomSecretKey(); const ed = 1;', '.randomSecretKey'],
    ["import { readFileSync } from 'node:fs';", 'readFileSync of node:fs'],
    ["export { env } from 'node:process';", 'default of node:process'],
    ['const a = process.env;', 'process'],
    ['const a = globalThis;', 'globalThis'],
    ['export const a = import.meta.url;', 'import.meta'],
    ["const a = import('./b.ts');", 'import()'],
    ['console.log(1);', 'console'],
    ['setTimeout(() => 1);', 'setTimeout'],
    ["const a = () => fetch('x');", 'fetch'],
    ['async function a() {}', 'asynchronous code'],
    ["'a'.localeCompare('b');", '.localeCompare'],
    ['new Date(0).getTimezoneOffset();', '.getTimezoneOffset'],
    ['Buffer.allocUnsafe(1);', '.allocUnsafe'],
  ])('%s is found', (text, what) => {
    expect(impure(text)).toContain(`a.ts: ${what}`);
  });

  test.each([
    'const a = Date.parse("2026-01-01T00:00:00Z"), b = new Date(a).toISOString();',
    'function a(process: number, { crypto = 1, fetch: [console] }: P) { return process + crypto + console; }',
    'for (const performance of [1]) { performance.toString(); } try {} catch (process) { throw process; }',
    'class A { fetch = 1; process() { return this.fetch; } } const a = { process: 1, fetch() {} };',
    'type P = typeof process; let a: Crypto | undefined; const b = a as typeof fetch;',
    "import { createHash } from 'node:crypto'; import { sha512 } from '@noble/hashes/sha2.js'; createHash(sha512);",
    'function a() { return b(); } function b() { return Math.floor(1); }',
  ])('%s is pure', text => {
    expect(impure(text)).toEqual([]);
  });
});

/** Names that stand for secret bytes, by module. The others have none: they see public data only. */
const SECRETS: Readonly<Record<string, readonly string[]>> = {
  'assemble.ts': ['descriptorCookie', 'secretData'],
  'client-auth.ts': [
    'clientPrivateKey',
    'sharedSecret',
    'keys',
    'cookieKey',
    'descriptorCookie',
    'cookie',
    'input',
  ],
  'client-files.ts': ['privateKey'],
  'key-files.ts': ['scalar', 'prfHalf'],
  'layer-crypt.ts': ['secretData', 'input', 'keys', 'key', 'macKey', 'mac'],
  'examine-inner.ts': ['clientKey', 'descriptorCookie', 'secretData'],
  'open.ts': ['descriptorCookie', 'secretData'],
  'pem-key.ts': ['file', 'der', 'seed'],
  'primitives.ts': ['privateKey', 'der'],
  'revision-counter.ts': ['key', 'stream'],
};

/**
 * What must look at single bytes: a refusal of what is no key file, and the sum that is the public counter; and one copy.
 * Digits of secrets are read by secret-text.ts alone.
 */
const BYTES_READ: Readonly<Record<string, readonly string[]>> = {
  'key-files.ts': ['parts.scalar[0]', 'parts.scalar[31]', 'for (const byte of parts.prfHalf) seen |= byte;'],
  'pem-key.ts': ['der.set(seed, DER_HEAD.length)', 'file[at]', 'file[at]', 'file[at + 1]'],
  'revision-counter.ts': ['stream[at]', 'stream[at + 1]'],
};

describe('secret input', () => {
  test.each(Object.entries(SECRETS))(
    'of %s stays bytes: it becomes neither text nor number',
    (file, secrets) => {
      const text = SOURCES.get(`src/descriptor/${file}`) ?? '';
      for (const name of secrets) expect(text).toContain(name);
      expect(exposedSecrets(file, text, secrets)).toEqual(BYTES_READ[file] ?? []);
    },
  );

  test.each([
    'toHex(key)',
    'encodeBase32(key)',
    'memo.get(toKey(key))',
    '`${key}`',
    'String(key)',
    'key.toString()',
    'key.join()',
    'BigInt(key)',
    'Number(parts.key)',
    '[...key]',
    'key[0]',
    "key + ''",
    'key === other',
    'key.some(byte => byte > 0)',
    'key.at(0)',
    'new TextDecoder().decode(key)',
    'Buffer.from(key)',
    'new DescriptorError(key)',
    'key[member]',
    'for (const byte of key) {}',
  ])('%s would be found', text => {
    expect(exposedSecrets('a.ts', text, ['key'])).not.toEqual([]);
  });

  test.each([
    'const copy = concat(key, salt); key.fill(0);',
    'if (key.length !== 32 || key === undefined) throw bad();',
    'const { key } = parts; use(parts.key.subarray(0, 8), { key }, key ?? empty);',
    'const text = toHex(publicKey); message.keys(1); type A = { key: string };',
  ])('%s is no exposure', text => {
    expect(exposedSecrets('a.ts', text, ['key', 'parts'])).toEqual([]);
  });
});

describe('at run time', () => {
  const client = noise('a client', 32);
  const counterKey = noise('a counter key', 32);
  const file = new Uint8Array(96);
  prepareSecretKeyFile(file).scalar.set(noise('a scalar', 32));
  file.set(noise('RH', 32), 64);
  file[32] = (file[32] ?? 0) & 0xf8;
  file[63] = ((file[63] ?? 0) & 0x3f) | 0x40;
  const { text, kpHsId, period, parts } = forge({ label: 'restricted', clients: [client] });
  const cookie = parts.descriptorCookie ?? new Uint8Array();
  const shared = x25519SharedSecret(client, parts.middle.ephemeralKey);
  const keys = deriveClientKeys(shared, parts.subcredential);
  const pem = new Uint8Array(PEM_KEY_LENGTH);
  const seed = noise('a seed', 32);
  writePemKey(pem, seed, new Uint8Array(PKCS8_KEY_LENGTH));
  const authPrivate = new Uint8Array(AUTH_PRIVATE_LENGTH);
  writeClientAuthPrivate(authPrivate, kpHsId, client);
  const secrets = {
    seed,
    client,
    counterKey,
    identity: file.subarray(32),
    cookie,
    shared,
    cookieKey: keys.cookieKey,
  };

  /** Texts that show a secret, or a half of it, in a usual form. */
  function shown(texts: readonly string[]): string[] {
    return Object.entries(secrets).flatMap(([name, bytes]) => {
      const halves = [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)];
      const forms = halves.flatMap(half => [
        toHex(half),
        toHex(half.toReversed()),
        Buffer.from(half).toString('latin1'),
        Buffer.from(half).toString('base64').slice(0, 8),
        half.join(),
      ]);
      return texts.some(each => forms.some(form => each.includes(form))) ? [name] : [];
    });
  }

  test('no string with a secret in it is made, whatever is done with it', () => {
    const texts = textsMadeBy(() => {
      const { middle, subcredential } = openDescriptor(text, { kpHsId, periods: [period] });
      const found = openCookie(client, middle, subcredential);
      const opened = openDescriptor(text, { kpHsId, periods: [period], descriptorCookie: found });
      expect(opened.inner?.introductionPoints).toHaveLength(3);
      assembleDescriptor(parts);
      makeAuthClientLine(deriveClientKeys(shared, subcredential), noise('iv', 16), cookie);
      x25519PublicKey(client);
      x25519SharedSecret(client, middle.ephemeralKey);
      createRevisionCounter(counterKey).at(3000);
      parseSecretKeyFile(file);
      parsePemKey(pem, new Uint8Array(PKCS8_KEY_LENGTH));
      writePemKey(new Uint8Array(PEM_KEY_LENGTH), seed, new Uint8Array(PKCS8_KEY_LENGTH));
      parseClientAuthPrivate(authPrivate, new Uint8Array(32));
      writeClientAuthPrivate(new Uint8Array(AUTH_PRIVATE_LENGTH), kpHsId, client);
    });
    expect(texts.length).toBeGreaterThan(10);
    expect(shown(texts)).toEqual([]);
  });

  test('no error tells one', () => {
    const wrong = { kpHsId, periods: [period], descriptorCookie: cookie.toReversed() };
    const torn = file.slice();
    torn[32] = (torn[32] ?? 0) | 1;
    const attempts = [
      () => openDescriptor(text, wrong),
      () => parseSecretKeyFile(torn),
      () => parsePemKey(pem.subarray(0, 100), new Uint8Array(PKCS8_KEY_LENGTH)),
      () => parsePemKey(pem.with(27, 33), new Uint8Array(PKCS8_KEY_LENGTH)),
      () => parsePemKey(pem.with(28, 65), new Uint8Array(PKCS8_KEY_LENGTH)),
      () => writePemKey(pem, seed.subarray(1), new Uint8Array(PKCS8_KEY_LENGTH)),
      () => parseClientAuthPrivate(authPrivate.with(0, 65), new Uint8Array(32)),
      () => parseClientAuthPrivate(authPrivate.with(80, 33), new Uint8Array(32)),
      () => createRevisionCounter(counterKey).at(0),
      () => x25519PublicKey(client.subarray(1)),
      () => deriveClientKeys(shared.subarray(1), parts.subcredential),
      () => makeAuthClientLine(keys, noise('iv', 16), cookie.subarray(1)),
    ];
    for (const attempt of attempts) {
      let told = '';
      const texts = textsMadeBy(() => {
        try {
          attempt();
        } catch (error) {
          told = inspect(error, { depth: null, showHidden: true });
        }
      });
      expect(told).toContain('DescriptorError');
      expect(shown([...texts, told])).toEqual([]);
    }
  });

  test.each([
    ['hexadecimal', (bytes: Uint8Array) => toHex(bytes)],
    ['base64', (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')],
    ['Latin-1', (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')],
    ['decimals', (bytes: Uint8Array) => bytes.join()],
    ['an implicit conversion', (bytes: Uint8Array) => String(bytes)],
    ['a number', (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)],
  ])('%s of a secret would be seen', (_, convert) => {
    expect(shown(textsMadeBy(() => void convert(cookie)))).toContain('cookie');
  });
});
