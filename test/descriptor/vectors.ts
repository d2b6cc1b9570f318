import { readFileSync } from 'node:fs';

/** A file of test/vectors, as bytes. */
export function vector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../vectors/${name}`, import.meta.url)));
}
