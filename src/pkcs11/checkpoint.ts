// Checkpoints of the journal as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note).

import { type Ed25519Public, ed25519Verify, parseEd25519Public } from '../descriptor/index.ts';
import { refuse } from './denial.ts';
import { CustodyError } from './error.ts';
import { type Secret, ed25519FromSeed, ed25519Sign, withScratch } from './locked-memory.ts';
import type { ProvenHead } from './keyholder-messages.ts';
import { isConsistent } from './log-consistency.ts';
import type { CheckpointMark, MarkLog } from './mark-log.ts';
import { checkpointOrigin, formatNote, formatVkey } from './note-key.ts';

/** What every other program can count exactly. */
const MAX_SIZE = (1n << 53n) - 1n;
/** More entries than lie between two checkpoints: an absurd size must not end the log. */
const MAX_GROWTH = 1n << 32n;

/** Name of the rule that keeps the log one log. */
export const CHECKPOINT_FORK = 'CHECKPOINT-FORK';

/** Signs tree heads of one log: each is proven to continue the one before. */
export class CheckpointSigner {
  /** First line of every checkpoint and name of the key. */
  readonly origin: string;
  /** Verifier key: name, key hash and public key. */
  readonly vkey: string;
  readonly publicKey: Ed25519Public;
  readonly #seed: Secret;
  readonly #marks: MarkLog;

  /** `seed` (32 bytes) stays the caller's. */
  constructor(seed: Secret, marks: MarkLog) {
    const publicKey = parseEd25519Public(
      withScratch(64, secretKey => seed.use(bytes => ed25519FromSeed(secretKey, bytes))),
    );
    this.#seed = seed;
    this.#marks = marks;
    this.publicKey = publicKey;
    this.origin = checkpointOrigin(publicKey);
    this.vkey = formatVkey(this.origin, publicKey);
  }

  /**
   * The signed note of a tree head, with the proof that it continues the last one; it is recorded durably first, and the
   * signature is verified with OpenSSL before it is released.
   * @throws CustodyError KEYHOLDER_REFUSED: CHECKPOINT-FORK when it is smaller than the last one, not proven to continue
   *   it, or too large; STATE_WRITE, CRYPTO
   */
  sign({ size, rootHash, proof }: ProvenHead): string {
    const last = this.#marks.checkpoint;
    const grown = (last?.size ?? 0n) + MAX_GROWTH;
    const largest = grown < MAX_SIZE ? grown : MAX_SIZE;
    if (size < 1n || size > largest) throw refuse(CHECKPOINT_FORK, `size ${size}`, `1 to ${largest}`);
    checkSuccessor(last, { size, root: rootHash }, proof);
    if (last?.size !== size) this.#marks.recordCheckpoint({ size, root: rootHash });
    const text = `${this.origin}\n${size}\n${Buffer.from(rootHash).toString('base64')}\n`;
    const message = Buffer.from(text);
    const signature = withScratch(64, secretKey =>
      this.#seed.use(seed => {
        ed25519FromSeed(secretKey, seed);
        return ed25519Sign(message, secretKey);
      }),
    );
    // One wrong signature beside a right one over the same text can give the key away.
    if (!ed25519Verify(message, signature, this.publicKey)) throw new CustodyError('CRYPTO');
    return formatNote(text, this.origin, this.publicKey, signature);
  }
}

/** A first head has nothing to continue. */
function checkSuccessor(
  last: CheckpointMark | undefined,
  next: CheckpointMark,
  proof: readonly Uint8Array[],
): void {
  if (last === undefined) {
    if (proof.length > 0) throw refuse(CHECKPOINT_FORK, `${proof.length} hashes`, 'none: no head was signed');
    return;
  }
  if (next.size < last.size) throw refuse(CHECKPOINT_FORK, `size ${next.size}`, `at least ${last.size}`);
  if (isConsistent(last, next, proof)) return;
  if (next.size === last.size) {
    throw refuse(CHECKPOINT_FORK, `another root of size ${next.size}`, 'the root that was signed');
  }
  throw refuse(CHECKPOINT_FORK, `size ${next.size} unproven`, `a proof from size ${last.size}`);
}
