// PREPARE: sees to it that every enabled service has certified keys for all periods up to `ahead`.

import type { Ed25519Public } from '../descriptor/index.ts';
import { CustodyError, type CustodyErrorCode, toCustodyError } from './error.ts';
import type { HostState } from './host-state.ts';
import type { KeyholderList, ListToken } from './list.ts';
import {
  type Opening,
  type OpeningOutcome,
  type TokenOpener,
  discardOpening,
  openWithToken,
  planOpening,
  wantedPeriods,
} from './openings.ts';
import { discardKeys } from './period-keys.ts';
import type { ProvenTime } from './proven-time.ts';
import type { ServiceBook } from './service-book.ts';
import type { ServiceSlot } from './service-slot.ts';
import type { SigningKeys } from './signing-keys.ts';
import { aheadSeconds } from './sign-plan.ts';
import { type TokenBook, isCurableByAnotherToken, mostTelling, tokenName } from './token-book.ts';

/** What kept a service from being opened, when nothing is to be opened any more. */
const PASSED: ReadonlySet<string> = new Set([
  'CLOCK_UNPROVEN',
  'TOKEN_DEAD',
  'TOKEN_NOT_FOUND',
  'TOKEN_TIMEOUT',
]);

/** Services in one request to the token process; each has at most some ten periods. */
const SERVICES_PER_REQUEST = 32;

/**
 * After this no further token is begun with, and no further request where no token did anything for the last one: dead ones
 * cost a deadline each, and whoever asked waits no longer. What was not tried is tried first the next time. Milliseconds.
 */
export const TOKENS_PATIENCE_MS = 60_000;

/** What a preparation works with; the list is the one in force when it begins. */
export interface PreparationContext {
  readonly host: HostState;
  readonly book: ServiceBook;
  readonly keys: SigningKeys;
  readonly list: KeyholderList;
  readonly token: TokenOpener;
  readonly tokens: TokenBook;
  readonly proven: ProvenTime;
  /** The identities vouch for it. */
  readonly checkpointKey: Ed25519Public;
  /** Unix seconds now. */
  readonly now: () => number;
}

/** Opens what lacks keys, as far as limits and tokens allow. Failures stay with their service; nothing is lost. */
export async function prepareServices(context: PreparationContext): Promise<void> {
  const nowSeconds = context.now();
  const until = performance.now() + TOKENS_PATIENCE_MS;
  const openings: Opening[] = [];
  try {
    for (const slot of context.book.slots) {
      const opening = await planFor(slot, context, nowSeconds);
      if (opening !== undefined) openings.push(opening);
    }
    let hindrance: CustodyErrorCode | undefined;
    for (let at = 0; at < openings.length; at += SERVICES_PER_REQUEST) {
      const batch = openings.slice(at, at + SERVICES_PER_REQUEST);
      if (hindrance !== undefined && performance.now() >= until)
        for (const { slot } of batch) putOff(slot, hindrance, context.now());
      else hindrance = await openBatch(batch, context, until);
    }
  } finally {
    // Keys that came into use belong to their records now.
    for (const opening of openings) if (!isInUse(opening)) discardOpening(opening, context.keys);
  }
}

async function planFor(
  slot: ServiceSlot,
  context: PreparationContext,
  nowSeconds: number,
): Promise<Opening | undefined> {
  const { list, keys } = context;
  if (!slot.entry.enabled) return undefined;
  const wanted = wantedPeriods(list.profile, nowSeconds, aheadSeconds(list));
  const missing = wanted.filter(period => !slot.periods.has(period.periodNum));
  if (missing.length === 0) {
    if (PASSED.has(slot.lastError)) slot.noteSuccess();
    return undefined;
  }
  if (!context.proven.allowsOpening(list, nowSeconds)) {
    slot.noteError('CLOCK_UNPROVEN', nowSeconds);
    return undefined;
  }
  try {
    checkAnyPinIsLeft(context);
    if (!(await canMakeKeys(slot, keys, nowSeconds))) return undefined;
    if (!slot.budget.allows(nowSeconds)) {
      // The reason for the pause says more than the pause.
      if (slot.lastError === '') slot.noteError('OPENING_LIMIT', nowSeconds);
      return undefined;
    }
    slot.budget.begin(nowSeconds);
    return await planOpening(slot, missing, keys);
  } catch (thrown) {
    const { code } = toCustodyError(thrown, 'KEYHOLDER_FAULT');
    if (code !== 'PIN_INCORRECT') slot.budget.fail(nowSeconds);
    slot.noteError(code, nowSeconds);
    return undefined;
  }
}

/** The token that is to hold the keys is looked after elsewhere: its absence costs no opening and no pause. */
async function canMakeKeys(slot: ServiceSlot, keys: SigningKeys, nowSeconds: number): Promise<boolean> {
  try {
    await keys.ready();
    return true;
  } catch (thrown) {
    slot.noteError(toCustodyError(thrown, 'TOKEN_DEAD').code, nowSeconds);
    return false;
  }
}

/** Nothing is begun while every token waits for another PIN. @throws CustodyError PIN_INCORRECT */
function checkAnyPinIsLeft({ host, list }: PreparationContext): void {
  for (const access of list.tokens) {
    try {
      host.pins.check({ ...access, pinSource: list.pinSource });
      return;
    } catch {
      // The next one may have a PIN of its own.
    }
  }
  throw new CustodyError('PIN_INCORRECT');
}

/** An opening, and why no token has done it so far. */
interface Waiting {
  readonly opening: Opening;
  readonly errors: readonly CustodyError[];
}

/** What kept every one of the openings from being done by any token; undefined when one of them was. */
async function openBatch(
  openings: readonly Opening[],
  context: PreparationContext,
  until: number,
): Promise<CustodyErrorCode | undefined> {
  const { list, tokens, now } = context;
  let waiting: Waiting[] = openings.map(opening => ({ opening, errors: [] }));
  for (const access of tokens.inOrder(list.tokens)) {
    if (waiting.length === 0) return undefined;
    const isLate = performance.now() >= until && waiting.some(({ errors }) => errors.length > 0);
    if (isLate) break;
    const tried = waiting;
    waiting = [];
    const outcomes = await askToken(
      access,
      tried.map(({ opening }) => opening),
      context,
    );
    for (const [i, outcome] of outcomes.entries()) {
      const errors = [...(tried[i]?.errors ?? []), ...('error' in outcome ? [outcome.error] : [])];
      if ('error' in outcome && isCurableByAnotherToken(outcome.error))
        waiting.push({ opening: outcome.opening, errors });
      else settle(outcome, access, context, now());
    }
  }
  const codes = waiting.map(({ errors }) => mostTelling(errors).code);
  for (const [i, { opening }] of waiting.entries())
    noteFailure(opening.slot, codes[i] ?? 'TOKEN_DEAD', context.now());
  return waiting.length === openings.length ? codes[0] : undefined;
}

/** One token's outcomes, in the order of the openings, and what they say of it. */
async function askToken(
  access: ListToken,
  openings: readonly Opening[],
  { host, list, token, tokens, now, checkpointKey, keys }: PreparationContext,
): Promise<OpeningOutcome[]> {
  let outcomes: OpeningOutcome[];
  try {
    host.pins.check({ ...access, pinSource: list.pinSource });
    const terms = { access, list, horizonSeconds: aheadSeconds(list), checkpointKey, keys };
    outcomes = await openWithToken(openings, terms, token);
  } catch (thrown) {
    const error = toCustodyError(thrown, 'KEYHOLDER_FAULT');
    outcomes = openings.map(opening => ({ opening, error }));
  }
  const words = outcomes.map(outcome => ({
    alias: outcome.opening.slot.entry.alias,
    code: 'error' in outcome ? outcome.error.code : ('' as const),
  }));
  tokens.heard(access, words, now());
  return outcomes;
}

function settle(
  outcome: OpeningOutcome,
  access: ListToken,
  context: PreparationContext,
  nowSeconds: number,
): void {
  const { slot } = outcome.opening;
  if ('error' in outcome) {
    noteFailure(slot, outcome.error.code, nowSeconds);
    return;
  }
  try {
    // The list may have changed while the token worked.
    if (slot.removed) throw new CustodyError('PERIOD_REFUSED');
    context.book.add(slot, { ...outcome, opened: { by: tokenName(access), at: nowSeconds } });
    slot.budget.succeed();
    slot.noteSuccess();
  } catch (thrown) {
    discardKeys(outcome.keys);
    noteFailure(slot, toCustodyError(thrown, 'KEYHOLDER_FAULT').code, nowSeconds);
  }
}

/** Not asked for this time: it waits for what the others wait for, without a pause of its own. */
function putOff(slot: ServiceSlot, code: CustodyErrorCode, nowSeconds: number): void {
  slot.budget.giveBack();
  slot.noteError(code, nowSeconds);
}

function noteFailure(slot: ServiceSlot, code: CustodyErrorCode, nowSeconds: number): void {
  slot.budget.fail(nowSeconds);
  slot.noteError(code, nowSeconds);
}

function isInUse({ slot, candidates }: Opening): boolean {
  return candidates.some(({ key, period }) => slot.periods.get(period.periodNum)?.record.key === key);
}
