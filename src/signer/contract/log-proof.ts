import { createHash } from 'node:crypto';
import { SignerError } from './problems.ts';

/** A SHA-256 value: 32 bytes. */
export type LogHash = Uint8Array;

export const LOG_HASH_BYTES = 32;

const sha256 = (...parts: readonly Uint8Array[]): LogHash => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The hash of one entry, RFC 6962 §2.1: SHA-256(0x00 ‖ entry). */
export const leafHash = (entry: Uint8Array): LogHash => sha256(LEAF, entry);

/** The hash of an inner node, RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right). */
export const nodeHash = (left: LogHash, right: LogHash): LogHash => sha256(NODE, left, right);

/** The root of the tree without entries: SHA-256 of nothing. */
export const emptyRoot = (): LogHash => sha256();

/**
 * The right edge of a growing tree: one hash per set bit of its size, largest subtree first. Append and root
 * cost O(log n), without the leaves.
 */
export class LogFrontier {
  readonly #peaks: LogHash[];
  #size: number;

  constructor(size = 0, peaks: readonly LogHash[] = []) {
    if (!Number.isSafeInteger(size) || size < 0 || bitCount(size) !== peaks.length) {
      throw new SignerError('LOG_PROOF', 'a frontier has one hash per set bit of its size');
    }
    this.#size = size;
    this.#peaks = [...peaks];
  }

  get size(): number {
    return this.#size;
  }

  /** The hashes of the complete subtrees, largest first; with `size` they make the frontier again. */
  get peaks(): readonly LogHash[] {
    return [...this.#peaks];
  }

  /** Adds a leaf hash (see leafHash) and gives its index. */
  append(leaf: LogHash): number {
    let node = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      node = nodeHash(this.#peaks.pop() ?? node, node);
    }
    this.#peaks.push(node);
    this.#size += 1;
    return this.#size - 1;
  }

  /** The root of all leaves so far, 32 bytes. */
  root(): LogHash {
    return (
      this.#peaks.reduceRight<LogHash | undefined>(
        (right, left) => (right === undefined ? left : nodeHash(left, right)),
        undefined,
      ) ?? emptyRoot()
    );
  }

  copy(): LogFrontier {
    return new LogFrontier(this.#size, this.#peaks);
  }
}

/** The root over `leaves` (leaf hashes in order), RFC 6962 §2.1. */
export function rootOf(leaves: Iterable<LogHash>): LogHash {
  const frontier = new LogFrontier();
  for (const leaf of leaves) frontier.append(leaf);
  return frontier.root();
}

/**
 * The audit path of leaf `index` in the tree over `leaves`, RFC 6962 §2.1.1: PATH(m, D[n]), leaf side first.
 * SignerError LOG_PROOF when the index is outside.
 */
export function inclusionProof(index: number, leaves: readonly LogHash[]): LogHash[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length) {
    throw new SignerError('LOG_PROOF', 'name an entry inside the tree');
  }
  const path: LogHash[] = [];
  let low = 0;
  let high = leaves.length;
  while (high - low > 1) {
    const middle = low + split(high - low);
    if (index < middle) {
      path.push(rootOf(leaves.slice(middle, high)));
      high = middle;
    } else {
      path.push(rootOf(leaves.slice(low, middle)));
      low = middle;
    }
  }
  return path.toReversed();
}

/**
 * The proof that the first `oldSize` leaves are a prefix of `leaves`, RFC 6962 §2.1.2: PROOF(m, D[n]). Empty
 * when the sizes are equal or `oldSize` is 0. SignerError LOG_PROOF when `oldSize` is larger than the tree.
 */
export function consistencyProof(oldSize: number, leaves: readonly LogHash[]): LogHash[] {
  if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > leaves.length) {
    throw new SignerError('LOG_PROOF', 'the older tree cannot be larger than the newer one');
  }
  const older = new LogFrontier();
  for (const leaf of leaves.slice(0, oldSize)) older.append(leaf);
  return extensionProof(older, leaves.slice(oldSize));
}

/** PROOF(m, D[n]) from the frontier of the older tree and the leaves added since: as cheap as these are few. */
export function extensionProof(older: LogFrontier, added: readonly LogHash[]): LogHash[] {
  const proof: LogHash[] = [];
  const { size } = older;
  if (size === 0 || added.length === 0) return proof;
  // What stands left of the path are the complete subtrees of the older tree, largest first.
  const left = [...older.peaks];
  let low = 0;
  let high = size + added.length;
  while (size < high) {
    const middle = low + split(high - low);
    if (size <= middle) {
      proof.push(rootOf(added.slice(middle - size, high - size)));
      high = middle;
    } else {
      proof.push(...left.splice(0, 1));
      low = middle;
    }
  }
  // The verifier knows the old root, so the subtree that is the whole old tree is left out.
  if (low > 0) proof.push(...left.splice(0, 1));
  return proof.toReversed();
}

/** Whether `proof` shows that `leaf` has `index` in the tree of `size` leaves with `root` (RFC 9162 §2.1.3.2). */
export function verifyInclusion(claim: {
  leaf: LogHash;
  index: number;
  size: number;
  root: LogHash;
  proof: readonly LogHash[];
}): boolean {
  const { leaf, index, size, root, proof } = claim;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let [node, position, last] = [leaf, index, size - 1];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      node = nodeHash(sibling, node);
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      node = nodeHash(node, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equalRoots(node, root);
}

/** Whether `proof` shows that the tree of `oldSize` is a prefix of that of `newSize` (RFC 9162 §2.1.4.2). */
export function verifyConsistency(claim: {
  oldSize: number;
  oldRoot: LogHash;
  newSize: number;
  newRoot: LogHash;
  proof: readonly LogHash[];
}): boolean {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim;
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize)) return false;
  if (oldSize < 0 || oldSize > newSize) return false;
  if (oldSize === newSize) return proof.length === 0 && equalRoots(oldRoot, newRoot);
  if (oldSize === 0) return proof.length === 0 && equalRoots(oldRoot, emptyRoot());
  let [position, last] = [oldSize - 1, newSize - 1];
  while (position % 2 === 1) [position, last] = [half(position), half(last)];
  const path = position === 0 ? [oldRoot, ...proof] : proof;
  const [start, ...rest] = path;
  if (start === undefined) return false;
  let [oldNode, newNode] = [start, start];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      oldNode = nodeHash(sibling, oldNode);
      newNode = nodeHash(sibling, newNode);
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)];
    } else {
      newNode = nodeHash(newNode, sibling);
    }
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && equalRoots(oldNode, oldRoot) && equalRoots(newNode, newRoot);
}

/** The largest power of two below `size` (RFC 6962's k), for size ≥ 2. */
function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

const half = (value: number): number => Math.floor(value / 2);

function bitCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = half(rest)) count += rest % 2;
  return count;
}

/** Whether two hashes are 32 equal bytes. They are public, so an early exit gives nothing away. */
export const equalRoots = (a: LogHash, b: LogHash): boolean =>
  a.length === LOG_HASH_BYTES && b.length === LOG_HASH_BYTES && a.every((byte, i) => byte === b[i]);
