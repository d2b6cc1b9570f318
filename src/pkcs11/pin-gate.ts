import { CustodyError } from './error.ts';
import type { PinSource } from './pin.ts';
import { checkPinTags, MAX_UNANSWERED, type PinJudgement, type PinTags, pinTags } from './pin-tags.ts';

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
  /** Resolves when it is on disk that this PIN is tried now. Throws PIN_… when another process learned meanwhile what forbids it. */
  begin(tags: PinTags): Promise<void>;
  /** The token took it. */
  taken(): Promise<void>;
}

/**
 * In the token process: the only way to a login. A PIN that this token refused is not tried again, nor one that another token
 * refused and none took, from this source; one that got no answer is tried once more at most, and not when the token has
 * counted a wrong one since. What a person types is that person's matter.
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
      await this.#witness.taken();
      return;
    }
    const tags = pinTags(this.#judgement.key, token.identity, source, pin);
    const unanswered = checkPinTags(this.#judgement, tags);
    if (unanswered >= MAX_UNANSWERED || (unanswered > 0 && token.isPinCountLow()))
      throw new CustodyError('PIN_UNANSWERED');
    await this.#witness.begin(tags);
    token.login(pin);
    await this.#witness.taken();
  }
}
