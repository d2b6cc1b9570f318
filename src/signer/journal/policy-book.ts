import { SignerError } from '../contract/problems.ts';
import type { Approval } from '../policy/approval.ts';
import { type JournalArchive, sha256Hex } from './archive.ts';
import type { EntryWriter, LogHead } from './entry-writer.ts';
import type { PolicyMark } from './fold.ts';

/** The policies of a journal: the one in force, and all before it, which no retention takes. */
export class PolicyBook {
  readonly #marks: PolicyMark[];
  readonly #writer: EntryWriter;
  readonly #archive: JournalArchive;
  readonly #write: <T>(work: () => T) => Promise<T>;
  readonly #now: () => number;

  constructor(
    marks: readonly PolicyMark[],
    writer: EntryWriter,
    archive: JournalArchive,
    write: <T>(work: () => T) => Promise<T>,
    now: () => number,
  ) {
    this.#marks = [...marks];
    this.#writer = writer;
    this.#archive = archive;
    this.#write = write;
    this.#now = now;
  }

  /**
   * Puts a policy in force: its canonical bytes under a serial above the last. The policy in force under its own serial
   * changes nothing, so that an application that was cut off can be repeated. `approval` is judged before. SignerError POLICY_SERIAL.
   */
  async apply(serial: number, policy: Uint8Array, approval?: Approval): Promise<LogHead> {
    return await this.#write(() => {
      const last = this.#marks.at(-1);
      if (serial === last?.serial && sha256Hex(policy) === last.digest) return this.#writer.head();
      if (!Number.isSafeInteger(serial) || serial <= (last?.serial ?? 0)) {
        throw new SignerError('POLICY_SERIAL', 'raise the serial above that of the policy in force');
      }
      const at = this.#now();
      const use = { entry: this.#writer.nextIndex, at, publisher: '' };
      const digest = this.#archive.store(policy, use);
      const signed = this.#archive.storeApproval(approval, use);
      const { head } = this.#writer.append({ kind: 'policy', at, serial, digest, ...signed });
      // Set inside the transaction: a second serial of the same batch must see it.
      this.#marks.push({ serial, digest });
      return head;
    });
  }

  /** The policy in force, or undefined before the first `policy apply`. SignerError JOURNAL_TORN. */
  current(): (PolicyMark & { readonly text: Uint8Array }) | undefined {
    const mark = this.#marks.at(-1);
    return mark && { ...mark, text: this.#textOf(mark) };
  }

  /** Every policy that was ever in force, as canonical bytes, oldest first. SignerError JOURNAL_TORN. */
  *all(): Generator<Uint8Array> {
    for (const mark of this.#marks) yield this.#textOf(mark);
  }

  #textOf({ digest }: PolicyMark): Uint8Array {
    const text = this.#archive.text(digest);
    if (text === undefined)
      throw new SignerError('JOURNAL_TORN', 'a policy that was in force is missing; restore the state');
    return text;
  }
}
