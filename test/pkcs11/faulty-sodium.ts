import sodium from 'sodium-native';

/** What happens to one call of libsodium: it fails, or it works and one bit of its output flips. */
export type Fault = 'fails' | 'flips a bit';

export type Outcome<T> = { readonly hit: boolean } & ({ readonly result: T } | { readonly thrown: unknown });

/** Wipes work: what is tried is that they happen. */
const SOUND: readonly string[] = ['sodium_memzero', 'sodium_free'];
/** Where the secret output is not the first argument. */
const OUTPUT_AT: Readonly<Record<string, number>> = { crypto_sign_seed_keypair: 1 };
/** They give no output, or none that a fault could be about. */
const WITHOUT_OUTPUT: readonly string[] = ['sodium_malloc', 'sodium_mlock', 'sodium_memcmp'];

/** libsodium under a hand that makes one call go wrong, and sees all locked memory that is taken meanwhile. */
export class FaultySodium {
  /** Every buffer of locked memory since the beginning, so also what is free again. */
  readonly #pages: Buffer[] = [];
  readonly #originals = new Map<string, unknown>();
  #calls = 0;
  #fault: { readonly at: number; readonly fault: Fault; readonly bit: number } | undefined;

  constructor() {
    for (const [name, original] of Object.entries(sodium)) {
      if (typeof original !== 'function' || SOUND.includes(name)) continue;
      this.#originals.set(name, original);
      Reflect.set(sodium, name, (...args: unknown[]) =>
        this.#call(name, original as (...args: unknown[]) => unknown, args),
      );
    }
  }

  /** How many calls `act` makes. */
  async count(act: () => unknown): Promise<number> {
    this.#calls = 0;
    await act();
    return this.#calls;
  }

  /** Runs `act` with a fault at one of its calls, counted from 1. What it returned, or threw; whether it came so far. */
  async run<T>(act: () => T | Promise<T>, at: number, fault: Fault, bit = 0): Promise<Outcome<T>> {
    this.#calls = 0;
    this.#fault = { at, fault, bit };
    try {
      return { result: await act(), hit: this.#calls >= at };
    } catch (thrown) {
      return { thrown, hit: this.#calls >= at };
    } finally {
      this.#fault = undefined;
    }
  }

  /** Buffers of locked memory that hold anything but zeros. */
  get used(): number {
    return this.#pages.filter(page => page.some(byte => byte !== 0)).length;
  }

  restore(): void {
    for (const [name, original] of this.#originals) Reflect.set(sodium, name, original);
  }

  #call(name: string, original: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    this.#calls += 1;
    const hit = this.#calls === this.#fault?.at ? this.#fault : undefined;
    if (hit?.fault === 'fails') throw new Error(`${name} fails on purpose`);
    const result = original.apply(sodium, args);
    if (name === 'sodium_malloc') this.#pages.push(result as Buffer);
    const out = args[OUTPUT_AT[name] ?? 0];
    if (hit !== undefined && out instanceof Uint8Array && !WITHOUT_OUTPUT.includes(name)) flip(out, hit.bit);
    return result;
  }
}

function flip(out: Uint8Array, bit: number): void {
  const at = (bit >> 3) % out.length;
  out[at] = (out[at] ?? 0) ^ (1 << (bit & 7));
}

/** About `most` of the numbers from 1 to `count`, the first ones all. */
export function spread(count: number, most: number): number[] {
  const step = Math.max(1, count / most);
  const some = Array.from({ length: Math.min(count, most) }, (_, i) => 1 + Math.floor(i * step));
  const first = Array.from({ length: Math.min(count, 60) }, (_, i) => i + 1);
  return [...new Set([...first, ...some, count])];
}
