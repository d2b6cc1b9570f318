import { isDeepStrictEqual } from 'node:util';
import { DESCRIPTOR_ERROR_CODES, DescriptorError } from '../../src/descriptor/error.ts';
import { CUSTODY_ERROR_CODES, CustodyError } from '../../src/pkcs11/error.ts';
import { CONTROL_ERROR_CODES, ControlError } from '../../src/publisher/control/error.ts';
import { PUBLISHER_ERROR_CODES, PublisherError } from '../../src/publisher/error.ts';
import { SOCKS_ERROR_CODES, SocksError } from '../../src/publisher/socks.ts';
import { PROBLEMS, SignerError } from '../../src/signer/contract/problems.ts';
import type { Shape } from './mutate.ts';

/** The error types of the areas; a target names the only one that its reader may throw. */
export type Area = keyof typeof AREAS;

/** A reader of bytes under test. */
export interface Target {
  /** `area/reader`. */
  readonly name: string;
  readonly area: Area;
  /** The only codes that it may refuse with; all of the area's when not given. */
  readonly codes?: readonly string[];
  readonly shapes: readonly Shape[];
  /** Inputs to start from; at least one of them is taken. */
  readonly seeds: () => readonly Uint8Array[];
  /** Reads the input, and throws Violation when what it took breaks a property. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
  /** How much dearer one run is than that of a small reader. */
  readonly cost?: number;
}

/** A property that does not hold: always a finding. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Throws Violation unless the property holds. */
export function demand(holds: boolean, property: string): void {
  if (!holds) throw new Violation(property);
}

/** Throws Violation unless both are equal in depth, types of their arrays included. */
export function demandEqual(a: unknown, b: unknown, property: string): void {
  demand(isDeepStrictEqual(a, b), property);
}

/** Throws Violation unless both strings of bytes are equal. */
export function demandBytes(a: Uint8Array, b: Uint8Array, property: string): void {
  demand(Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(b), property);
}

/** What a reader said: what it read, or the code by which it refused. Other errors pass through. */
export function verdictOf<T>(area: Area, read: () => T): { readonly taken: T } | { readonly code: string } {
  try {
    return { taken: read() };
  } catch (thrown) {
    const code = refusalCode(area, thrown);
    if (code === undefined) throw thrown;
    return { code };
  }
}

const AREAS = {
  descriptor: codes(DescriptorError, DESCRIPTOR_ERROR_CODES),
  custody: codes(CustodyError, CUSTODY_ERROR_CODES),
  signer: codes(SignerError, Object.keys(PROBLEMS)),
  publisher: codes(PublisherError, PUBLISHER_ERROR_CODES),
  control: codes(ControlError, CONTROL_ERROR_CODES),
  socks: codes(SocksError, SOCKS_ERROR_CODES),
} as const;

function codes(
  type: abstract new (...args: never[]) => Error & { readonly code: string },
  known: readonly string[],
): (thrown: unknown) => string | undefined {
  const set = new Set(known);
  return thrown => (thrown instanceof type && set.has(thrown.code) ? thrown.code : undefined);
}

/** The code, when this is a refusal of the area; undefined for everything else that can be thrown. */
export function refusalCode(area: Area, thrown: unknown): string | undefined {
  return AREAS[area](thrown);
}
