// Signed notes, checkpoints and proofs of the log.

import { parseKpHsId } from '../../../src/descriptor/index.ts';
import { parseBundle } from '../../../src/signer/audit/source.ts';
import {
  LogFrontier,
  consistencyProof,
  inclusionProof,
  leafHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/signer/contract/log-proof.ts';
import {
  formatCheckpoint,
  formatNoteVerifier,
  formatSignedNote,
  noteKeyHash,
  openCheckpoint,
  parseCheckpoint,
  parseNoteVerifier,
  parseSignedNote,
} from '../../../src/signer/contract/signed-note.ts';
import { addressVerifier, openVouching } from '../../../src/signer/contract/vouching.ts';
import { ed25519Pair, noise } from '../../descriptor/forge.ts';
import { utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes } from '../target.ts';

const signer = (target: Omit<Target, 'area' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  area: 'signer',
  name: `signer/${target.name}`,
});
const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
const NOTE_CODES = ['NOTE_FORMAT'];
const pair = ed25519Pair('fuzz note');
const verifier = { name: 'signer.example/log', publicKey: pair.publicKey };
const CHECKPOINT = formatCheckpoint({ origin: verifier.name, size: 7, rootHash: noise('root', 32) });

function signNote(body: string): string {
  const signature = pair.sign(utf8(body));
  return formatSignedNote({
    text: body,
    signatures: [{ name: verifier.name, keyHash: noteKeyHash(verifier), signature }],
  });
}

const notes: readonly Target[] = [
  signer({
    name: 'note',
    codes: NOTE_CODES,
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [utf8(signNote(CHECKPOINT)), utf8(signNote('a\n\nb\n'))],
    run: input =>
      demand(formatSignedNote(parseSignedNote(text(input))) === text(input), 'a note has one form'),
  }),
  signer({
    name: 'note-verifier',
    codes: NOTE_CODES,
    shapes: ['objects', 'bytes', 'tokens'],
    seeds: () => [utf8(formatNoteVerifier(verifier))],
    run: input =>
      demand(formatNoteVerifier(parseNoteVerifier(text(input))) === text(input), 'a key has one form'),
  }),
  signer({
    name: 'checkpoint',
    codes: NOTE_CODES,
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [utf8(CHECKPOINT)],
    run: input =>
      demand(formatCheckpoint(parseCheckpoint(text(input))) === text(input), 'a checkpoint has one form'),
  }),
  signer({
    name: 'checkpoint-opened',
    codes: [...NOTE_CODES, 'NOTE_UNVERIFIED'],
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [utf8(signNote(CHECKPOINT))],
    run: input => {
      const { origin, size, rootHash } = openCheckpoint(text(input), verifier);
      demand(formatCheckpoint({ origin, size, rootHash }) === CHECKPOINT, 'only what was signed is opened');
    },
  }),
];

const identity = ed25519Pair('fuzz identity');
const VOUCHER = parseKpHsId(identity.publicKey);

/** The identity's word for the key above. */
function vouching(): string {
  const { name, publicKey } = addressVerifier(VOUCHER);
  const body = `onion-signer checkpoint key 1\n${name}\n${formatNoteVerifier(verifier)}\n`;
  const signature = identity.sign(utf8(body));
  const keyHash = noteKeyHash({ name, publicKey });
  return formatSignedNote({ text: body, signatures: [{ name, keyHash, signature }] });
}

const exported: readonly Target[] = [
  signer({
    name: 'vouching',
    codes: [...NOTE_CODES, 'NOTE_UNVERIFIED'],
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [utf8(vouching())],
    run: input => {
      const { kpHsId, key } = openVouching(text(input));
      demandBytes(kpHsId, VOUCHER, 'only the identity vouches');
      demand(formatNoteVerifier(key) === formatNoteVerifier(verifier), 'only for what it signed');
    },
  }),
  signer({
    name: 'bundle',
    codes: ['AUDIT_SOURCE'],
    shapes: ['bytes'],
    seeds: () => [bundleOf([utf8('{}'), new Uint8Array(0), noise('entry', 300)]), new Uint8Array(0)],
    run: input => demandBytes(bundleOf(parseBundle(input)), input, 'a bundle has one form'),
  }),
];

function bundleOf(entries: readonly Uint8Array[]): Uint8Array {
  const parts = entries.map(entry => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    return Buffer.concat([length, entry]);
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** Sizes and index (8 bytes each), two roots, the proof in hashes of 32 bytes, a rest that makes one too short. */
function readProof(input: Uint8Array) {
  const bytes = Buffer.concat([input, Buffer.alloc(Math.max(0, 80 - input.length))]);
  const number = (at: number): number => bytes.readDoubleBE(at);
  const rest = bytes.subarray(80);
  const proof = Array.from({ length: Math.ceil(rest.length / 32) }, (_, i) =>
    rest.subarray(32 * i, 32 * i + 32),
  );
  return {
    first: number(0),
    second: number(8),
    root: bytes.subarray(16, 48),
    other: bytes.subarray(48, 80),
    proof,
  };
}

const LEAVES = Array.from({ length: 7 }, (_, i) => leafHash(Uint8Array.of(i)));

function proofSeed(
  first: number,
  second: number,
  root: Uint8Array,
  other: Uint8Array,
  proof: readonly Uint8Array[],
) {
  const head = Buffer.alloc(16);
  head.writeDoubleBE(first, 0);
  head.writeDoubleBE(second, 8);
  return new Uint8Array(Buffer.concat([head, root, other, ...proof]));
}

const proofs: readonly Target[] = [
  signer({
    name: 'inclusion-proof',
    codes: [],
    shapes: ['bytes'],
    seeds: () => LEAVES.map((leaf, i) => proofSeed(i, 7, rootOf(LEAVES), leaf, inclusionProof(i, LEAVES))),
    run: input => {
      const { first: index, second: size, root, other: leaf, proof } = readProof(input);
      const holds = verifyInclusion({ leaf, index, size, root, proof });
      // Of the true tree nothing but its leaves is included.
      const isTrue = root.equals(rootOf(LEAVES)) && size === 7;
      if (holds && isTrue)
        demand(LEAVES[index] !== undefined && leaf.equals(LEAVES[index]), 'only a leaf is included');
    },
  }),
  signer({
    name: 'consistency-proof',
    codes: [],
    shapes: ['bytes'],
    seeds: () =>
      LEAVES.map((_, i) =>
        proofSeed(i, 7, rootOf(LEAVES.slice(0, i)), rootOf(LEAVES), consistencyProof(i, LEAVES)),
      ),
    run: input => {
      const { first: oldSize, second: newSize, root: oldRoot, other: newRoot, proof } = readProof(input);
      const holds = verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof });
      const isTrue = newRoot.equals(rootOf(LEAVES)) && newSize === 7;
      if (holds && isTrue)
        demand(oldRoot.equals(rootOf(LEAVES.slice(0, oldSize))), 'only a prefix is consistent');
    },
  }),
  signer({
    name: 'frontier',
    codes: ['LOG_PROOF'],
    shapes: ['bytes'],
    seeds: () => [proofSeed(3, 0, LEAVES[0]!, LEAVES[1]!, LEAVES.slice(0, 2))],
    run: input => {
      const { first: size, proof } = readProof(input);
      const frontier = new LogFrontier(size, proof);
      demand(
        frontier.append(LEAVES[0]!) === size && frontier.root().length === 32,
        'a frontier grows by one',
      );
    },
  }),
];

export const SIGNER_NOTES: readonly Target[] = [...notes, ...exported, ...proofs];
