import type { AuditSource } from './source.ts';

/** When a text was used last, by which entry, and whether it was there when it was asked for. */
interface Use {
  readonly at: number;
  readonly index: number;
  readonly isKept: boolean;
}

/** Texts that are gone although retention, which takes the oldest first, would have taken others before them. */
export interface Gap {
  readonly count: number;
  /** The entry of the first of them. */
  readonly index: number;
}

/** The archived texts of a log as they are asked for: which are gone, and whether retention can have taken those. */
export class KeptTexts {
  readonly #source: AuditSource;
  /** By digest: the last use, as retention counts it. */
  readonly #uses = new Map<string, Use>();

  constructor(source: AuditSource) {
    this.#source = source;
  }

  /** A text that entry `index` uses at `at` (Unix seconds); undefined when it is gone. */
  async text(digest: string, { index, at }: { index: number; at: number }): Promise<Uint8Array | undefined> {
    const text = await this.#source.text(digest);
    this.#uses.set(digest, { at, index, isKept: text !== undefined });
    return text;
  }

  /** The latest moment (Unix seconds) at which a text was used that is gone; undefined when none is. */
  get goneUntil(): number | undefined {
    const gone = this.#select(false);
    return gone.length === 0 ? undefined : gone.reduce((last, [, { at }]) => Math.max(last, at), 0);
  }

  /** Undefined when retention explains everything that is gone. */
  async gap(): Promise<Gap | undefined> {
    const oldest = await this.#oldestKept();
    if (oldest === undefined) return undefined;
    const gone = this.#select(false).filter(([, { at }]) => at > oldest);
    const [first] = gone.map(([, { index }]) => index).toSorted((a, b) => a - b);
    return first === undefined ? undefined : { count: gone.length, index: first };
  }

  /** The last use of the oldest text that is kept; asked once more where it matters: a daemon prunes while it is audited. */
  async #oldestKept(): Promise<number | undefined> {
    const goneUntil = this.goneUntil ?? 0;
    const older = this.#select(true).filter(([, { at }]) => at < goneUntil);
    for (const [digest, { at }] of older.toSorted(([, a], [, b]) => a.at - b.at)) {
      if ((await this.#source.text(digest)) !== undefined) return at;
    }
    return undefined;
  }

  #select(isKept: boolean): [string, Use][] {
    return [...this.#uses].filter(([, use]) => use.isKept === isKept);
  }
}
