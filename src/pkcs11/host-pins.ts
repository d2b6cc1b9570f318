// What a keyholder remembers of PINs: one table, in its state. By their values tokens judge them (see pin-tags.ts); by their
// sources it is known beforehand, without a process, that none is worth starting.

import { hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { CustodyError } from './error.ts';
import { OpenAttempts, type PinStore, type PinWord } from './pin-memory.ts';
import { PIN_KEY_BYTES, type PinJudgement, type PinRecord } from './pin-tags.ts';
import type { TokenAccess } from './token-messages.ts';
import { parsePkcs11Uri } from './uri.ts';

/** Each token of a list has one or two of either kind; older ones are of files that are there no more. */
const MAX_NAMES = 64;

/** The part of the state that is about PINs. */
export interface PinTable {
  /** PINs that tokens refused, did not answer to, or took although another one refused them, by keyed digests. */
  readonly pins: readonly PinRecord[];
  /** PINs that tokens refused, by their sources (see `pinName`, 32 bytes each), the newest last. */
  readonly refusedPins: readonly Uint8Array[];
  /** Which token, and that some token, took the PIN of which source (32 bytes each), the newest last. */
  readonly takenPins: readonly Uint8Array[];
}

/** Where the table lies. `save` is durable when it returns. Throws STATE_WRITE. */
export interface PinTablePlace {
  table(): PinTable;
  save(changes: Partial<PinTable>): void;
  /** Writes the key of the tags into `out`: 32 bytes. */
  keyInto(out: Uint8Array): void;
}

/** The table of one keyholder. */
export class HostPins implements PinStore {
  readonly attempts = new OpenAttempts();
  readonly #place: PinTablePlace;

  constructor(place: PinTablePlace) {
    this.#place = place;
  }

  judgement(access?: TokenAccess): PinJudgement {
    const key = new Uint8Array(PIN_KEY_BYTES);
    this.#place.keyInto(key);
    const isOwn = access !== undefined && this.#isTaken(takenName(access, pinName(access)));
    return { key, records: this.#place.table().pins, isOwn };
  }

  nameOf(access: TokenAccess): Uint8Array {
    return pinName(access);
  }

  wasTaken(name: Uint8Array): boolean {
    return this.#isTaken(takenName(ANY, name));
  }

  /**
   * A wrong PIN is tried once in its life: at one token. Another token, which has a source of its own or took this very PIN
   * before, is none of its business. Asked before a process is started.
   * @throws CustodyError PIN_INCORRECT
   */
  check(access: TokenAccess): void {
    const name = pinName(access);
    if (has(this.#place.table().refusedPins, name) && !this.#isTaken(takenName(access, name)))
      throw new CustodyError('PIN_INCORRECT');
  }

  /** A refusal of one token changes nothing at another that took the PIN, not even after a restart. */
  save(pins: readonly PinRecord[], word?: PinWord): void {
    if (word === undefined) {
      this.#place.save({ pins });
      return;
    }
    const { refusedPins, takenPins } = this.#place.table();
    const [one, any] = [takenName(word.access, word.name), takenName(ANY, word.name)];
    if (word.isTaken) {
      const others = without(without(takenPins, one), any);
      this.#place.save({ pins, takenPins: [...others, one, any].slice(-MAX_NAMES) });
      return;
    }
    // Who took it may have been this one alone.
    const rest = has(takenPins, one) ? without(without(takenPins, one), any) : takenPins;
    const refused = [...without(refusedPins, word.name), word.name].slice(-MAX_NAMES);
    this.#place.save({ pins, refusedPins: refused, takenPins: rest });
  }

  #isTaken(name: Uint8Array): boolean {
    return has(this.#place.table().takenPins, name);
  }
}

/**
 * Names the PIN of a token by its source (never by its value): another source, another file or other content changes the
 * name; a new list does not. What a person types is named by the process that asks. 32 bytes.
 */
export function pinName({ uri, pinSource }: Pick<TokenAccess, 'uri' | 'pinSource'>): Uint8Array {
  return hash('sha256', JSON.stringify(sourceState(parsePkcs11Uri(uri).pinSource ?? pinSource)), 'buffer');
}

/** Stands for whichever token. */
const ANY = Object.freeze({ modulePath: '', uri: '' });

function takenName(
  { modulePath, uri }: Pick<TokenAccess, 'modulePath' | 'uri'>,
  pin: Uint8Array,
): Uint8Array {
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
