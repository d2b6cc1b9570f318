import {
  deriveKpHsBlindId,
  type KpHsBlindId,
  type KpHsId,
  type TimePeriod,
  toHex,
} from '../descriptor/index.ts';

const MAX_KEPT = 8192;

/** Public blinded keys by service and period: a point multiplication each, and every request needs the same few. */
export class BlindedKeys {
  readonly #kept = new Map<string, KpHsBlindId>();

  /** KP_hs_blind_id (32 bytes) of `kpHsId` in `period`. rend-spec-v3 §A.2 */
  of(kpHsId: KpHsId, period: TimePeriod): KpHsBlindId {
    const key = `${toHex(kpHsId)} ${period.periodNum} ${period.lengthMinutes}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    const derived = deriveKpHsBlindId(kpHsId, period);
    this.#kept.set(key, derived);
    return derived;
  }
}
