import { type Bytes, asciiBytes, concat, decodeBase32, encodeBase32, u8 } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { type KpHsId, parseKpHsId } from './keys.ts';
import { sha3_256 } from './primitives.ts';

const ONION_VERSION = 3;
const LABEL_LENGTH = 56;
const SUFFIX = '.onion';
const CHECKSUM_PREFIX = asciiBytes('.onion checksum');

/**
 * Reads a v3 onion address (rend-spec-v3 §6): 56 lower-case characters, `.onion` after them or not, nothing else.
 * Throws BAD_ADDRESS whatever is wrong with it; `cause` has the part that failed.
 */
export function parseOnionAddress(text: string): KpHsId {
  const label = text.endsWith(SUFFIX) ? text.slice(0, -SUFFIX.length) : text;
  if (label.length !== LABEL_LENGTH) throw badAddress('must have 56 characters before .onion');
  try {
    return parseBinaryAddress(decodeBase32(label));
  } catch (cause) {
    if (cause instanceof DescriptorError && cause.code === 'BAD_ADDRESS') throw cause;
    throw badAddress('must encode an Ed25519 public key of prime order', cause);
  }
}

/** The address of an identity: 62 characters, with `.onion` (rend-spec-v3 §6). Does not throw. */
export function formatOnionAddress(kpHsId: KpHsId): string {
  return encodeBase32(concat(kpHsId, checksum(kpHsId), u8(ONION_VERSION))) + SUFFIX;
}

function parseBinaryAddress(binary: Bytes): KpHsId {
  const key = binary.subarray(0, 32);
  if (binary[34] !== ONION_VERSION) throw badAddress('must have version 3');
  const [first, second] = checksum(key);
  if (binary[32] !== first || binary[33] !== second) throw badAddress('must have a matching checksum');
  return parseKpHsId(key);
}

function checksum(key: Bytes): Bytes {
  return sha3_256(CHECKSUM_PREFIX, key, u8(ONION_VERSION)).subarray(0, 2);
}

function badAddress(rule: string, cause?: unknown): DescriptorError {
  return new DescriptorError('BAD_ADDRESS', `an onion address ${rule}; compare it with its source`, {
    cause,
  });
}
