import { type Bytes, asciiBytes, concat, u64be } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { type KpHsBlindId, type KpHsId, type NHsCred, type NHsSubcred, parseKpHsBlindId } from './keys.ts';
import { multiplyPublicPoint, sha3_256 } from './primitives.ts';
import type { TimePeriod } from './time.ts';

const BLIND_STRING = asciiBytes('Derive temporary signing key\0');
/** The base point in decimal, as the specification spells it: one space after the comma. */
const BASE_POINT_STRING = asciiBytes(
  '(15112221349535400772501151409588531511454012693041857206046113283949847762202, ' +
    '46316835694926478169428394003475163141307993866256225615783033603165251855960)',
);
const KEY_BLIND = asciiBytes('key-blind');
const CREDENTIAL = asciiBytes('credential');
const SUBCREDENTIAL = asciiBytes('subcredential');

/** N_hs_cred = H("credential" | KP_hs_id), 32 bytes (rend-spec-v3 §2.1). Public data. Does not throw. */
export function deriveCredential(kpHsId: KpHsId): NHsCred {
  return sha3_256(CREDENTIAL, kpHsId) as NHsCred;
}

/**
 * N_hs_subcred = H("subcredential" | N_hs_cred | KP_hs_blind_id), 32 bytes (rend-spec-v3 §2.1). Public data.
 * Does not throw.
 */
export function deriveSubcredential(kpHsId: KpHsId, kpHsBlindId: KpHsBlindId): NHsSubcred {
  return sha3_256(SUBCREDENTIAL, deriveCredential(kpHsId), kpHsBlindId) as NHsSubcred;
}

/**
 * h of rend-spec-v3 appendix A.2 for one period, 32 bytes, not clamped, without the optional secret (tor has none).
 * Public to whoever knows the address. The nonce part of the hash takes period number, then length.
 * Throws BAD_INTEGER for a period whose numbers are not whole or negative.
 */
export function blindingParam(kpHsId: KpHsId, period: TimePeriod): Bytes {
  return sha3_256(
    concat(
      BLIND_STRING,
      kpHsId,
      BASE_POINT_STRING,
      KEY_BLIND,
      u64be(period.periodNum),
      u64be(period.lengthMinutes),
    ),
  );
}

/**
 * The tweak: a copy of the 32 bytes h with the bits cleared and set as in an Ed25519 scalar (rend-spec-v3
 * appendix A.2). Throws BAD_LENGTH.
 */
export function clampTweak(h: Bytes): Bytes {
  const [first, last] = [h[0], h[31]];
  if (first === undefined || last === undefined || h.length !== 32) {
    throw new DescriptorError('BAD_LENGTH', 'a blinding parameter has 32 bytes');
  }
  const tweak = new Uint8Array(h);
  tweak[0] = first & 0xf8;
  tweak[31] = (last & 0x3f) | 0x40;
  return tweak;
}

/**
 * KP_hs_blind_id = tweak·KP_hs_id for one period, 32 bytes (rend-spec-v3 appendix A.2). Public data only.
 * Throws BAD_INTEGER for a period whose numbers are not whole or negative.
 */
export function deriveKpHsBlindId(kpHsId: KpHsId, period: TimePeriod): KpHsBlindId {
  return parseKpHsBlindId(multiplyPublicPoint(clampTweak(blindingParam(kpHsId, period)), kpHsId));
}
