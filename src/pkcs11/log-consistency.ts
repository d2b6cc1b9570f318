// RFC 6962 consistency of two tree heads, judged beside the checkpoint key. The core has its own code, which makes the
// proofs; nothing is shared, so that one mistake cannot make both agree.

import { hash } from 'node:crypto';

/** Longest proof between two sizes below 2^53: one hash for each level and one more. */
export const MAX_PROOF_HASHES = 54;

/** Number of entries and root hash (32 bytes) of a tree. */
export interface Head {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/**
 * Whether `proof` (RFC 6962 §2.1.2, 32 bytes each) shows that the tree of `older` (at least one entry) is a prefix of
 * that of `newer`, whose size is not smaller. Equal sizes need the empty proof.
 */
export function isConsistent(older: Head, newer: Head, proof: readonly Uint8Array[]): boolean {
  if (older.size < 1n || older.size > newer.size) return false;
  if (older.size === newer.size) return proof.length === 0 && isSame(older.root, newer.root);
  const rest = [...proof];
  const roots = rebuild(older.size, newer.size, older.root, rest);
  return (
    roots !== undefined && rest.length === 0 && isSame(roots.old, older.root) && isSame(roots.new, newer.root)
  );
}

interface Roots {
  readonly old: Uint8Array;
  readonly new: Uint8Array;
}

/**
 * SUBPROOF(m, D[n], b) read backwards: both roots of a subtree of `n` entries of which `m` are old. `known` is the old
 * root where the subtree is still the left edge, which the proof then leaves out.
 */
function rebuild(
  m: bigint,
  n: bigint,
  known: Uint8Array | undefined,
  proof: Uint8Array[],
): Roots | undefined {
  if (m === n) {
    const whole = known ?? proof.shift();
    return whole && { old: whole, new: whole };
  }
  const k = splitOf(n);
  const inner = m <= k ? rebuild(m, k, known, proof) : rebuild(m - k, n - k, undefined, proof);
  const sibling = proof.shift();
  if (inner === undefined || sibling === undefined) return undefined;
  return m <= k
    ? { old: inner.old, new: nodeOf(inner.new, sibling) }
    : { old: nodeOf(sibling, inner.old), new: nodeOf(sibling, inner.new) };
}

/** The largest power of two below n, for n of 2 and more. */
function splitOf(n: bigint): bigint {
  let k = 1n;
  while (k * 2n < n) k *= 2n;
  return k;
}

const nodeOf = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  hash('sha256', Buffer.concat([Uint8Array.of(1), left, right]), 'buffer');

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);
