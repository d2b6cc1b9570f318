// Checkpoints of the journal as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note).

import { hash } from 'node:crypto';
import { refuse } from './denial.ts';
import { type Secret, ed25519FromSeed, ed25519Sign, withScratch } from './locked-memory.ts';
import type { ProvenHead } from './keyholder-messages.ts';
import { isConsistent } from './log-consistency.ts';
import type { CheckpointMark, MarkLog } from './mark-log.ts';

/** Ed25519, as signed-note numbers it. */
const SIGNATURE_TYPE = 1;
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
  readonly #seed: Secret;
  readonly #keyHash: Uint8Array;
  readonly #marks: MarkLog;

  /** `seed` (32 bytes) stays the caller's. */
  constructor(seed: Secret, marks: MarkLog) {
    const publicKey = withScratch(64, secretKey => seed.use(bytes => ed25519FromSeed(secretKey, bytes)));
    this.#seed = seed;
    this.#marks = marks;
    this.origin = `onion-signer/${publicKey.toString('hex', 0, 4)}`;
    const typed = Buffer.concat([Uint8Array.of(SIGNATURE_TYPE), publicKey]);
    this.#keyHash = hash(
      'sha256',
      Buffer.concat([Buffer.from(`${this.origin}\n`), typed]),
      'buffer',
    ).subarray(0, 4);
    this.vkey = `${this.origin}+${Buffer.from(this.#keyHash).toString('hex')}+${typed.toString('base64')}`;
  }

  /**
   * The signed note of a tree head, with the proof that it continues the last one; it is recorded durably first.
   * @throws CustodyError KEYHOLDER_REFUSED: CHECKPOINT-FORK when it is smaller than the last one, not proven to continue
   *   it, or too large; STATE_WRITE
   */
  sign({ size, rootHash, proof }: ProvenHead): string {
    const last = this.#marks.checkpoint;
    const grown = (last?.size ?? 0n) + MAX_GROWTH;
    const largest = grown < MAX_SIZE ? grown : MAX_SIZE;
    if (size < 1n || size > largest) throw refuse(CHECKPOINT_FORK, `size ${size}`, `1 to ${largest}`);
    checkSuccessor(last, { size, root: rootHash }, proof);
    if (last?.size !== size) this.#marks.recordCheckpoint({ size, root: rootHash });
    const text = `${this.origin}\n${size}\n${Buffer.from(rootHash).toString('base64')}\n`;
    const signature = withScratch(64, secretKey =>
      this.#seed.use(seed => {
        ed25519FromSeed(secretKey, seed);
        return ed25519Sign(Buffer.from(text), secretKey);
      }),
    );
    const line = Buffer.concat([this.#keyHash, signature]).toString('base64');
    return `${text}\n\u2014 ${this.origin} ${line}\n`;
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
