import type { NetworkProfile } from '../descriptor/index.ts';

const OPENINGS_PER_INTERVAL = 4;
const BACK_OFFS_PER_INTERVAL = 60;

/**
 * How often the identity of one service may be opened: four times in a voting interval (an hour on the public
 * network), and after failures only when a pause has passed that doubles up to a whole interval.
 */
export class OpeningBudget {
  readonly #interval: number;
  #openings: number[] = [];
  #failures = 0;
  #notBefore = 0;

  constructor(profile: NetworkProfile) {
    this.#interval = profile.votingIntervalSeconds;
  }

  /** Whether an opening may begin. Unix seconds; a clock that steps back does not lock it for long. */
  allows(nowSeconds: number): boolean {
    this.#openings = this.#openings.filter(at => at > nowSeconds - this.#interval && at <= nowSeconds);
    return !this.isPaused(nowSeconds) && this.#openings.length < OPENINGS_PER_INTERVAL;
  }

  /** Whether the pause after a failure is not over. */
  isPaused(nowSeconds: number): boolean {
    return nowSeconds < this.#notBefore && this.#notBefore <= nowSeconds + this.#interval;
  }

  /** The first second at which an opening may begin, as far as is known now. */
  nextTry(nowSeconds: number): number {
    const [oldest = 0] = this.#openings.slice(-OPENINGS_PER_INTERVAL);
    const isUsedUp = this.#openings.length >= OPENINGS_PER_INTERVAL;
    const pause = this.isPaused(nowSeconds) ? this.#notBefore : nowSeconds;
    return Math.max(pause, isUsedUp ? oldest + this.#interval : 0);
  }

  /** What failed may go well now; the openings of the interval stay counted. */
  endPause(): void {
    this.#notBefore = 0;
  }

  begin(nowSeconds: number): void {
    this.#openings.push(nowSeconds);
  }

  /** The opening that was begun last was not made. */
  giveBack(): void {
    this.#openings.pop();
  }

  succeed(): void {
    this.#failures = 0;
    this.#notBefore = 0;
  }

  fail(nowSeconds: number): void {
    const first = Math.max(1, this.#interval / BACK_OFFS_PER_INTERVAL);
    const pause = Math.min(this.#interval, first * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    this.#notBefore = nowSeconds + Math.ceil(pause);
  }
}
