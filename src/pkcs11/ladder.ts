// What the token process returns is believed in nothing: every certificate is verified by two implementations.

import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type Ed25519Verify,
  type KpHsBlindId,
  type KpHsDescSign,
  type NetworkProfile,
  type TimePeriod,
  ed25519Verify,
  ladderHours,
  nobleVerify,
} from '../descriptor/index.ts';
import { type Rung, descSigningCertBody } from './blinded-sign.ts';
import { CustodyError } from './error.ts';

/** For which key and period a ladder was asked; the blinded key was computed here from the address. */
export interface LadderDemand {
  readonly period: TimePeriod;
  readonly kpHsBlindId: KpHsBlindId;
  readonly kpHsDescSign: KpHsDescSign;
}

/** libsodium signed: OpenSSL and @noble both have to agree. */
export const LADDER_VERIFIERS: readonly Ed25519Verify[] = [ed25519Verify, nobleVerify];

/**
 * Lets a ladder pass that has every hour of its period and no other, each certificate (76 bytes and a signature of
 * 64) good by each of `verifiers` under the blinded key. @noble takes some 2 ms for each, so other requests have
 * their turn between two of them. @throws CustodyError TOKEN_PROTOCOL
 */
export async function verifyLadder(
  { period, kpHsBlindId, kpHsDescSign }: LadderDemand,
  rungs: readonly Rung[],
  profile: NetworkProfile,
  verifiers: readonly Ed25519Verify[] = LADDER_VERIFIERS,
): Promise<void> {
  const hours = ladderHours(profile, period);
  const complete = rungs.length === hours.length && hours.every((hour, i) => rungs[i]?.expiryHours === hour);
  if (!complete) throw new CustodyError('TOKEN_PROTOCOL', 'the ladder is not that of its period');
  for (const { expiryHours, signature } of rungs) {
    const body = descSigningCertBody(expiryHours, kpHsDescSign, kpHsBlindId);
    if (!verifiers.every(verify => verify(body, signature, kpHsBlindId))) {
      throw new CustodyError('TOKEN_PROTOCOL', 'a certificate does not verify');
    }
    await nextTurn();
  }
}
