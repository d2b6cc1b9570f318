// What modules and tokens say of themselves, without a login.

import { type CustodyErrorCode, toCustodyError } from './error.ts';

/** What a module says of itself. */
export interface ModuleFacts {
  readonly description: string;
  readonly manufacturer: string;
  /** As `2.6`. */
  readonly version: string;
  readonly cryptoki: string;
}

/** What a token says of itself without a login. */
export interface TokenFacts {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly hardware: string;
  readonly firmware: string;
  /** CK_TOKEN_INFO.flags. */
  readonly flags: number;
  /** 0 for as many as wanted; 2^32 − 1 when it does not say. */
  readonly maxSessions: number;
}

/** A mechanism as the token lists it. */
export interface ListedMechanism {
  readonly type: number;
  readonly minKeySize: number;
  readonly maxKeySize: number;
}

/** Where a token is, for people. */
export interface SlotPlace {
  /** Among those with a token, in the module's order, from 1. */
  readonly position: number;
  /** Of slot or reader; '' when it says nothing. */
  readonly description: string;
}

/** A slot that has a token and does not say which. */
export interface FailingSlot extends SlotPlace {
  readonly code: CustodyErrorCode;
  /** CKR_…; 0 when there is none. */
  readonly ckr: number;
}

/** From what was thrown while it was looked at. */
export function failingSlot(place: SlotPlace, thrown: unknown): FailingSlot {
  const { code, ckr = 0 } = toCustodyError(thrown, 'TOKEN_DEAD');
  return { ...place, code, ckr };
}
