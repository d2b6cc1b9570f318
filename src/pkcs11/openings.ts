// Openings: period keys are made here, certified by the token process, and used only after every certificate was
// verified and everything is on disk. A token that fails takes nothing away.

import {
  DescriptorError,
  type Ed25519Public,
  type NetworkProfile,
  type TimePeriod,
  checkHorizon,
  deriveKpHsBlindId,
  parseX25519Public,
  publicationWindow,
  timePeriod,
  timePeriodAt,
} from '../descriptor/index.ts';
import { CustodyError, toCustodyError } from './error.ts';
import { type LadderDemand, verifyLadder } from './ladder.ts';
import type { KeyholderList, ListToken } from './list.ts';
import { Secret, boxSealOpen, x25519PublicInto } from './locked-memory.ts';
import { PeriodKey, derivePeriodSecret, discardKeys } from './period-keys.ts';
import { readCheckedFile } from './private-file.ts';
import type { ServiceSlot } from './service-slot.ts';
import type { SigningKeyRecord } from './signing-key-record.ts';
import type { SigningKeys } from './signing-keys.ts';
import type { Ladder, OpenRequest, OpeningResult, TokenAccess } from './token-messages.ts';
import { isVouching } from './vouching.ts';

const MAX_ENVELOPE_BYTES = 1 << 15;
const SECRET_BYTES = 32;

/** The token client's side of an opening. */
export interface TokenOpener {
  open(request: OpenRequest): Promise<OpeningResult[]>;
  /** Throws when the token is not there. Without it, no pause ends before its time. */
  find?(access: TokenAccess): Promise<void>;
}

/** A period key that waits for its certificates. */
interface Candidate extends LadderDemand {
  readonly key: SigningKeyRecord;
}

/** One service that will be opened, and what for. */
export interface Opening {
  readonly slot: ServiceSlot;
  readonly envelope: Uint8Array;
  readonly candidates: readonly Candidate[];
}

/** What an opening gives, and who gave it. */
export interface OpenedService extends OpenedKeys {
  readonly opened: LastOpening;
}

/** Which token (see `tokenName`) certified last, and when in Unix seconds; '' and 0 before the first opening. */
export interface LastOpening {
  readonly by: string;
  readonly at: number;
}

interface OpenedKeys {
  readonly keys: readonly PeriodKey[];
  readonly origin: string;
  /** The identity's word for the checkpoint key, 64 bytes. */
  readonly vouching: Uint8Array;
}

/** What became of an opening: keys that may be used once they are on disk, or why there are none. */
export type OpeningOutcome =
  | ({ readonly opening: Opening } & OpenedKeys)
  | { readonly opening: Opening; readonly error: CustodyError };

/** Every period whose publication window meets [now, now + ahead], ascending. */
export function wantedPeriods(profile: NetworkProfile, nowSeconds: number, ahead: number): TimePeriod[] {
  const wanted: TimePeriod[] = [];
  const first = Math.max(0, timePeriodAt(profile, nowSeconds).periodNum - 1);
  for (let num = first; ; num++) {
    const period = timePeriod(profile, num);
    if (publicationWindow(profile, period).from > nowSeconds + ahead) return wanted;
    if (checkHorizon(profile, nowSeconds, ahead, period) === undefined) wanted.push(period);
  }
}

/**
 * Makes keys for the periods. The candidates' keys are the caller's to give back.
 * @throws CustodyError ENVELOPE_FILE, and what keeps a key from being made
 */
export async function planOpening(
  slot: ServiceSlot,
  periods: readonly TimePeriod[],
  keys: SigningKeys,
): Promise<Opening> {
  const code = 'ENVELOPE_FILE';
  const demand = { maximum: MAX_ENVELOPE_BYTES, forbidden: 0o022, missing: code, refused: code } as const;
  const envelope = readCheckedFile(slot.entry.envelopePath, demand);
  const candidates: Candidate[] = [];
  try {
    for (const period of periods) {
      const kpHsBlindId = deriveKpHsBlindId(slot.kpHsId, period);
      const key = await keys.make();
      try {
        candidates.push({ period, kpHsBlindId, kpHsDescSign: keys.open(key, slot.kpHsId).kpHsDescSign, key });
      } catch (thrown) {
        keys.giveBack(key);
        throw thrown;
      }
    }
    return { slot, envelope, candidates };
  } catch (thrown) {
    for (const { key } of candidates) keys.giveBack(key);
    throw thrown;
  }
}

/** Gives back keys that were never certified. */
export function discardOpening(opening: Opening, keys: SigningKeys): void {
  for (const { key } of opening.candidates) keys.giveBack(key);
}

/** How services are opened. */
export interface OpeningTerms {
  readonly access: ListToken;
  readonly list: KeyholderList;
  readonly horizonSeconds: number;
  /** The identities vouch for it. */
  readonly checkpointKey: Ed25519Public;
  readonly keys: SigningKeys;
}

/**
 * Opens the services with one token, with one login. Never throws: each opening has an outcome. `box` is the private
 * half to which the per-service secrets are sealed on their way.
 */
export async function openWithToken(
  openings: readonly Opening[],
  { access, list, horizonSeconds, checkpointKey, keys }: OpeningTerms,
  token: TokenOpener,
): Promise<OpeningOutcome[]> {
  const box = Secret.random(SECRET_BYTES);
  try {
    const boxPublicKey = new Uint8Array(SECRET_BYTES);
    box.use(privateKey => x25519PublicInto(boxPublicKey, privateKey));
    const results = await token.open({
      access: { ...access, pinSource: list.pinSource },
      profile: list.profile,
      horizonSeconds,
      boxPublicKey: parseX25519Public(boxPublicKey),
      checkpointKey,
      openings: openings.map(({ slot, envelope, candidates }) => ({
        kpHsId: slot.kpHsId,
        envelope,
        periods: candidates.map(({ period, kpHsDescSign }) => ({
          periodNum: period.periodNum,
          kpHsDescSign,
        })),
      })),
    });
    const outcomes: OpeningOutcome[] = [];
    for (const [i, opening] of openings.entries()) {
      outcomes.push(
        await judge(opening, results[i], { boxPublicKey, box, checkpointKey, keys, profile: list.profile }),
      );
    }
    return outcomes;
  } catch (thrown) {
    const error = toCustodyError(thrown, 'TOKEN_DEAD');
    return openings.map(opening => ({ opening, error }));
  } finally {
    box.wipe();
  }
}

interface Judgement {
  readonly boxPublicKey: Uint8Array;
  readonly box: Secret;
  readonly checkpointKey: Ed25519Public;
  readonly keys: SigningKeys;
  readonly profile: NetworkProfile;
}

async function judge(
  opening: Opening,
  result: OpeningResult | undefined,
  judgement: Judgement,
): Promise<OpeningOutcome> {
  if (result === undefined) return { opening, error: new CustodyError('TOKEN_PROTOCOL') };
  if ('error' in result) return { opening, error: result.error };
  const serviceSecret = new Secret(SECRET_BYTES);
  const opened: PeriodKey[] = [];
  try {
    const { box, boxPublicKey, checkpointKey, profile } = judgement;
    const isOpen = serviceSecret.use(out =>
      box.use(privateKey => boxSealOpen(out, result.sealedServiceSecret, boxPublicKey, privateKey)),
    );
    if (!isOpen || result.ladders.length !== opening.candidates.length)
      throw new CustodyError('TOKEN_PROTOCOL');
    if (!isVouching(result.vouching, opening.slot.kpHsId, checkpointKey))
      throw new CustodyError('TOKEN_PROTOCOL', 'the identity does not vouch for the checkpoint key');
    for (const [i, candidate] of opening.candidates.entries()) {
      const ladder = result.ladders[i];
      if (ladder?.periodNum !== candidate.period.periodNum) throw new CustodyError('TOKEN_PROTOCOL');
      await verifyLadder(candidate, ladder.rungs, profile);
      const secret = derivePeriodSecret(serviceSecret, candidate.kpHsBlindId);
      try {
        opened.push(periodKeyOf(candidate, ladder, secret, opening.slot, judgement));
      } catch (thrown) {
        secret.wipe();
        throw thrown;
      }
    }
    return { opening, keys: opened, origin: result.origin, vouching: result.vouching };
  } catch (thrown) {
    discardKeys(opened);
    const code = thrown instanceof DescriptorError ? 'TOKEN_PROTOCOL' : 'KEYHOLDER_FAULT';
    return { opening, error: toCustodyError(thrown, code) };
  } finally {
    serviceSecret.wipe();
  }
}

function periodKeyOf(
  { period, key }: Candidate,
  { rungs }: Ladder,
  secret: Secret,
  { kpHsId }: ServiceSlot,
  { profile, keys }: Judgement,
): PeriodKey {
  const { periodNum, lengthMinutes, offsetSeconds } = period;
  const record = { periodNum, lengthMinutes, offsetSeconds, key, secret, ladder: rungs };
  return new PeriodKey({ kpHsId, profile, record, signing: keys.open(key, kpHsId) });
}
