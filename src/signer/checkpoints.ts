import { extensionProof, LogFrontier } from './contract/log-proof.ts';
import { openCheckpoint, parseNoteVerifier, parseSignedNote } from './contract/signed-note.ts';
import { SignerError } from './contract/problems.ts';
import type { Journal } from './journal/journal.ts';
import { openVouching } from './contract/vouching.ts';
import type { CustodyStatus, Keyholder } from './ports.ts';

/**
 * The newest signed head of the journal, and the judgement of heads that come back from outside. A head that is
 * newer than the journal, or of another history, halts the signer: the disk was rolled back.
 */
export class Checkpoints {
  readonly #journal: Journal;
  readonly #keyholder: Keyholder;
  readonly #now: () => number;
  #newest: { readonly size: number; readonly note: string } | undefined;
  /** The tree that the keyholder signed last; undefined until it was asked. */
  #signed: LogFrontier | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #halted: SignerError | undefined;

  /** `now` gives Unix seconds. */
  constructor(journal: Journal, keyholder: Keyholder, now: () => number) {
    this.#now = now;
    this.#journal = journal;
    this.#keyholder = keyholder;
  }

  /** Why nothing is signed any more, if so: found now, or before the last start. */
  get halted(): SignerError | undefined {
    return this.#halted ?? this.#journal.standing.halted;
  }

  /** The signed note over the present head. */
  async newest(): Promise<string> {
    // One after the other: each head is proven from the one before.
    const signed = this.#queue.then(() => this.#sign());
    this.#queue = signed.catch(() => undefined);
    return await signed;
  }

  /** Keeps the newest note in the journal, if there is one: retention removes nothing that no kept note covers. */
  async keep(): Promise<void> {
    if (this.#newest !== undefined) await this.#journal.attestations.keep(this.#newest, this.#now());
  }

  /** Writes down each identity's word for our checkpoint key, once. SignerError NOTE_* for what is no such word. */
  async noteVouchings(services: readonly Pick<CustodyStatus, 'alias' | 'vouching'>[]): Promise<void> {
    const { attestations, standing } = this.#journal;
    for (const { alias, vouching } of services) {
      if (vouching === '' || attestations.isKnown(vouching)) continue;
      if (openVouching(vouching).key.name !== standing.origin)
        throw new SignerError('NOTE_UNVERIFIED', 'the keyholder shows a vouching for another key');
      await attestations.vouched(alias, vouching, this.#now());
    }
  }

  async #sign(): Promise<string> {
    const { size, rootHash } = this.#journal.head();
    if (this.#newest !== undefined && this.#newest.size === size) return this.#newest.note;
    const signed = (this.#signed ??= this.#frontierAt(await this.#keyholder.signedSize()));
    // Whether the keyholder signed is not known before it answers.
    this.#signed = undefined;
    const added = this.#journal.archive.leaves(signed.size, size);
    const note = await this.#keyholder.checkpoint(size, rootHash, extensionProof(signed, added));
    for (const leaf of added) signed.append(leaf);
    [this.#signed, this.#newest] = [signed, { size, note }];
    return note;
  }

  /** SignerError CHECKPOINT_FORK when the keyholder signed more than the journal has. */
  #frontierAt(size: number): LogFrontier {
    if (size > this.#journal.head().size) {
      throw new SignerError(
        'CHECKPOINT_FORK',
        'the keyholder signed another history; restore the state directory, or run `init --recover`',
      );
    }
    const frontier = new LogFrontier();
    for (const leaf of this.#journal.archive.leaves(0, size)) frontier.append(leaf);
    return frontier;
  }

  /** The newest note if one was made already; asks nobody. */
  get known(): string | undefined {
    return this.#newest?.note;
  }

  /**
   * Judges an echo. SignerError NOTE_FORMAT, NOTE_UNVERIFIED; CHECKPOINT_AHEAD and CHECKPOINT_FORK halt, durably. What
   * was signed before a recovery, under another name, says nothing about this history.
   */
  async check(note: string): Promise<void> {
    const { formerOrigins } = this.#journal.standing;
    if (parseSignedNote(note).signatures.every(({ name }) => formerOrigins.includes(name))) return;
    const { checkpointKey } = await this.#keyholder.status();
    const { size, rootHash } = openCheckpoint(note, parseNoteVerifier(checkpointKey));
    try {
      this.#journal.checkEcho(size, rootHash);
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
      this.#halted = error;
      if (error.code === 'CHECKPOINT_AHEAD' || error.code === 'CHECKPOINT_FORK')
        await this.#journal.halt(error.code, size, rootHash);
      throw error;
    }
  }
}
