import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { CustodyError, toCustodyError } from './error.ts';
import { wipeBytes } from './locked-memory.ts';
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKF_USER_PIN_TO_BE_CHANGED,
} from './pkcs11-constants.ts';
import { askTerminal } from './terminal.ts';

/** Where a PIN comes from; never the PIN itself. */
export type PinSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'credential'; readonly name: string }
  | { readonly kind: 'tty' };

const MAX_PIN_BYTES = 255;

/**
 * `file:/absolute/path`, `credential:NAME` or `tty` → PinSource. Throws PIN_LITERAL for any other text, which may be
 * a PIN and is repeated nowhere; PIN_SOURCE for a relative path or a bad name.
 */
export function parsePinSource(text: string): PinSource {
  if (text === 'tty') return { kind: 'tty' };
  if (text.startsWith('file:')) {
    const path = text.slice('file:'.length);
    if (!isAbsolute(path) || normalize(path) !== path) throw new CustodyError('PIN_SOURCE');
    return { kind: 'file', path };
  }
  if (text.startsWith('credential:')) {
    const name = text.slice('credential:'.length);
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/u.test(name)) throw new CustodyError('PIN_SOURCE');
    return { kind: 'credential', name };
  }
  throw new CustodyError('PIN_LITERAL');
}

/**
 * Reads the PIN: one line, 1 to 255 bytes of UTF-8. It is a JavaScript string, because the binding takes nothing
 * else, and cannot be wiped: call this in a process that exits. `what` is shown at a terminal. Throws PIN_SOURCE.
 */
export async function readPin(source: PinSource, what: string): Promise<string> {
  switch (source.kind) {
    case 'file':
      return readPinFile(source.path, 0o077);
    case 'credential': {
      const folder = process.env['CREDENTIALS_DIRECTORY'];
      if (folder === undefined || !isAbsolute(folder)) throw new CustodyError('PIN_SOURCE');
      // systemd grants its user by an ACL, whose mask shows as group bits.
      return readPinFile(join(folder, source.name), 0o037);
    }
    case 'tty':
      return readPinAtTerminal(what);
  }
}

/**
 * Judges the flags of a token (CK_TOKEN_INFO) before a PIN is tried and says whether one is needed. Throws PIN_LOCKED;
 * PIN_FINAL_TRY, because the last attempt belongs to a person; PIN_CHANGE; PIN_SOURCE for a reader with a PIN pad,
 * which the binding cannot serve.
 */
export function checkPinFlags(flags: number): boolean {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0) throw new CustodyError('PIN_LOCKED');
  if ((flags & CKF_USER_PIN_FINAL_TRY) !== 0) throw new CustodyError('PIN_FINAL_TRY');
  if ((flags & CKF_USER_PIN_TO_BE_CHANGED) !== 0) throw new CustodyError('PIN_CHANGE');
  if ((flags & CKF_PROTECTED_AUTHENTICATION_PATH) !== 0) throw new CustodyError('PIN_SOURCE');
  return (flags & CKF_LOGIN_REQUIRED) !== 0;
}

function readPinFile(path: string, forbidden: number): string {
  const buffer = Buffer.alloc(MAX_PIN_BYTES + 3);
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    const ours = stat.uid === 0 || stat.uid === process.geteuid?.();
    if (!stat.isFile() || !ours || (stat.mode & forbidden) !== 0) throw new CustodyError('PIN_SOURCE');
    return pinOf(buffer.subarray(0, readSync(fd, buffer)));
  } catch (thrown) {
    throw toCustodyError(thrown, 'PIN_SOURCE');
  } finally {
    wipeBytes(buffer);
    if (fd !== undefined) closeSync(fd);
  }
}

function pinOf(line: Uint8Array): string {
  const pin = new TextDecoder('utf-8', { fatal: true }).decode(line).replace(/\r?\n$/u, '');
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused here
  if (pin === '' || Buffer.byteLength(pin) > MAX_PIN_BYTES || /[\u0000-\u001f\u007f]/u.test(pin)) {
    throw new CustodyError('PIN_SOURCE');
  }
  return pin;
}

async function readPinAtTerminal(what: string): Promise<string> {
  const typed = await askTerminal(`PIN of ${what}: `, MAX_PIN_BYTES);
  try {
    return pinOf(typed);
  } catch (thrown) {
    throw toCustodyError(thrown, 'PIN_SOURCE');
  } finally {
    typed.fill(0);
  }
}
