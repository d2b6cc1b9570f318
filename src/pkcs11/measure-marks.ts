// Frozen identities and fences of blinded keys, as the marks say together.

import type { Fence, Mark } from './mark-records.ts';

type MeasureMark = Extract<Mark, { kind: 'frozen' | 'fence' }>;

/** Fences so much before everything that is known of the time are of periods that are long over. */
const KEEP_SECONDS = 14 * 86_400;

export class MeasureMarks {
  /** Identities, by their bytes in hex. */
  readonly #frozen = new Set<string>();
  /** By the blinded key in hex. */
  readonly #fences = new Map<string, Fence>();

  isFrozen(kpHsId: Uint8Array): boolean {
    return this.#frozen.has(hexOf(kpHsId));
  }

  /** Both 0 for a blinded key that was never fenced. */
  fenceOf(kpHsBlindId: Uint8Array): Fence {
    return this.#fences.get(hexOf(kpHsBlindId)) ?? { floor: 0, lead: 0 };
  }

  /** The mark that raises a fence to at least this; undefined when it is there already. */
  raised(kpHsBlindId: Uint8Array, { floor, lead }: Fence): MeasureMark | undefined {
    const before = this.fenceOf(kpHsBlindId);
    const fence = { floor: Math.max(floor, before.floor), lead: Math.max(lead, before.lead) };
    if (fence.floor === before.floor && fence.lead === before.lead) return undefined;
    return { kind: 'fence', kpHsBlindId, fence };
  }

  take(mark: MeasureMark): void {
    if (mark.kind === 'fence') {
      const raised = this.raised(mark.kpHsBlindId, mark.fence);
      if (raised?.kind === 'fence') this.#fences.set(hexOf(mark.kpHsBlindId), raised.fence);
    } else if (mark.frozen) this.#frozen.add(hexOf(mark.kpHsId));
    else this.#frozen.delete(hexOf(mark.kpHsId));
  }

  /** Forgets what no period can ask for any more; `floor` in Unix seconds. */
  compact(floor: number): void {
    for (const [key, fence] of this.#fences) if (fence.floor + KEEP_SECONDS < floor) this.#fences.delete(key);
  }

  /** Everything, as marks of a new file. */
  marks(): MeasureMark[] {
    return [
      ...[...this.#frozen].map(
        key => ({ kind: 'frozen', kpHsId: Buffer.from(key, 'hex'), frozen: true }) as const,
      ),
      ...[...this.#fences].map(
        ([key, fence]) => ({ kind: 'fence', kpHsBlindId: Buffer.from(key, 'hex'), fence }) as const,
      ),
    ];
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
