import { concat } from './bytes.ts';
import { type Ed25519Verify, ed25519Verify, sha256Key } from './primitives.ts';
import { RecentMap } from './recent-map.ts';

/** Body of a certificate with one extension. The text of a descriptor is longer, and new each time. */
const CERT_BODY_LENGTH = 76;
/** A service with 20 points and a shelf of six hours has 574 at a time. Some 100 bytes each. */
const VERDICTS_KEPT = 65_536;

/**
 * `verify` (OpenSSL's when not given) that remembers certificates whose signature held, by SHA-256 over key,
 * signature and body: the same bytes are verified once. Bad verdicts, and those on longer messages, are not remembered.
 * Ours; the verdicts are those of RFC 8032 §5.1.7. Does not throw.
 */
export function createCachingVerify(verify: Ed25519Verify = ed25519Verify): Ed25519Verify {
  const good = new RecentMap<true>(VERDICTS_KEPT);
  return (message, signature, publicKey) => {
    // Fixed lengths, so that no two triples join to the same bytes.
    const isCert = message.length === CERT_BODY_LENGTH && signature.length === 64 && publicKey.length === 32;
    if (!isCert) return verify(message, signature, publicKey);
    const name = sha256Key(concat(publicKey, signature, message));
    if (good.get(name) === true) return true;
    const verdict = verify(message, signature, publicKey);
    if (verdict) good.set(name, true);
    return verdict;
  };
}
