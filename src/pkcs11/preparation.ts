// PREPARE: sees to it that every enabled service has certified keys for all periods up to `ahead`.

import type { Ed25519Public } from '../descriptor/index.ts';
import { CustodyError, type CustodyErrorCode, toCustodyError } from './error.ts';
import type { HostState } from './host-state.ts';
import type { KeyholderList } from './list.ts';
import {
  type Opening,
  type OpeningOutcome,
  type TokenOpener,
  discardOpening,
  isCurableByAnotherToken,
  openWithToken,
  pinFingerprint,
  planOpening,
  wantedPeriods,
} from './openings.ts';
import { discardKeys } from './period-keys.ts';
import type { ProvenTime } from './proven-time.ts';
import type { ServiceBook } from './service-book.ts';
import type { ServiceSlot } from './service-slot.ts';
import type { SigningKeys } from './signing-keys.ts';
import { aheadSeconds } from './sign-plan.ts';

/** What kept a service from being opened, when nothing is to be opened any more. */
const PASSED: ReadonlySet<string> = new Set([
  'CLOCK_UNPROVEN',
  'TOKEN_DEAD',
  'TOKEN_NOT_FOUND',
  'TOKEN_TIMEOUT',
]);

/** Services in one request to the token process; each has at most some ten periods. */
const SERVICES_PER_REQUEST = 32;

/** What a preparation works with; the list is the one in force when it begins. */
export interface PreparationContext {
  readonly host: HostState;
  readonly book: ServiceBook;
  readonly keys: SigningKeys;
  readonly list: KeyholderList;
  readonly token: TokenOpener;
  readonly proven: ProvenTime;
  /** The identities vouch for it. */
  readonly checkpointKey: Ed25519Public;
  /** Unix seconds now. */
  readonly now: () => number;
}

/** Opens what lacks keys, as far as limits and tokens allow. Failures stay with their service; nothing is lost. */
export async function prepareServices(context: PreparationContext): Promise<void> {
  const nowSeconds = context.now();
  const openings: Opening[] = [];
  try {
    for (const slot of context.book.slots) {
      const opening = await planFor(slot, context, nowSeconds);
      if (opening !== undefined) openings.push(opening);
    }
    for (let at = 0; at < openings.length; at += SERVICES_PER_REQUEST) {
      await openBatch(openings.slice(at, at + SERVICES_PER_REQUEST), context);
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
  const { host, list, keys } = context;
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
    checkPinWasNotRefused(host, list);
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

/** A wrong PIN is tried once in its life, also across restarts. @throws CustodyError PIN_INCORRECT */
export function checkPinWasNotRefused(host: HostState, list: KeyholderList): void {
  const { code, fingerprint } = host.state.pinRefusal;
  if (code === '') return;
  if (Buffer.from(pinFingerprint(list)).equals(fingerprint)) throw new CustodyError('PIN_INCORRECT');
}

async function openBatch(openings: readonly Opening[], context: PreparationContext): Promise<void> {
  const { list, token, now, checkpointKey, keys } = context;
  const horizonSeconds = aheadSeconds(list);
  let waiting = openings;
  for (const [i, access] of list.tokens.entries()) {
    if (waiting.length === 0) return;
    const outcomes = await openWithToken(
      waiting,
      { access, list, horizonSeconds, checkpointKey, keys },
      token,
    );
    const isLast = i === list.tokens.length - 1;
    const again = outcomes.filter(each => !isLast && 'error' in each && isCurableByAnotherToken(each.error));
    for (const outcome of outcomes) if (!again.includes(outcome)) settle(outcome, context, now());
    waiting = again.map(({ opening }) => opening);
  }
}

function settle(outcome: OpeningOutcome, context: PreparationContext, nowSeconds: number): void {
  const { slot } = outcome.opening;
  if ('error' in outcome) {
    noteFailure(slot, outcome.error.code, context, nowSeconds);
    return;
  }
  try {
    // The list may have changed while the token worked.
    if (slot.removed) throw new CustodyError('PERIOD_REFUSED');
    context.book.add(slot, outcome);
    slot.budget.succeed();
    slot.noteSuccess();
  } catch (thrown) {
    discardKeys(outcome.keys);
    noteFailure(slot, toCustodyError(thrown, 'KEYHOLDER_FAULT').code, context, nowSeconds);
  }
}

function noteFailure(
  slot: ServiceSlot,
  code: CustodyErrorCode,
  { host, list }: PreparationContext,
  nowSeconds: number,
): void {
  slot.budget.fail(nowSeconds);
  slot.noteError(code, nowSeconds);
  if (code === 'PIN_INCORRECT') notePinRefusal(host, list);
}

/** @throws CustodyError STATE_WRITE */
export function notePinRefusal(host: HostState, list: KeyholderList): void {
  host.save({ pinRefusal: { code: 'PIN_INCORRECT', fingerprint: pinFingerprint(list) } });
}

function isInUse({ slot, candidates }: Opening): boolean {
  return candidates.some(({ key, period }) => slot.periods.get(period.periodNum)?.record.key === key);
}
