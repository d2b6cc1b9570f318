import { BYTE_MUTATIONS, type Mutation } from './mutate-bytes.ts';
import { mutateLines, mutateTokens } from './mutate-lines.ts';
import { mutateCert, mutateLinks, mutateObjects } from './mutate-objects.ts';
import type { Random } from './random.ts';

const anyBytes: Mutation = (input, random, other) => random.pick(BYTE_MUTATIONS)(input, random, other);

const SHAPES = {
  bytes: anyBytes,
  lines: mutateLines,
  tokens: mutateTokens,
  objects: mutateObjects,
  cert: mutateCert,
  links: mutateLinks,
} as const satisfies Record<string, Mutation>;

/** What an input is made of, as far as mutations know. */
export type Shape = keyof typeof SHAPES;

/** Longest input that is kept as it is. */
export const MAX_INPUT_BYTES = 1 << 17;

/** One to six mutations in a row, each on a level that `shapes` names. */
export function mutate(
  input: Uint8Array,
  shapes: readonly Shape[],
  random: Random,
  other: Uint8Array,
): Uint8Array {
  let out = input;
  for (let left = 1; left > 0; left--) {
    out = SHAPES[random.pick(shapes)](out, random, other).subarray(0, MAX_INPUT_BYTES);
    if (random.oneIn(3)) left += random.oneIn(2) ? 2 : 1;
  }
  return new Uint8Array(out);
}
