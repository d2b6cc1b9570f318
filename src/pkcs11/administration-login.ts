// How an operator's command comes to a token: the PIN source is judged first, then the token's own words about PINs.

import { CustodyError } from './error.ts';
import { type AdministeredToken, listedTokens, loadModule, type Slots } from './graphene.ts';
import { checkLockedMemory } from './memory-lock.ts';
import { checkPinFlags, parsePinSource, type PinSource, readPin } from './pin.ts';
import type { PinGate } from './pin-gate.ts';
import type { TokenAccess } from './token-messages.ts';
import type { ModuleFacts } from './token-facts.ts';
import { parsePkcs11Uri, type Pkcs11Uri, resolveModulePath } from './uri.ts';

/** A token that was found, and how one would log in. */
export interface FoundToken {
  readonly token: AdministeredToken;
  readonly module: ModuleFacts;
  readonly modulePath: string;
  readonly pinSource: PinSource;
}

/** Throws URI_SYNTAX, PIN_LITERAL, PIN_SOURCE, MODULE_…, TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS, TOKEN_DEAD. */
export function findToken(access: TokenAccess): FoundToken {
  const uri = parsePkcs11Uri(access.uri);
  const pinSource = parsePinSource(uri.pinSource ?? access.pinSource);
  const modulePath = resolveModulePath(uri, access.modulePath);
  const module = loadModule(modulePath);
  return { token: selectToken(listedTokens(), uri), module, modulePath, pinSource };
}

/**
 * The one that the URI selects. A slot that fails may have it, or another one that matches: only one that was found by its
 * serial number is surely meant. Throws TOKEN_…, also that slot's.
 */
function selectToken({ tokens, failing }: Slots, { match }: Pkcs11Uri): AdministeredToken {
  const [only, ...others] = tokens.filter(({ facts }) => {
    const { label: token, manufacturer, serial, model } = facts;
    const names = { token, manufacturer, serial, model };
    return Object.entries(names).every(([name, value]) => {
      const wanted = match[name as keyof typeof names];
      return wanted === undefined || wanted === value;
    });
  });
  if (others.length > 0) throw new CustodyError('TOKEN_AMBIGUOUS');
  const [fault] = failing;
  if (fault !== undefined && (only === undefined || match.serial === undefined))
    throw new CustodyError(fault.code, undefined, { ckr: fault.ckr });
  if (only === undefined) throw new CustodyError('TOKEN_NOT_FOUND');
  return only;
}

/**
 * One attempt at most. A PIN that nobody types is not tried at a token that has counted a wrong one since the last right
 * one: it may be the same, tried by a daemon. Throws PIN_…, TOKEN_DEAD, LOCKED_MEMORY.
 */
export async function logInOnce({ token, pinSource }: FoundToken, pins: PinGate): Promise<void> {
  if (!checkPinFlags(token.facts.flags)) return;
  if (pinSource.kind !== 'tty' && token.isPinCountLow()) throw new CustodyError('PIN_COUNT_LOW');
  checkLockedMemory();
  await pins.login(token, await readPin(pinSource, token.facts.label), pinSource);
}
