// What is known of each token of the list: from openings and looks, in this process's life. Public data only.

import { CustodyError, type CustodyErrorCode } from './error.ts';
import type { ListToken } from './list.ts';
import { formatPkcs11Uri, parsePkcs11Uri } from './uri.ts';

/** A token of the list, for status. Times in Unix seconds, 0 for never. */
export interface TokenStatus {
  /** Its URI as far as it selects a token; nothing of module or PIN. */
  readonly name: string;
  /** When it opened a service last. */
  readonly openedAt: number;
  /** When it was there last. */
  readonly seenAt: number;
  /** Why it opened nothing when it was asked last, '' when it did. */
  readonly errorCode: CustodyErrorCode | '';
  /** Since when it says so. */
  readonly errorSince: number;
  /** Aliases of services whose envelopes do not name it. */
  readonly strangerTo: readonly string[];
}

/** What an opening with one token gave for one service; '' for a success. */
export interface TokenWord {
  readonly alias: string;
  readonly code: CustodyErrorCode | '';
}

/** It was not there: over as soon as it is. */
const ABSENT: ReadonlySet<CustodyErrorCode> = new Set(['TOKEN_NOT_FOUND', 'MODULE_PATH', 'MODULE_LOAD']);
/** A token that gave one of these may come back by itself. */
const AWAY: ReadonlySet<CustodyErrorCode> = new Set([...ABSENT, 'TOKEN_DEAD', 'TOKEN_TIMEOUT']);
/** It answered, and is not one of the envelope's. */
const STRANGE: ReadonlySet<CustodyErrorCode> = new Set(['ENVELOPE_NO_RECIPIENT', 'KEY_NOT_FOUND']);
/**
 * Of this token or its PIN: another one may do better. A token that unwraps wrongly spoils the header's MAC.
 */
const CURABLE: ReadonlySet<CustodyErrorCode> = new Set([
  ...AWAY,
  ...STRANGE,
  'URI_SYNTAX',
  'TOKEN_AMBIGUOUS',
  'TOKEN_PROTOCOL',
  'FRAME_BAD',
  'FRAME_TOO_LARGE',
  'KEY_AMBIGUOUS',
  'KEY_UNSUITABLE',
  'MECHANISM',
  'TEMPLATE',
  'PIN_INCORRECT',
  'PIN_UNANSWERED',
  'PIN_FINAL_TRY',
  'PIN_LOCKED',
  'PIN_CHANGE',
  'PIN_SOURCE',
  'PIN_LITERAL',
  'ENVELOPE_UNWRAP',
  'ENVELOPE_MAC',
]);

/** Whether another token of the list may do better. Whether it may be asked with the same PIN is another question. */
export const isCurableByAnotherToken = ({ code }: CustodyError): boolean => CURABLE.has(code);

/**
 * Of several tokens' failures the one that a person should read: what does not pass by itself before what does, a token
 * that is not there and one that is not the envelope's last.
 */
export function mostTelling(errors: readonly CustodyError[]): CustodyError {
  const [first, ...rest] = errors;
  if (first === undefined) throw new CustodyError('KEYHOLDER_FAULT');
  return rest.reduce((told, error) => (weightOf(error) > weightOf(told) ? error : told), first);
}

function weightOf({ code }: CustodyError): number {
  if (code === 'ENVELOPE_NO_RECIPIENT') return 0;
  if (code === 'TOKEN_NOT_FOUND' || code === 'KEY_NOT_FOUND') return 1;
  return AWAY.has(code) ? 2 : 3;
}

/** As `ListToken`, for status and people. */
export function tokenName({ uri }: ListToken): string {
  const { match, id, type } = parsePkcs11Uri(uri);
  return formatPkcs11Uri({ match, ...(id && { id }), ...(type && { type }) });
}

interface Entry {
  openedAt: number;
  seenAt: number;
  errorCode: CustodyErrorCode | '';
  errorSince: number;
  /** Not there, or without an answer, when it was asked or looked for last. */
  isAway: boolean;
  strangerTo: Set<string>;
}

/** Which token to ask first, and what each said last. */
export class TokenBook {
  readonly #entries = new Map<string, Entry>();

  /** The tokens in the order in which they are asked: one that was away last time costs its deadline, and comes last. */
  inOrder(tokens: readonly ListToken[]): ListToken[] {
    const away = this.away(tokens);
    return [...tokens.filter(token => !away.includes(token)), ...away];
  }

  /** Those that were not there or did not answer when they were asked last. */
  away(tokens: readonly ListToken[]): ListToken[] {
    return tokens.filter(token => this.#of(token).isAway);
  }

  /** Notes what came of asking a token to open services. */
  heard(token: ListToken, words: readonly TokenWord[], nowSeconds: number): void {
    const entry = this.#of(token);
    for (const { alias, code } of words) {
      if (code !== '' && STRANGE.has(code)) entry.strangerTo.add(alias);
      else if (code === '') entry.strangerTo.delete(alias);
    }
    // Other failures may have come before the token was asked: they say nothing of it.
    const said = words.map(({ code }) => code).filter(code => code === '' || CURABLE.has(code));
    const fault = said.find(code => code === '') ?? said[0];
    if (fault === undefined) return;
    if (fault === '') entry.openedAt = nowSeconds;
    if (fault !== entry.errorCode) entry.errorSince = fault === '' ? 0 : nowSeconds;
    entry.errorCode = fault;
    entry.isAway = fault !== '' && AWAY.has(fault);
    if (fault === '' || STRANGE.has(fault)) entry.seenAt = nowSeconds;
  }

  /** It is there, and is asked in its turn. Only its absence is over: what else failed does so until it opens something. */
  seen(token: ListToken, nowSeconds: number): void {
    const entry = this.#of(token);
    entry.seenAt = nowSeconds;
    entry.isAway = false;
    if (entry.errorCode === '' || !ABSENT.has(entry.errorCode)) return;
    entry.errorCode = '';
    entry.errorSince = 0;
  }

  /** In the order of the list. */
  status(
    tokens: readonly ListToken[],
    services: readonly { readonly entry: { readonly alias: string } }[],
  ): TokenStatus[] {
    const aliases = services.map(({ entry }) => entry.alias);
    return tokens.map(token => {
      const { openedAt, seenAt, errorCode, errorSince, strangerTo } = this.#of(token);
      const strangers = aliases.filter(alias => strangerTo.has(alias));
      return { name: tokenName(token), openedAt, seenAt, errorCode, errorSince, strangerTo: strangers };
    });
  }

  #of({ uri, modulePath }: ListToken): Entry {
    const key = `${modulePath}\0${uri}`;
    const known = this.#entries.get(key) ?? {
      openedAt: 0,
      seenAt: 0,
      errorCode: '',
      errorSince: 0,
      isAway: false,
      strangerTo: new Set(),
    };
    this.#entries.set(key, known);
    return known;
  }
}
