import { CustodyError } from './error.ts';
import type { PinSource } from './pin.ts';
import { MAX_UNANSWERED, pinTag, type PinJudgement, sameTag } from './pin-tags.ts';

/** A token before login, as far as a PIN is concerned. */
export interface PinToken {
  /** Label, maker, model and serial number in one text. */
  readonly identity: string;
  /** CKF_USER_PIN_COUNT_LOW: somebody tried a wrong PIN since the last right one. */
  isPinCountLow(): boolean;
  login(pin: string): void;
}

/** The keyholder's side: what it has to know before and after an attempt. */
export interface PinWitness {
  /** Resolves when it is on disk that this PIN is tried now. */
  begin(tag: Uint8Array): Promise<void>;
  /** The token took it. */
  taken(): Promise<void>;
}

/**
 * In the token process: the only way to a login. A PIN that this token refused is not tried again, one that got no answer at
 * most once more, and not when the token has counted a wrong one since. What a person types is that person's matter.
 */
export class PinGate {
  readonly #judgement: PinJudgement;
  readonly #witness: PinWitness;

  constructor(judgement: PinJudgement, witness: PinWitness) {
    this.#judgement = judgement;
    this.#witness = witness;
  }

  /** Throws PIN_INCORRECT, PIN_UNANSWERED; what `login` and the witness throw. */
  async login(token: PinToken, pin: string, source: PinSource): Promise<void> {
    if (source.kind === 'tty') {
      token.login(pin);
      return;
    }
    const { key, records } = this.#judgement;
    const tag = pinTag(key, token.identity, pin);
    const known = records.find(record => sameTag(record.tag, tag));
    if (known?.refused === true) throw new CustodyError('PIN_INCORRECT');
    const unanswered = known?.unanswered ?? 0;
    if (unanswered >= MAX_UNANSWERED || (unanswered > 0 && token.isPinCountLow()))
      throw new CustodyError('PIN_UNANSWERED');
    await this.#witness.begin(tag);
    token.login(pin);
    await this.#witness.taken();
  }
}
