import { createHash } from 'node:crypto';

/** Numbers that look random and follow from a label alone (sfc32 over SHA-256): never for keys. */
export class Random {
  readonly #state: Uint32Array;

  constructor(label: string) {
    const hash = createHash('sha256').update(label).digest();
    this.#state = Uint32Array.from({ length: 4 }, (_, i) => hash.readUInt32LE(4 * i));
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** 0…2^32−1 */
  u32(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, count = 0] = s;
    const sum = (a + b + count) >>> 0;
    s[3] = count + 1;
    s[0] = b ^ (b >>> 9);
    s[1] = c + (c << 3);
    s[2] = ((c << 21) | (c >>> 11)) + sum;
    return sum;
  }

  /** 0…limit−1; 0 for a limit below 1. */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.u32() % limit;
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** A range inside `length` of which short ones are likelier: from, to. */
  range(length: number): [number, number] {
    const from = this.below(length + 1);
    const most = this.oneIn(4) ? length - from : Math.min(length - from, 16);
    return [from, from + this.below(most + 1)];
  }
}
