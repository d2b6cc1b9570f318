/** What the token process does when it is asked; the identity is wiped before there is an answer. */

import {
  type KpHsDescSign,
  type KpHsId,
  type NetworkProfile,
  publicationWindow,
  type TimePeriod,
  timePeriod,
} from '../descriptor/index.ts';
import { blindIdentity, signLadder } from './blinded-sign.ts';
import type { Caller } from './child-entry.ts';
import { handleSealing } from './sealing-requests.ts';
import { openEnvelope, type OpenedIdentity } from './envelope.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { boxSeal } from './locked-memory.ts';
import { checkLockedMemory } from './memory-lock.ts';
import { keyOfEnvelope, openTokenKeys, type TokenKeys, unlockWith } from './open-token.ts';
import { Token } from './pkcs11js.ts';
import {
  encodeOpenAnswer,
  type Ladder,
  type OpeningRequest,
  type OpeningResult,
  type OpenRequest,
  parseFindRequest,
  parseOpenRequest,
  type TokenAccess,
  TOKEN_FRAME,
} from './token-messages.ts';
import { parsePkcs11Uri, resolveModulePath } from './uri.ts';
import { vouch } from './vouching.ts';

/** Answers every request of TokenClient. Throws CustodyError, which becomes the answer. */
export async function handleTokenRequest(
  type: number,
  payload: Uint8Array,
  caller: Caller,
): Promise<Uint8Array> {
  checkLockedMemory();
  switch (type) {
    case TOKEN_FRAME.open:
      return encodeOpenAnswer(await open(parseOpenRequest(payload), caller));
    case TOKEN_FRAME.find:
      find(parseFindRequest(payload));
      return new Uint8Array(0);
    default:
      return await handleSealing(type, payload, caller.pins);
  }
}

async function open(request: OpenRequest, { pins, progress }: Caller): Promise<OpeningResult[]> {
  // Everything that can be refused without a PIN is refused before one is spent.
  const now = Math.floor(Date.now() / 1000);
  const plans = request.openings.map(opening => ({
    opening,
    tasks: opening.periods.map(({ periodNum, kpHsDescSign }) => ({
      period: allowedPeriod(request, periodNum, now),
      kpHsDescSign,
    })),
  }));
  const opened = await openTokenKeys(request.access, pins);
  const results: OpeningResult[] = [];
  for (const { opening, tasks } of plans) {
    await progress();
    try {
      results.push(openOne(request, opening, tasks, opened));
    } catch (thrown) {
      results.push({ error: toCustodyError(thrown, 'TOKEN_DEAD') });
    }
  }
  return results;
}

/** Without login. Throws URI_SYNTAX, MODULE_…, TOKEN_…. */
function find(access: TokenAccess): void {
  const uri = parsePkcs11Uri(access.uri);
  Token.find(resolveModulePath(uri, access.modulePath), uri);
}

/** The period, when its publication window meets [now, now + horizon]. Throws PERIOD_REFUSED. */
function allowedPeriod(request: OpenRequest, periodNum: number, now: number): TimePeriod {
  const period = periodOf(request.profile, periodNum);
  const { from, to } = publicationWindow(request.profile, period);
  if (to <= now || from > now + request.horizonSeconds) throw new CustodyError('PERIOD_REFUSED');
  return period;
}

function periodOf(profile: NetworkProfile, periodNum: number): TimePeriod {
  try {
    return timePeriod(profile, periodNum);
  } catch (cause) {
    throw new CustodyError('PERIOD_REFUSED', undefined, { cause });
  }
}

/** One period and the key to be certified for it. */
interface LadderTask {
  readonly period: TimePeriod;
  readonly kpHsDescSign: KpHsDescSign;
}

function openOne(
  { boxPublicKey, checkpointKey, profile }: OpenRequest,
  { envelope, kpHsId }: OpeningRequest,
  tasks: readonly LadderTask[],
  keys: TokenKeys,
): OpeningResult {
  return openEnvelope(envelope, { kpHsId, unlock: unlockWith(keyOfEnvelope(keys, envelope)) }, identity => ({
    sealedServiceSecret: boxSeal(identity.serviceSecret, boxPublicKey),
    origin: identity.origin,
    ladders: tasks.map(task => makeLadder(identity, kpHsId, profile, task)),
    vouching: vouch(identity, kpHsId, checkpointKey),
  }));
}

function makeLadder(
  identity: OpenedIdentity,
  kpHsId: KpHsId,
  profile: NetworkProfile,
  { period, kpHsDescSign }: LadderTask,
): Ladder {
  const key = blindIdentity(identity, kpHsId, period);
  try {
    return { periodNum: period.periodNum, rungs: signLadder(key, kpHsDescSign, profile, period) };
  } finally {
    key.secret.wipe();
  }
}
