import { CustodyError } from './error.ts';
import { fillRandom } from './locked-memory.ts';
import { MAX_PIN_RECORDS, PIN_KEY_BYTES, type PinJudgement, type PinRecord, sameTag } from './pin-tags.ts';

/** Where records are kept. `save` is durable when it returns, or throws STATE_WRITE. */
export interface PinStore {
  judgement(): PinJudgement;
  save(records: readonly PinRecord[]): void;
}

/** For a program that ends with its command. */
export function volatilePinStore(): PinStore {
  const key = new Uint8Array(PIN_KEY_BYTES);
  fillRandom(key);
  let records: readonly PinRecord[] = [];
  return {
    judgement: () => ({ key, records }),
    save: next => {
      records = next;
    },
  };
}

/** One request to a token process: keeps book of its attempts, before each one. */
export class PinAttempts {
  readonly #store: PinStore;
  /** Begun, and not known to be over. */
  #open: Uint8Array | undefined;

  constructor(store: PinStore) {
    this.#store = store;
  }

  /** Throws STATE_WRITE: then the PIN must not be tried. */
  begin(tag: Uint8Array): void {
    const before = this.#store.judgement().records.find(record => sameTag(record.tag, tag));
    this.#put({ tag, refused: false, unanswered: (before?.unanswered ?? 0) + 1 });
    this.#open = tag;
  }

  /** The token took the PIN, or judged nothing: a process that could say so was not killed in the attempt. */
  settle(): void {
    if (this.#open === undefined) return;
    const tag = this.#open;
    this.#open = undefined;
    this.#store.save(this.#others(tag));
  }

  /** The process said why it failed. */
  fail(error: CustodyError): void {
    if (this.#open === undefined) return;
    if (error.code !== 'PIN_INCORRECT') {
      this.settle();
      return;
    }
    this.#put({ tag: this.#open, refused: true, unanswered: 0 });
    this.#open = undefined;
  }

  #others(tag: Uint8Array): PinRecord[] {
    return this.#store.judgement().records.filter(record => !sameTag(record.tag, tag));
  }

  #put(record: PinRecord): void {
    this.#store.save([...this.#others(record.tag), record].slice(-MAX_PIN_RECORDS));
  }
}
