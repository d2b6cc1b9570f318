// PINs that a token refused, by where they come from: none of them is tried at another token, not even after a restart.

import { hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { CustodyError } from './error.ts';
import type { HostState } from './host-state.ts';
import type { KeyholderList, ListToken } from './list.ts';
import type { TokenBook } from './token-book.ts';
import { parsePkcs11Uri } from './uri.ts';

/** Each token of a list has at most one; older ones are of files that are there no more. */
const MAX_REFUSED = 32;

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
 * before, is none of its business.
 * @throws CustodyError PIN_INCORRECT
 */
export function checkPinWasNotRefused(
  host: HostState,
  access: ListToken,
  list: KeyholderList,
  tokens: TokenBook,
): void {
  const name = pinName(access, list);
  const isRefused = host.state.refusedPins.some(each => Buffer.from(name).equals(each));
  if (isRefused && !tokens.tookPin(access, name)) throw new CustodyError('PIN_INCORRECT');
}

/** @throws CustodyError STATE_WRITE */
export function notePinRefusal(host: HostState, access: ListToken, list: KeyholderList): void {
  const name = pinName(access, list);
  const others = host.state.refusedPins.filter(each => !Buffer.from(name).equals(each));
  host.save({ refusedPins: [...others, name].slice(-MAX_REFUSED) });
}

function sourceState(source: string): string[] {
  if (source === 'tty') return [source, String(performance.timeOrigin)];
  const path = source.startsWith('credential:')
    ? `${process.env['CREDENTIALS_DIRECTORY'] ?? ''}/${source.slice('credential:'.length)}`
    : source.slice('file:'.length);
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return [source, String(stat?.ino), String(stat?.mtimeNs), String(stat?.size)];
}
