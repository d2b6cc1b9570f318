// PINs that a token refused, by where they come from: none of them is tried at another token, not even after a restart.

import { hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { CustodyError } from './error.ts';
import type { HostState } from './host-state.ts';
import type { KeyholderList, ListToken } from './list.ts';
import type { TokenBook } from './token-book.ts';
import { parsePkcs11Uri } from './uri.ts';

/** Each token of a list has at most one; older ones are of files that are there no more. */
const MAX_NAMES = 32;

/**
 * Names the PIN of a token by its source (never by its value): another source, another file or other content changes the
 * name; a new list does not. What a person types is named by the process that asks. 32 bytes.
 */
export function pinName({ uri }: ListToken, list: Pick<KeyholderList, 'pinSource'>): Uint8Array {
  const source = parsePkcs11Uri(uri).pinSource ?? list.pinSource;
  return hash('sha256', JSON.stringify(sourceState(source)), 'buffer');
}

/**
 * A wrong PIN is tried once in its life: at one token. Another token, which has a source of its own or took this very PIN
 * before, is none of its business. `pin` is its name.
 * @throws CustodyError PIN_INCORRECT
 */
export function checkPinWasNotRefused(
  host: HostState,
  access: ListToken,
  pin: Uint8Array,
  tokens: TokenBook,
): void {
  const isTaken = tokens.tookPin(access, pin) || has(host.state.takenPins, takenName(access, pin));
  if (has(host.state.refusedPins, pin) && !isTaken) throw new CustodyError('PIN_INCORRECT');
}

/**
 * `pin` is the name that it had before the attempt: by now there may be another one in its place. That this token took it
 * once counts no more. @throws CustodyError STATE_WRITE
 */
export function notePinRefusal(host: HostState, access: ListToken, pin: Uint8Array, tokens: TokenBook): void {
  if (tokens.tookPin(access, pin)) tokens.took(access, new Uint8Array(0));
  const { refusedPins, takenPins } = host.state;
  host.save({
    refusedPins: [...without(refusedPins, pin), pin].slice(-MAX_NAMES),
    takenPins: without(takenPins, takenName(access, pin)),
  });
}

/** The token took it, which another token's refusal does not change, not even after a restart. `pin` as above. */
export function notePinTaken(host: HostState, access: ListToken, pin: Uint8Array): void {
  const name = takenName(access, pin);
  const { takenPins } = host.state;
  if (has(takenPins, name)) return;
  try {
    host.save({ takenPins: [...takenPins, name].slice(-MAX_NAMES) });
  } catch {
    // The token book knows it for now, and what the token did is worth more. The next time writes it down.
  }
}

function takenName({ modulePath, uri }: ListToken, pin: Uint8Array): Uint8Array {
  const text = JSON.stringify([modulePath, uri, Buffer.from(pin).toString('hex')]);
  return hash('sha256', text, 'buffer');
}

const has = (names: readonly Uint8Array[], name: Uint8Array): boolean =>
  names.some(each => Buffer.from(name).equals(each));
const without = (names: readonly Uint8Array[], name: Uint8Array): Uint8Array[] =>
  names.filter(each => !Buffer.from(name).equals(each));

function sourceState(source: string): string[] {
  if (source === 'tty') return [source, String(performance.timeOrigin)];
  const path = source.startsWith('credential:')
    ? `${process.env['CREDENTIALS_DIRECTORY'] ?? ''}/${source.slice('credential:'.length)}`
    : source.slice('file:'.length);
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return [source, String(stat?.ino), String(stat?.mtimeNs), String(stat?.size)];
}
