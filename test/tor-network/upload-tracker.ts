import { EventEmitter, once } from 'node:events';
import type { HsDescEvent } from '../../src/publisher/control/events.ts';

/** Follows the uploads of one onion service by the HS_DESC events of its own tor. */
export class UploadTracker {
  readonly #changed = new EventEmitter();
  /** Blinded keys whose upload has begun. */
  #descriptors = new Set<string>();
  /** Uploads without an end, per directory. UPLOADED names no blinded key, so they are counted. */
  #open = new Map<string, number>();
  #stored = 0;
  #failure: Error | undefined;

  reset(): void {
    this.#descriptors = new Set();
    this.#open = new Map();
    this.#stored = 0;
    this.#failure = undefined;
  }

  take(event: HsDescEvent): void {
    const directory = event.hsDir?.fingerprint ?? '';
    if (event.action === 'UPLOAD') {
      if (event.kpHsBlindId !== undefined) this.#descriptors.add(event.kpHsBlindId);
      this.#count(directory, 1);
    } else if (event.action === 'UPLOADED') {
      this.#stored++;
      this.#count(directory, -1);
    } else if (event.action === 'FAILED') this.#count(directory, -1);
    this.#changed.emit('change');
  }

  #count(directory: string, step: number): void {
    this.#open.set(directory, Math.max(0, (this.#open.get(directory) ?? 0) + step));
  }

  /** The service's tor is gone: waiting is over. */
  fail(reason: Error): void {
    this.#failure = reason;
    this.#changed.emit('change');
  }

  /** Waits until both descriptors have been stored and no upload is open. */
  async published(): Promise<void> {
    while (!this.#done()) {
      if (this.#failure !== undefined) throw this.#failure;
      await once(this.#changed, 'change');
    }
  }

  #done(): boolean {
    const open = this.#open.values().reduce((sum, count) => sum + count, 0);
    return this.#descriptors.size >= 2 && this.#stored >= 2 && open === 0;
  }
}
