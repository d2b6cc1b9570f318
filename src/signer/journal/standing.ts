import { SignerError } from '../contract/problems.ts';
import type { EntrySecond, HaltedEntry, RecoveredEntry } from './entries.ts';
import type { EntryWriter } from './entry-writer.ts';
import type { Fold } from './fold.ts';

/** What a recovery decides. `lost` is the newest checkpoint of the history that is given up, if one is known. */
export type Recovery = Pick<RecoveredEntry, 'origin' | 'fence' | 'lost'>;

/** Whether the journal may be signed for: its name, a halt, and the fence of the last recovery. */
export class Standing {
  readonly #writer: EntryWriter;
  #origin: string;
  #formerOrigins: readonly string[];
  #fence: number;
  #halted: HaltedEntry | undefined;

  constructor(writer: EntryWriter, fold: Fold) {
    this.#writer = writer;
    this.#origin = fold.origin;
    this.#formerOrigins = fold.formerOrigins;
    this.#fence = fold.fence;
    this.#halted = fold.halted;
  }

  /** The name under which heads are signed. */
  get origin(): string {
    return this.#origin;
  }

  /** Names that recoveries gave up. */
  get formerOrigins(): readonly string[] {
    return this.#formerOrigins;
  }

  /** The first second (Unix time) that may be spent. */
  get fence(): number {
    return this.#fence;
  }

  /** Why nothing is signed until `init --recover`, if so. */
  get halted(): SignerError | undefined {
    const message = 'the journal lacks what a checkpoint says; stop the daemon and run `init --recover`';
    return this.#halted && new SignerError(this.#halted.code, message);
  }

  /** The checkpoint that halted, which this journal does not contain. */
  get contradiction(): RecoveredEntry['lost'] {
    return this.#halted === undefined ? null : { size: this.#halted.size, root: this.#halted.root };
  }

  /** SignerError of a halt; FENCED with the seconds to wait when one of the seconds may have been spent before the recovery. */
  checkFence(seconds: readonly Pick<EntrySecond, 'second'>[], now: number): void {
    // A request that was on its way when another one halted the signer.
    if (this.halted !== undefined) throw this.halted;
    if (this.#fence === 0 || seconds.every(({ second }) => second >= this.#fence)) return;
    throw new SignerError('FENCED', 'wait: the texts of before the recovery are still in force', {
      retryAfter: Math.max(1, this.#fence - now),
    });
  }

  /** Notes a halt, once. The caller has a transaction open. */
  halt(entry: Omit<HaltedEntry, 'kind'>): void {
    if (this.#halted !== undefined) return;
    const halted = { kind: 'halted', ...entry } as const;
    this.#writer.append(halted);
    this.#halted = halted;
  }

  /** Ends a halt and begins a new name. The caller has a transaction open. */
  recover(at: number, { origin, fence, lost }: Recovery): void {
    const raised = Math.max(fence, this.#fence);
    this.#writer.append({ kind: 'recovered', at, origin, fence: raised, lost });
    this.#formerOrigins = [...this.#formerOrigins, this.#origin];
    this.#origin = origin;
    this.#fence = raised;
    this.#halted = undefined;
  }
}
