import type { Bytes, CertifiedIntroductionPoint } from '../../../src/descriptor/index.ts';
import { type Forgery, noise } from '../../descriptor/forge.ts';
import type { Context } from '../strictness-cases.ts';

/** A whole number from 0 to below `below`, the same in every run. */
export type Draw = (below: number) => number;

/** Which text a mutation changes. A mutant of a point is one more point behind those of the base. */
export type Level = 'outer' | 'middle' | 'inner' | 'point';

/** Where one mutation interferes; several hooks may be used at once. Text is Latin-1, one character per byte. */
export interface Mutation {
  /** More of the forgery than text. */
  readonly forgery?: Forgery;
  /** Changes the text of the level: before encryption and signature. For `inner` the head alone. */
  readonly edit?: (text: string) => string;
  /** Changes the point before its section is written. */
  readonly point?: (point: CertifiedIntroductionPoint) => CertifiedIntroductionPoint;
  /** Changes the whole inner layer, points included. */
  readonly inner?: (text: string) => string;
  /** Changes the finished text, its signature line included. */
  readonly finish?: (text: string) => string;
}

/** A class of mutations. What is drawn is the parameter of one mutant. */
export interface Kind {
  readonly name: string;
  readonly level: Level;
  /** The text names another blinded key than the service's: directories store it where no client looks. */
  readonly elsewhere?: true;
  /** Of services without authorized clients only. */
  readonly unrestricted?: true;
  readonly mutate: (draw: Draw, context: Context) => Mutation;
}

/** Numbers that depend on the label alone; `drawn` collects them. */
export function drawsOf(label: string, drawn: number[] = []): Draw {
  let count = 0;
  return below => {
    const value = Buffer.from(noise(`draw ${label} ${count++}`, 6)).readUIntBE(0, 6) % below;
    drawn.push(value);
    return value;
  };
}

/** One of the values. */
export function pick<T>(draw: Draw, values: readonly T[]): T {
  const value = values[draw(values.length)];
  if (value === undefined) throw new Error('there is nothing to pick from');
  return value;
}

/** Replaces what must be there. */
export function replace(
  text: string,
  pattern: RegExp | string,
  by: string | ((found: string) => string),
): string {
  const edited = typeof by === 'string' ? text.replace(pattern, () => by) : text.replace(pattern, by);
  if (edited === text && !new RegExp(pattern, 'u').test(text))
    throw new Error(`nothing to edit: ${String(pattern)}`);
  return edited;
}

/** The byte at `at` counted from the front, or from the end when negative, with these bits turned over. */
export function flipBits(bytes: Bytes, at: number, bits = 1): Bytes {
  const place = at < 0 ? bytes.length + at : at;
  return bytes.map((byte, index) => (index === place ? byte ^ bits : byte));
}

/** Little-endian. */
export function littleEndian(value: bigint, length = 32): Bytes {
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}
