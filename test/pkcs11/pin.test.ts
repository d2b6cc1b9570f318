import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkPinFlags, parsePinSource, readPin } from '../../src/pkcs11/pin.ts';
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKF_USER_PIN_TO_BE_CHANGED,
} from '../../src/pkcs11/pkcs11-constants.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pin-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function pinFile(content: string | Uint8Array, mode = 0o600): string {
  files += 1;
  const path = join(folder, `pin-${files}`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const read = (path: string) => readPin(parsePinSource(`file:${path}`), 'a token');

describe('a PIN source', () => {
  test('is a file, a credential or the terminal', () => {
    expect(parsePinSource('file:/run/pin')).toEqual({ kind: 'file', path: '/run/pin' });
    expect(parsePinSource('credential:pin')).toEqual({ kind: 'credential', name: 'pin' });
    expect(parsePinSource('tty')).toEqual({ kind: 'tty' });
  });

  test.each(['123456', 'hunter2', '', 'TTY', 'pin:123456', 'exec:/bin/cat'])(
    'is never the PIN itself: %j',
    text => {
      const error = expectCode('PIN_LITERAL', () => parsePinSource(text));
      if (text !== '') expect(error.message).not.toContain(text);
    },
  );

  test.each([
    'file:pin',
    'file:',
    'file:/run/../pin',
    'credential:',
    'credential:../pin',
    'credential:a/b',
    'credential:.a',
  ])('is refused when it names nothing usable: %s', text => {
    expectCode('PIN_SOURCE', () => parsePinSource(text));
  });
});

describe('a PIN file', () => {
  test.each([
    ['1234\n', '1234'],
    ['1234\r\n', '1234'],
    ['1234', '1234'],
    [' ä ', ' ä '],
    ['x'.repeat(255), 'x'.repeat(255)],
  ])('holds one line: %j', async (content, pin) => {
    expect(await read(pinFile(content))).toBe(pin);
  });

  test.each(['', '\n', '12\n34\n', '12\0', 'x'.repeat(256), Buffer.of(0xff)])(
    'is refused with %j',
    async content => {
      await expectCodeOf('PIN_SOURCE', read(pinFile(content)));
    },
  );

  test.each([0o400, 0o600])('of mode %o is read', async mode => {
    expect(await read(pinFile('1234', mode))).toBe('1234');
  });

  test.each([0o640, 0o620, 0o610, 0o604, 0o602, 0o601])('of mode %o is refused', async mode => {
    await expectCodeOf('PIN_SOURCE', read(pinFile('1234', mode)));
  });

  test('must be a regular file, not a link, a folder or missing', async () => {
    const path = pinFile('1234');
    symlinkSync(path, join(folder, 'link'));
    linkSync(path, join(folder, 'second-name'));
    expect(await read(join(folder, 'second-name'))).toBe('1234');
    for (const name of ['link', '.', 'none']) await expectCodeOf('PIN_SOURCE', read(join(folder, name)));
  });

  test.skipIf(process.geteuid?.() !== 0)('must belong to root or to this user', async () => {
    const path = pinFile('1234');
    chownSync(path, 12_345, 0);
    await expectCodeOf('PIN_SOURCE', read(path));
  });
});

describe('a credential', () => {
  test('is read from the folder that systemd names, where an ACL may show as group bits', async () => {
    const credentials = join(folder, 'credentials');
    mkdirSync(credentials);
    writeFileSync(join(credentials, 'pin'), '1234');
    chmodSync(join(credentials, 'pin'), 0o440);
    writeFileSync(join(credentials, 'open'), '1234');
    chmodSync(join(credentials, 'open'), 0o444);
    const source = parsePinSource('credential:pin');
    await expectCodeOf('PIN_SOURCE', readPin(source, 'a token'));
    process.env['CREDENTIALS_DIRECTORY'] = credentials;
    try {
      expect(await readPin(source, 'a token')).toBe('1234');
      await expectCodeOf('PIN_SOURCE', readPin(parsePinSource('credential:open'), 'a token'));
      await expectCodeOf('PIN_SOURCE', readPin(parsePinSource('credential:none'), 'a token'));
    } finally {
      delete process.env['CREDENTIALS_DIRECTORY'];
    }
  });
});

describe('at the terminal', () => {
  const program = fileURLToPath(new URL('./programs/ask-pin.ts', import.meta.url));

  /** Runs the program on a terminal of its own, types when it asks, and gives all that the terminal showed. */
  async function typeAtPrompt(keys: string): Promise<string> {
    const child = spawn('script', ['-qec', `'${process.execPath}' --no-warnings '${program}'`, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let shown = '';
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      const asked = shown.includes('PIN of');
      shown += chunk.toString();
      if (!asked && shown.includes('PIN of')) child.stdin.write(keys);
      if (/LENGTH|CODE/u.test(shown)) child.stdin.end();
    }
    return shown;
  }

  test('a PIN is asked for by the name of its token and not echoed', async () => {
    const shown = await typeAtPrompt('s3cretX\u007f\r');
    expect(shown).toContain('PIN of press-a: ');
    expect(shown).toContain('LENGTH 6 LAST t');
    expect(shown).not.toContain('s3cre');
  });

  test.each([
    ['Ctrl-C', '12\u0003'],
    ['Ctrl-D', '\u0004'],
    ['an empty line', '\r'],
  ])('%s refuses', async (_, keys) => {
    expect(await typeAtPrompt(keys)).toContain('CODE PIN_SOURCE');
  });

  test('without a terminal the request is refused', async () => {
    const child = spawn('setsid', [process.execPath, '--no-warnings', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toContain('CODE PIN_SOURCE');
  });
});

describe('the flags of a token', () => {
  test('say whether a PIN is needed; an earlier wrong one does not matter', () => {
    expect(checkPinFlags(CKF_LOGIN_REQUIRED)).toBe(true);
    expect(checkPinFlags(CKF_LOGIN_REQUIRED | CKF_USER_PIN_COUNT_LOW)).toBe(true);
    expect(checkPinFlags(0)).toBe(false);
  });

  test.each([
    ['PIN_FINAL_TRY', CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW],
    ['PIN_LOCKED', CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY],
    ['PIN_CHANGE', CKF_USER_PIN_TO_BE_CHANGED],
    ['PIN_SOURCE', CKF_PROTECTED_AUTHENTICATION_PATH],
  ] as const)('keep a PIN from being tried: %s', (code, flags) => {
    expectCode(code, () => checkPinFlags(CKF_LOGIN_REQUIRED | flags));
  });
});
