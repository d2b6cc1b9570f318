// What a signer may never do, whatever kills it: the judge of everything that was seen of one, pure.

import type { SignAnswer } from '../../src/signer/contract/requests.ts';

/** A text that the keyholder made, released or not. */
export interface MadeText {
  readonly service: string;
  readonly periodNum: number;
  readonly variant: number;
  readonly revisionCounter: bigint;
  /** SHA-256, 64 hexadecimal digits. */
  readonly digest: string;
}

/** What the journal says after a restart. */
export interface JournalView {
  readonly size: number;
  /** The root when the log had `size` entries, 64 hexadecimal digits; undefined for a size it never had. */
  rootAt(size: number): string | undefined;
  /** Whether a text is archived. */
  holds(digest: string): boolean;
}

/** An acknowledged head: size and root (64 hexadecimal digits). */
export interface AcknowledgedHead {
  readonly size: number;
  readonly root: string;
}

/** One breach, in words. */
export type Finding = string;

/** Everything that was seen of one signer over all of its lives. */
export class History {
  readonly findings: Finding[] = [];
  readonly #texts = new Map<string, string>();
  readonly #answers = new Map<string, string>();
  readonly #digests = new Set<string>();
  #head: AcknowledgedHead = { size: 0, root: '' };

  get texts(): number {
    return this.#texts.size;
  }

  get answers(): number {
    return this.#answers.size;
  }

  /** Whether a request with this id was answered. */
  isAnswered(id: string): boolean {
    return this.#answers.has(id);
  }

  /** One revision counter of one blinded key never stands in two texts. */
  made({ service, periodNum, variant, revisionCounter, digest }: MadeText): void {
    const place = `${service} period ${periodNum} variant ${variant} counter ${revisionCounter}`;
    const before = this.#texts.get(place);
    if (before !== undefined && before !== digest) this.findings.push(`two texts: ${place}`);
    this.#texts.set(place, digest);
  }

  /** The same id never gets another answer; every text of an answer was made; heads never go back. */
  answered(answer: SignAnswer, digests: readonly string[], head: AcknowledgedHead): void {
    const words = JSON.stringify({ ...answer, checkpoint: '' }); // the newest head is added as it leaves
    const before = this.#answers.get(answer.id);
    if (before !== undefined && before !== words) this.findings.push(`another answer: ${answer.id}`);
    this.#answers.set(answer.id, words);
    for (const digest of digests) this.#digests.add(digest);
    if (head.size < this.#head.size) this.findings.push(`the head went back to ${head.size}`);
    if (head.size === this.#head.size && head.root !== this.#head.root)
      this.findings.push(`two heads of ${head.size}`);
    this.#head = head;
  }

  /** Nothing acknowledged is missing in the journal, and its history is the one that was acknowledged. */
  compare(journal: JournalView): void {
    const { size, root } = this.#head;
    if (size > 0 && journal.rootAt(size) !== root) this.findings.push(`the head of ${size} is lost`);
    for (const digest of this.#digests) {
      if (!journal.holds(digest)) this.findings.push(`a released text is lost: ${digest}`);
    }
  }
}
