import { CustodyError } from './error.ts';
import { fillRandom } from './locked-memory.ts';
import {
  checkPinTags,
  MAX_PIN_RECORDS,
  PIN_KEY_BYTES,
  type PinJudgement,
  type PinRecord,
  type PinTags,
  recordOf,
  sameTag,
} from './pin-tags.ts';
import type { TokenAccess } from './token-messages.ts';

/** What one token said to the PIN that its source had when it was asked. */
export interface PinWord {
  readonly access: TokenAccess;
  /** What `nameOf` said before the attempt: by now there may be another PIN in its place. */
  readonly name: Uint8Array;
  readonly isTaken: boolean;
}

/** The one place where it is remembered what came of PINs. */
export interface PinStore {
  /** What is known now; for one token, when it is known which one is asked. */
  judgement(access?: TokenAccess): PinJudgement;
  /** Names what the source of this token's PIN has now, without reading it; undefined where no names are kept. */
  nameOf(access: TokenAccess): Uint8Array | undefined;
  /** Whether some token took what has this name. */
  wasTaken(name: Uint8Array): boolean;
  /** Replaces the records, and adds a word. Durable when it returns, or throws STATE_WRITE. */
  save(records: readonly PinRecord[], word?: PinWord): void;
  /** One for all requests that share the records. */
  readonly attempts: OpenAttempts;
  /** Resolves when no other process tries a PIN, so that what is known has no attempt in it that goes on; absent where there is none. */
  quiet?(): Promise<void>;
}

/** For a program that ends with its command. */
export function volatilePinStore(): PinStore {
  const key = new Uint8Array(PIN_KEY_BYTES);
  fillRandom(key);
  let records: readonly PinRecord[] = [];
  return {
    judgement: () => ({ key, records, isOwn: false }),
    nameOf: () => undefined,
    wasTaken: () => false,
    save: next => {
      records = next;
    },
    attempts: new OpenAttempts(),
  };
}

/** A PIN is tried, until `end` is called; `hasWaited` when somebody else tried it before. */
export interface Attempt {
  readonly end: () => void;
  readonly hasWaited: boolean;
}

/** Attempts that are being made now: a PIN is tried by one process at a time, so that the next one learns what came of it. */
export class OpenAttempts {
  readonly #open = new Map<string, Promise<void>>();
  #isClosed = false;

  /** Resolves when nobody else tries one of these tags. @throws CustodyError TOKEN_DEAD after `close` */
  async begin({ token, source }: PinTags): Promise<Attempt> {
    const names = [token, source].map(tag => Buffer.from(tag).toString('hex'));
    let hasWaited = false;
    for (let other = this.#find(names); other !== undefined; other = this.#find(names)) {
      hasWaited = true;
      await other;
    }
    if (this.#isClosed) throw new CustodyError('TOKEN_DEAD');
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const name of names) this.#open.set(name, promise);
    const end = (): void => {
      for (const name of names) this.#open.delete(name);
      resolve();
    };
    return { end, hasWaited };
  }

  /** No attempt begins any more; resolves when none is open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#open.values());
  }

  #find(names: readonly string[]): Promise<void> | undefined {
    return names.map(name => this.#open.get(name)).find(open => open !== undefined);
  }
}

/** One request to a token process: keeps book of its attempts, before each one. */
export class PinAttempts {
  readonly #store: PinStore;
  readonly #asked: Pick<PinWord, 'access' | 'name'> | undefined;
  /** What the process was told. */
  readonly judgement: PinJudgement;
  /** Begun, and not known to be over. */
  #open: { readonly tags: PinTags; readonly end: () => void } | undefined;
  #isOver = false;

  /** `access` when only one token is asked. */
  constructor(store: PinStore, access?: TokenAccess) {
    this.#store = store;
    const name = access && store.nameOf(access);
    this.#asked = access && name && { access, name };
    this.judgement = store.judgement(access);
  }

  /**
   * Waits for who tries the same PIN. Throws what forbids the attempt: STATE_WRITE; PIN_INCORRECT, PIN_UNANSWERED when that is
   * known since the process began; TOKEN_DEAD when it has ended meanwhile.
   */
  async begin(tags: PinTags): Promise<void> {
    const { end, hasWaited } = await this.#store.attempts.begin(tags);
    try {
      if (this.#isOver) throw new CustodyError('TOKEN_DEAD');
      const { isOwn, records: told } = this.judgement;
      const unanswered = checkPinTags({ records: this.#records, isOwn }, tags);
      // Of another attempt without an answer: whether the token counted it, this process has not looked.
      const judged = hasWaited ? 0 : checkPinTags({ records: told, isOwn }, tags);
      if (unanswered > judged) throw new CustodyError('PIN_UNANSWERED');
      this.#put([{ tag: tags.token, verdict: 'none', unanswered: unanswered + 1 }]);
      this.#open = { tags, end };
    } catch (thrown) {
      end();
      throw thrown;
    }
  }

  /** The token took the PIN, also one that was typed. So it is right, whoever else refused it. Throws STATE_WRITE. */
  taken(): void {
    this.#close(tags => {
      const isRefused = tags !== undefined && recordOf(this.#records, tags.source)?.verdict === 'refused';
      const records = isRefused ? [{ tag: tags.source, verdict: 'taken', unanswered: 0 } as const] : [];
      this.#put(records, { over: tags?.token, isTaken: true });
    });
  }

  /** The token judged nothing: a process that could say so was not killed in the attempt. Throws STATE_WRITE. */
  settle(): void {
    this.#close(tags => {
      if (tags !== undefined) this.#put([], { over: tags.token });
    });
  }

  /** The process said why it failed. Throws STATE_WRITE. */
  fail(error: CustodyError): void {
    if (error.code !== 'PIN_INCORRECT') {
      this.settle();
      return;
    }
    this.#close(tags => {
      if (tags === undefined) {
        this.#put([], { isTaken: false });
        return;
      }
      const token = { tag: tags.token, verdict: 'refused', unanswered: 0 } as const;
      const verdict = this.#isRight(tags) ? 'taken' : 'refused';
      // A person's word that this is the token's PIN was wrong; that says nothing of other tokens.
      const isPersons = this.judgement.isOwn && this.#asked === undefined;
      const source = isPersons ? [] : [{ tag: tags.source, verdict, unanswered: 0 } as const];
      this.#put([token, ...source], { isTaken: false });
    });
  }

  /** Whether another token took what this one refuses. Where this one took it before, that may have been all. */
  #isRight({ source }: PinTags): boolean {
    if (this.judgement.isOwn) return false;
    const wasTaken = this.#asked !== undefined && this.#store.wasTaken(this.#asked.name);
    return wasTaken || recordOf(this.#records, source)?.verdict === 'taken';
  }

  /** The process is gone. An attempt of which it said nothing stays without an answer. */
  end(): void {
    this.#isOver = true;
    this.#close(() => undefined);
  }

  #close(note: (tags: PinTags | undefined) => void): void {
    const open = this.#open;
    this.#open = undefined;
    try {
      note(open?.tags);
    } finally {
      open?.end();
    }
  }

  get #records(): readonly PinRecord[] {
    return this.#store.judgement().records;
  }

  /** Puts these records in the place of those of the same tags, and of what is over; with what the token said, if it did. */
  #put(
    records: readonly PinRecord[],
    { over, isTaken }: { over?: Uint8Array | undefined; isTaken?: boolean } = {},
  ): void {
    const gone = [...(over === undefined ? [] : [over]), ...records.map(({ tag }) => tag)];
    const others = this.#records.filter(record => !gone.some(tag => sameTag(record.tag, tag)));
    const word = isTaken === undefined ? undefined : this.#asked && { ...this.#asked, isTaken };
    if (gone.length === 0 && word === undefined) return;
    this.#store.save([...others, ...records].slice(-MAX_PIN_RECORDS), word);
  }
}
