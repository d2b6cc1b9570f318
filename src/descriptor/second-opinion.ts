import { ctr } from '@noble/ciphers/aes.js';
import * as noble from '@noble/ed25519';
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { type Bytes, asciiBytes, concat, u64be } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { type KpHsBlindId, type KpHsId, type NHsSubcred, parseNHsSubcred } from './keys.ts';
import { nobleVerify } from './noble-verify.ts';
import { type OpenOptions, type OpenedDescriptor, type OpeningCrypto, openDescriptorWith } from './open.ts';
import type { TimePeriod } from './time.ts';

export { nobleVerify } from './noble-verify.ts';

const { n: GROUP_ORDER, p: FIELD_PRIME } = noble.Point.CURVE();

/** The cryptography of an opening with @noble alone: hashes, ciphers and ed25519, written apart from the first one. */
export const NOBLE_OPENING: OpeningCrypto = {
  sha3_256: (...parts) => sha3_256(concat(...parts)),
  shake256: (data, length) => shake256(data, { dkLen: length }),
  aes256ctr: (key, iv, data) => ctr(key, iv).encrypt(data),
  verify: nobleVerify,
  deriveKpHsBlindId: blind,
  deriveSubcredential: subcredentialOf,
  x25519ToEd25519: edwardsOf,
};

/**
 * {@link openDescriptor} a second time with other cryptography: only the readers of text are shared. Ours, as no
 * specification asks for two. `verify` is not looked at; some 2 ms for each signature. Throws the codes of
 * {@link openDescriptor}.
 */
export function openDescriptorWithNoble(text: Bytes, options: OpenOptions): OpenedDescriptor {
  return openDescriptorWith(NOBLE_OPENING, text, options);
}

/** Blinding of rend-spec-v3 appendix A.2, from the base point's own coordinates. */
function blind(kpHsId: KpHsId, period: TimePeriod): KpHsBlindId {
  const { x, y } = noble.Point.BASE.toAffine();
  const input = concat(
    asciiBytes('Derive temporary signing key\0'),
    kpHsId,
    asciiBytes(`(${x}, ${y})key-blind`),
    u64be(period.periodNum),
    u64be(period.lengthMinutes),
  );
  const h = littleEndian(sha3_256(input));
  const tweak = (((h >> 3n) << 3n) % 2n ** 254n) + 2n ** 254n;
  const point = noble.Point.fromBytes(kpHsId).multiply(tweak % GROUP_ORDER, false);
  return point.toBytes() as Bytes as KpHsBlindId;
}

function subcredentialOf(kpHsId: KpHsId, kpHsBlindId: KpHsBlindId): NHsSubcred {
  const credential = sha3_256(concat(asciiBytes('credential'), kpHsId));
  return parseNHsSubcred(sha3_256(concat(asciiBytes('subcredential'), credential, kpHsBlindId)));
}

/** y·(u + 1) = u − 1, sign bit 0; throws where no such point is on the curve. */
function edwardsOf(encKey: Bytes): Bytes {
  const u = littleEndian(encKey);
  try {
    const inverse = noble.etc.invert(u + 1n, FIELD_PRIME);
    const y = noble.etc.mod((u - 1n) * inverse, FIELD_PRIME);
    const bytes = noble.etc.hexToBytes(y.toString(16).padStart(64, '0')).reverse();
    noble.Point.fromBytes(bytes).assertValidity();
    return bytes;
  } catch (cause) {
    throw new DescriptorError('BAD_KEY', 'an enc-key must be on the curve', { cause });
  }
}

function littleEndian(bytes: Bytes): bigint {
  return BigInt(`0x${noble.etc.bytesToHex(bytes.toReversed())}`);
}
