import { chmodSync, copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatPkcs11Uri, parsePkcs11Uri, resolveModulePath } from '../../src/pkcs11/uri.ts';
import { expectCode } from './expect-code.ts';

describe('a PKCS#11 URI', () => {
  test('selects by names, identifier and module', () => {
    const uri = parsePkcs11Uri(
      'pkcs11:token=press%20a;serial=01%3B;object=seal;id=%00%FF;type=private' +
        '?module-name=softhsm2&pin-source=file:/run/pin&x-vendor=1',
    );
    expect(uri).toEqual({
      match: { token: 'press a', serial: '01;', object: 'seal' },
      id: Buffer.of(0, 255),
      type: 'private',
      moduleName: 'softhsm2',
      pinSource: 'file:/run/pin',
    });
  });

  test('is written without its PIN source and reads back as the same selector', () => {
    const uri = parsePkcs11Uri(
      'pkcs11:token=%C3%A4/;id=%01?module-path=/usr/lib/m.so&pin-source=file:/p'.replace('/;', ';'),
    );
    const text = formatPkcs11Uri(uri);
    expect(text).toBe('pkcs11:token=%C3%A4;id=%01?module-path=/usr/lib/m.so');
    const { pinSource, ...rest } = uri;
    expect(pinSource).toBe('file:/p');
    expect(parsePkcs11Uri(text)).toEqual(rest);
  });

  test('may select nothing but "the only token"', () => {
    expect(parsePkcs11Uri('pkcs11:')).toEqual({ match: {} });
  });

  test.each([
    'token=a',
    'PKCS11:token=a',
    'pkcs11:token',
    'pkcs11:token=a;token=b',
    'pkcs11:token=a;',
    'pkcs11:token=%g0',
    'pkcs11:token=%4',
    'pkcs11:token=a b',
    'pkcs11:token=',
    'pkcs11:token=%00',
    'pkcs11:token=%FF',
    'pkcs11:colour=red',
    'pkcs11:type=cert',
    'pkcs11:token=a?module-name=a&module-name=a',
    `pkcs11:token=${'a'.repeat(1024)}`,
  ])('is refused when malformed: %s', text => {
    expectCode('URI_SYNTAX', () => parsePkcs11Uri(text));
  });

  test('with a PIN in it is refused and the PIN is not repeated', () => {
    const error = expectCode('PIN_LITERAL', () => parsePkcs11Uri('pkcs11:token=a?pin-value=123456'));
    expect(error.message).not.toContain('123456');
  });

  test.each(['pin', 'file:pin', '%7C/bin/cat', 'http://x/'])('with the PIN source %s is refused', source => {
    expectCode('PIN_SOURCE', () => parsePkcs11Uri(`pkcs11:token=a?pin-source=${source}`));
  });

  test.each(['module-path=m.so', 'module-path=/usr/../m.so', 'module-name=..%2Fm', 'module-name=.m'])(
    'with %s is refused',
    query => {
      expectCode('MODULE_PATH', () => parsePkcs11Uri(`pkcs11:token=a?${query}`));
    },
  );
});

describe('the file of a module', () => {
  let folder = '';
  let module = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'module-'));
    module = join(folder, 'm.so');
    copyFileSync(resolveModulePath(parsePkcs11Uri('pkcs11:?module-name=softhsm2')), module);
    chmodSync(module, 0o755);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is found by name in the system folders only', () => {
    expect(resolveModulePath(parsePkcs11Uri('pkcs11:?module-name=softhsm2'))).toMatch(
      /^\/usr\/lib\/.*libsofthsm2\.so$/u,
    );
    expectCode('MODULE_PATH', () => resolveModulePath(parsePkcs11Uri('pkcs11:?module-name=no-such')));
    expectCode('MODULE_PATH', () => resolveModulePath(parsePkcs11Uri('pkcs11:')));
  });

  test('named in the URI goes before the configured one', () => {
    expect(resolveModulePath(parsePkcs11Uri(`pkcs11:?module-path=${module}`), '/no/such')).toBe(module);
    expect(resolveModulePath(parsePkcs11Uri('pkcs11:'), module)).toBe(module);
    expectCode('MODULE_PATH', () => resolveModulePath(parsePkcs11Uri('pkcs11:'), 'm.so'));
  });

  test('must not be writable by others', () => {
    chmodSync(module, 0o777);
    expectCode('MODULE_PATH', () => resolveModulePath(parsePkcs11Uri('pkcs11:'), module));
    chmodSync(module, 0o755);
    expect(resolveModulePath(parsePkcs11Uri('pkcs11:'), module)).toBe(module);
  });

  test('must be a file and a PKCS#11 module, because calling any other library is a crash', () => {
    const other = join(folder, 'other.so');
    writeFileSync(other, 'not a module');
    expectCode('MODULE_LOAD', () => resolveModulePath(parsePkcs11Uri('pkcs11:'), other));
    expectCode('MODULE_PATH', () => resolveModulePath(parsePkcs11Uri('pkcs11:'), folder));
    expectCode('MODULE_PATH', () => resolveModulePath(parsePkcs11Uri('pkcs11:'), join(folder, 'none.so')));
  });

  test('may be a link, as distributions have them', () => {
    const link = join(folder, 'link.so');
    symlinkSync(module, link);
    expect(resolveModulePath(parsePkcs11Uri('pkcs11:'), link)).toBe(link);
  });
});
