import { BYTE_MUTATIONS, type Mutation } from './mutate-bytes.ts';
import type { Random } from './random.ts';

/** A piece of base64 in a text: a word, or the body between BEGIN and END. */
const OBJECT = /-----BEGIN ([^\n]*)-----\n([^-]*)-----END [^\n]*-----|[A-Za-z0-9+/]{16,}={0,2}/gu;

/** Base64 of an object or word, the binary mutated and encoded again: what the text says stays well-formed. */
export const mutateObjects: Mutation = (input, random, other) => {
  const text = Buffer.from(input).toString('latin1');
  const found = [...text.matchAll(OBJECT)];
  if (found.length === 0) return random.pick(BYTE_MUTATIONS)(input, random, other);
  const match = random.pick(found);
  const [whole, label, body] = match;
  const bytes = new Uint8Array(Buffer.from(body ?? whole, 'base64'));
  const changed = random.oneIn(3) ? bytes : mutateBinary(bytes, random, other);
  const encoded =
    label === undefined ? spell(changed, random, whole.includes('=')) : wrap(label, changed, random);
  return Buffer.from(text.slice(0, match.index) + encoded + text.slice(match.index + whole.length), 'latin1');
};

function mutateBinary(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const level = random.below(3);
  if (level === 0) return mutateCert(bytes, random, other);
  if (level === 1) return mutateLinks(bytes, random, other);
  return random.pick(BYTE_MUTATIONS)(bytes, random, other);
}

function spell(bytes: Uint8Array, random: Random, padded: boolean): string {
  const text = Buffer.from(bytes).toString('base64');
  const bare = text.replace(/=+$/u, '');
  if (!random.oneIn(4)) return padded ? text : bare;
  return random.pick([
    text,
    bare,
    `${bare}=`,
    `${text}=`,
    text.replaceAll('+', '-'),
    dirty(bare),
    `${bare} `,
  ]);
}

/** The last character with other low bits: the same bytes to a lax decoder. */
function dirty(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const last = alphabet.indexOf(text.at(-1) ?? 'A');
  return text.slice(0, -1) + (alphabet[last ^ 1] ?? 'A');
}

function wrap(label: string, bytes: Uint8Array, random: Random): string {
  const columns = random.oneIn(6) ? random.pick([1, 63, 65, 76, 4096]) : 64;
  const text = random.oneIn(6) ? spell(bytes, random, true) : Buffer.from(bytes).toString('base64');
  const lines = text.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? [];
  const end = random.oneIn(12) ? random.pick(['MESSAGE', 'ED25519 CERT', 'X', '']) : label;
  return `-----BEGIN ${label}-----\n${lines.map(line => `${line}\n`).join('')}-----END ${end}-----`;
}

/** Certificates (cert-spec §2.1): version, type, expiry, key type, number of extensions, extensions. */
export const mutateCert: Mutation = (input, random, other) => {
  const cert = Buffer.from(input);
  if (cert.length < 44) return random.pick(BYTE_MUTATIONS)(input, random, other);
  const set = (at: number, value: number): Uint8Array => {
    cert[at] = value;
    return cert;
  };
  const extension = (length: number, type: number, flags: number): Buffer =>
    Buffer.concat([
      Buffer.of(length >> 8, length & 255, type, flags),
      random.bytes(random.oneIn(4) ? 3 : length),
    ]);
  const add = (piece: Uint8Array, at: number): Uint8Array => {
    if (!random.oneIn(4)) cert[39] = (cert[39] ?? 0) + 1;
    return Buffer.concat([cert.subarray(0, at), piece, cert.subarray(at)]);
  };
  const kinds: readonly (() => Uint8Array)[] = [
    () => set(0, random.below(3)),
    () => set(1, random.pick([4, 5, 8, 9, 10, 11, 12])),
    () => set(2 + random.below(4), random.pick([0, 1, 255])),
    () => set(6, random.below(4)),
    () => set(39, random.pick([0, 1, 2, 3, 255])),
    () => set(40 + random.below(2), random.pick([0, 1, 31, 32, 33, 255])),
    () => set(42, random.pick([0, 3, 4, 5])),
    () => set(43, random.pick([0, 1, 2, 255])),
    () => add(extension(random.pick([0, 1, 32, 300]), random.pick([0, 4, 5, 255]), random.below(3)), 40),
    () =>
      add(extension(random.pick([0, 32]), random.pick([4, 9]), random.below(2)), Math.min(76, cert.length)),
    () => add(cert.subarray(40, 76), Math.min(76, cert.length)),
    () => add(random.bytes(1 + random.below(4)), cert.length),
  ];
  return random.pick(kinds)();
};

/** Blocks of link specifiers (tor-spec §5.1.2): count, then type, length and data of each. */
export const mutateLinks: Mutation = (input, random, other) => {
  const block = Buffer.from(input);
  const starts = linkStarts(block);
  if (starts.length === 0) return random.pick(BYTE_MUTATIONS)(input, random, other);
  const at = random.pick(starts);
  const end = at + 2 + (block[at + 1] ?? 0);
  const specifier = (type: number, length: number): Buffer =>
    Buffer.concat([Buffer.of(type, length), random.bytes(length)]);
  const count = (by: number, ...parts: readonly Uint8Array[]): Uint8Array =>
    Buffer.concat([Buffer.of(((block[0] ?? 0) + (random.oneIn(4) ? 0 : by)) & 255), ...parts]);
  const kinds: readonly (() => Uint8Array)[] = [
    () => count(1, block.subarray(1, at), block.subarray(at, end), block.subarray(at)),
    () => count(-1, block.subarray(1, at), block.subarray(end)),
    () =>
      count(
        1,
        block.subarray(1, at),
        specifier(random.below(6), random.pick([0, 6, 18, 20, 32, 255])),
        block.subarray(at),
      ),
    () =>
      count(
        0,
        block.subarray(1, at),
        specifier(random.below(5), random.pick([6, 18, 20, 32, 33])),
        block.subarray(end),
      ),
    () => count(0, block.subarray(1, at), Buffer.of(random.below(6)), block.subarray(at + 1)),
    () => count(0, block.subarray(1, at + 1), Buffer.of(random.below(256)), block.subarray(at + 2)),
    () => count(0, block.subarray(1), random.bytes(1)),
    () => count(random.below(3) - 1, block.subarray(1)),
  ];
  return random.pick(kinds)();
};

function linkStarts(block: Uint8Array): number[] {
  const starts: number[] = [];
  for (let at = 1; at + 1 < block.length && starts.length < (block[0] ?? 0); at += 2 + (block[at + 1] ?? 0)) {
    starts.push(at);
  }
  return starts;
}
