import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ed25519Verify } from '../../src/descriptor/index.ts';
import { CheckpointSigner } from '../../src/pkcs11/checkpoint.ts';
import { Secret } from '../../src/pkcs11/locked-memory.ts';
import { encodeHead, parseHead } from '../../src/pkcs11/keyholder-messages.ts';
import { MAX_PROOF_HASHES, isConsistent } from '../../src/pkcs11/log-consistency.ts';
import { MarkLog } from '../../src/pkcs11/mark-log.ts';
import { consistencyProof, leafHash, rootOf } from '../../src/signer/contract/log-proof.ts';
import { expectCode } from './expect-code.ts';
import { denialOf } from './keyholder-rig.ts';

const stateId = new Uint8Array(16);
const seed = Secret.copyOf(new Uint8Array(32).fill(7));
const root = (label: string) => createHash('sha256').update(label).digest();
let folder: string;
let marks: MarkLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
  marks = MarkLog.create(join(folder, 'marks'), stateId);
});
afterEach(() => {
  marks.close();
  rmSync(folder, { recursive: true });
});

/** Reads a signed note with one signature, by the rules of c2sp.org/signed-note, and verifies it. */
function verifyNote(note: string, vkey: string): string {
  const [text = '', signatures = ''] = note.split(/\n\n(?=\u2014 )/u);
  const [name, hash, key] = vkey.split(/\+/u);
  const publicKey = Buffer.from(vkey.slice(`${name}+${hash}+`.length), 'base64');
  expect(key).toBeDefined();
  const [dash, signer, value = ''] = signatures.trimEnd().split(' ');
  const bytes = Buffer.from(value, 'base64');
  const keyHash = createHash('sha256').update(`${name}\n`).update(publicKey).digest().subarray(0, 4);
  expect([dash, signer]).toEqual(['\u2014', name]);
  expect(keyHash.toString('hex')).toBe(hash);
  expect(bytes.subarray(0, 4)).toEqual(keyHash);
  expect(publicKey[0]).toBe(1);
  expect(ed25519Verify(Buffer.from(`${text}\n`), bytes.subarray(4), publicKey.subarray(1))).toBe(true);
  return `${text}\n`;
}

/** Heads of one log whose entries are `first`, …, so that two logs part where their texts do. */
function logOf(...texts: string[]) {
  const leaves = texts.map(text => leafHash(Buffer.from(text)));
  return {
    /** The head of `size` entries, proven from the head of `from`. */
    head: (size: number, from = 0) => ({
      size: BigInt(size),
      rootHash: rootOf(leaves.slice(0, size)),
      proof: consistencyProof(from, leaves.slice(0, size)),
    }),
  };
}

const ours = logOf('a', 'b', 'c', 'd', 'e', 'f', 'g');
/** Another history after the third entry. */
const theirs = logOf('a', 'b', 'c', 'D', 'e', 'f', 'g');

describe('a checkpoint', () => {
  test('is a signed note with origin, size and root', () => {
    const signer = new CheckpointSigner(seed, marks);
    const head = ours.head(3);
    const text = verifyNote(signer.sign(head), signer.vkey);
    expect(text).toBe(`${signer.origin}\n3\n${Buffer.from(head.rootHash).toString('base64')}\n`);
    expect(signer.origin).toMatch(/^onion-signer\/[0-9a-f]{8}$/u);
  });

  test('never goes back, and never forks, also after a restart', () => {
    const signer = new CheckpointSigner(seed, marks);
    signer.sign(ours.head(5));
    const rule = (by: CheckpointSigner, head: ReturnType<typeof ours.head>) =>
      denialOf(() => by.sign(head)).rule;
    const again = (by: CheckpointSigner) => {
      for (const head of [
        ours.head(4, 4),
        theirs.head(5, 5),
        theirs.head(6, 5),
        theirs.head(7, 3),
        { ...ours.head(7, 5), rootHash: theirs.head(7).rootHash },
        { ...ours.head(7, 5), proof: [] },
        { ...ours.head(7, 5), proof: ours.head(7, 5).proof.toReversed() },
        { ...ours.head(7, 5), proof: [...ours.head(7, 5).proof, root('more')] },
        { ...ours.head(5, 5), proof: [root('more')] },
        // A proof from another size of the same log is no proof from this one.
        ours.head(7, 4),
      ]) {
        expect(rule(by, head)).toBe('CHECKPOINT-FORK');
      }
      expect(by.sign(ours.head(5, 5))).toContain('\n5\n');
    };
    again(signer);
    marks.close();
    marks = MarkLog.open(join(folder, 'marks'), stateId);
    const restarted = new CheckpointSigner(seed, marks);
    again(restarted);
    expect(restarted.sign(ours.head(7, 5))).toContain('\n7\n');
  });

  test('is the first of its log without a proof only', () => {
    const signer = new CheckpointSigner(seed, marks);
    expect(denialOf(() => signer.sign(ours.head(3, 2))).rule).toBe('CHECKPOINT-FORK');
    expect(denialOf(() => signer.sign(ours.head(0))).rule).toBe('CHECKPOINT-FORK');
    expect(signer.sign(ours.head(3))).toContain('\n3\n');
  });

  test('has a size that other programs can count, and grows by a bound', () => {
    const signer = new CheckpointSigner(seed, marks);
    const limit = (size: bigint) =>
      denialOf(() => signer.sign({ size, rootHash: root(''), proof: [] })).limit;
    expect(limit(2n ** 32n + 1n)).toBe('1 to 4294967296');
    marks.recordCheckpoint({ size: 2n ** 33n, root: root('') });
    expect(limit(3n * 2n ** 32n + 1n)).toBe('1 to 12884901888');
    const largest = 2n ** 53n - 1n;
    marks.recordCheckpoint({ size: largest, root: root('last') });
    expect(limit(largest + 1n)).toBe(`1 to ${largest}`);
    expect(signer.sign({ size: largest, rootHash: root('last'), proof: [] })).toContain(
      '\n9007199254740991\n',
    );
  });
});

describe('consistency of two heads', () => {
  const leaves = Array.from({ length: 20 }, (_, i) => leafHash(Uint8Array.of(i)));
  const head = (size: number) => ({ size: BigInt(size), root: rootOf(leaves.slice(0, size)) });

  test('is shown by the proofs that the core makes, and by no other', () => {
    for (let newer = 1; newer <= leaves.length; newer += 1) {
      for (let older = 1; older <= newer; older += 1) {
        const proof = consistencyProof(older, leaves.slice(0, newer));
        expect(isConsistent(head(older), head(newer), proof)).toBe(true);
        expect(isConsistent({ ...head(older), root: root('') }, head(newer), proof)).toBe(false);
        expect(isConsistent(head(older), { ...head(newer), root: root('') }, proof)).toBe(false);
        expect(isConsistent(head(older), head(newer), [...proof, root('')])).toBe(false);
        if (proof.length > 0) expect(isConsistent(head(older), head(newer), proof.slice(1))).toBe(false);
      }
    }
    expect(isConsistent(head(3), head(2), [])).toBe(false);
    expect(isConsistent(head(0), head(2), [])).toBe(false);
  });

  test('needs at most 54 hashes, which is what a frame takes', () => {
    const hash = Uint8Array.from(root(''));
    const proof = Array.from({ length: MAX_PROOF_HASHES }, () => hash);
    const proven = { size: 2n ** 53n - 1n, rootHash: hash, proof };
    expect(parseHead(encodeHead(proven))).toEqual(proven);
    expectCode('FRAME_BAD', () => parseHead(encodeHead({ ...proven, proof: [...proof, hash] })));
    const bytes = encodeHead({ ...proven, proof: proof.slice(0, 2) });
    for (let length = 0; length < bytes.length; length += 1)
      expectCode('FRAME_BAD', () => parseHead(bytes.subarray(0, length)));
    expectCode('FRAME_BAD', () => parseHead(Buffer.concat([bytes, Buffer.of(0)])));
  });
});
