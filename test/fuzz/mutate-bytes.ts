import { concat } from '../../src/descriptor/bytes.ts';
import type { Random } from './random.ts';

/** Makes another input out of one. `other` is another input of the same target, for pieces of it. */
export type Mutation = (input: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/**
 * Values of 32 bytes at the edges of Curve25519: 0, 1, p − 1, p, p + 1, 2^255 − 1, the same with the sign bit, ℓ − 1,
 * ℓ, points of order 4 and 8, u-coordinates of low order and of the twist, the base points.
 */
export const CURVE_EDGES: readonly Uint8Array[] = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `01${'00'.repeat(30)}80`,
  `${'00'.repeat(31)}80`,
  `ec${'ff'.repeat(30)}7f`,
  `ec${'ff'.repeat(31)}`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(31)}`,
  `${'ff'.repeat(31)}7f`,
  'ff'.repeat(32),
  'ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010',
  'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `02${'00'.repeat(31)}`,
  `09${'00'.repeat(31)}`,
  `58${'66'.repeat(31)}`,
].map(hex);

/** Where counts, lengths and bounds turn over, by width in bytes. */
const INTEGERS: readonly (readonly [width: 1 | 2 | 4 | 8, value: bigint])[] = [
  ...[0n, 1n, 0x7fn, 0x80n, 0xffn, 0x0an, 0x0dn, 0x20n].map(value => [1, value] as const),
  ...[0n, 1n, 0xffn, 0x100n, 0x7fffn, 0x8000n, 0xffffn].map(value => [2, value] as const),
  ...[0n, 1n, 0xffffn, 0x10000n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn].map(value => [4, value] as const),
  ...[0n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].map(value => [8, value] as const),
];

function integerBytes(width: number, value: bigint): Uint8Array {
  return hex(
    BigInt.asUintN(8 * width, value)
      .toString(16)
      .padStart(2 * width, '0'),
  );
}

function replace(input: Uint8Array, from: number, to: number, piece: Uint8Array): Uint8Array {
  return concat(input.subarray(0, from), piece, input.subarray(to));
}

function overwrite(input: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  return replace(input, at, Math.min(input.length, at + piece.length), piece);
}

const flipBit: Mutation = (input, random) => {
  const out = new Uint8Array(input);
  const at = random.below(out.length);
  if (out.length > 0) out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
  return out;
};

const setByte: Mutation = (input, random) => overwrite(input, random.below(input.length), random.bytes(1));

const insert: Mutation = (input, random) => {
  const at = random.below(input.length + 1);
  const run = random.oneIn(2) ? random.bytes(1 + random.below(8)) : new Uint8Array(1 + random.below(300));
  return replace(input, at, at, run.fill(random.oneIn(2) ? random.below(256) : (run[0] ?? 0)));
};

const remove: Mutation = (input, random) => replace(input, ...random.range(input.length), new Uint8Array());

const truncate: Mutation = (input, random) => input.subarray(0, random.below(input.length + 1));

const repeat: Mutation = (input, random) => {
  const [from, to] = random.range(input.length);
  const times = random.oneIn(8) ? 1 + random.below(2000) : 1 + random.below(4);
  const most = Math.max(1, Math.floor(100_000 / Math.max(1, to - from)));
  return replace(
    input,
    to,
    to,
    concat(...Array<Uint8Array>(Math.min(times, most)).fill(input.subarray(from, to))),
  );
};

const move: Mutation = (input, random) => {
  const [from, to] = random.range(input.length);
  const at = random.below(input.length + 1);
  return replace(input, at, at, input.subarray(from, to));
};

const splice: Mutation = (input, random, other) => {
  const [from, to] = random.range(input.length);
  return replace(input, from, to, other.subarray(...random.range(other.length)));
};

const cross: Mutation = (input, random, other) =>
  concat(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)));

const integer: Mutation = (input, random) => {
  const [width, value] = random.pick(INTEGERS);
  return overwrite(input, random.below(input.length), integerBytes(width, value));
};

/** Lengths and counts that are wrong by little. */
const increment: Mutation = (input, random) => {
  const width = random.pick([1, 2, 4, 8]);
  const at = random.below(input.length - width + 1);
  if (input.length < width) return input;
  const value = BigInt(`0x${Buffer.from(input.subarray(at, at + width)).toString('hex')}`);
  return overwrite(input, at, integerBytes(width, value + BigInt(random.below(9) - 4)));
};

const curveEdge: Mutation = (input, random) =>
  overwrite(input, random.below(input.length), random.pick(CURVE_EDGES));

/** At a place where keys of fixed formats stand: counted from the end or from the start in steps of one field. */
const curveEdgeAligned: Mutation = (input, random) => {
  const fields = Math.floor(input.length / 32);
  const at = 32 * random.below(fields);
  return overwrite(input, random.oneIn(2) ? at : (input.length % 32) + at, random.pick(CURVE_EDGES));
};

/** Byte level: knows nothing of the format. */
export const BYTE_MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  insert,
  remove,
  truncate,
  repeat,
  move,
  splice,
  cross,
  integer,
  increment,
  curveEdge,
  curveEdgeAligned,
];
