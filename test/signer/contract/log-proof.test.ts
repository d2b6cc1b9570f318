import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LogFrontier,
  consistencyProof,
  emptyRoot,
  inclusionProof,
  leafHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/signer/contract/log-proof.ts';
import { failure } from '../failure.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

// The reference tree of the certificate-transparency project (merkle tree tests): eight entries and the root
// after each of them, and audit paths. The paths are written here by the roots and nodes they consist of.
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const PATHS: [index: number, size: number, path: string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
const CONSISTENCY: [oldSize: number, newSize: number, proof: string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
const LEAVES = ENTRIES.map(entry => leafHash(bytes(entry)));

describe('the RFC 6962 tree', () => {
  it('has the published roots', () => {
    expect(hex(emptyRoot())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    for (const [i, root] of ROOTS.entries()) expect(hex(rootOf(LEAVES.slice(0, i + 1)))).toBe(root);
  });

  it('makes and verifies the published audit paths', () => {
    for (const [index, size, path] of PATHS) {
      expect(inclusionProof(index, LEAVES.slice(0, size)).map(hex)).toEqual(path);
      const claim = {
        leaf: LEAVES[index]!,
        index,
        size,
        root: bytes(ROOTS[size - 1]!),
        proof: path.map(bytes),
      };
      expect(verifyInclusion(claim)).toBe(true);
    }
  });

  it('makes and verifies the published consistency proofs', () => {
    for (const [oldSize, newSize, proof] of CONSISTENCY) {
      expect(consistencyProof(oldSize, LEAVES.slice(0, newSize)).map(hex)).toEqual(proof);
      const [oldRoot, newRoot] = [bytes(ROOTS[oldSize - 1]!), bytes(ROOTS[newSize - 1]!)];
      expect(verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof: proof.map(bytes) })).toBe(true);
    }
  });

  it('proves every entry and every prefix of every small tree, and nothing with a changed bit', () => {
    const leaves = Array.from({ length: 20 }, (_, i) => leafHash(Uint8Array.of(i)));
    for (let size = 1; size <= leaves.length; size += 1) {
      const tree = leaves.slice(0, size);
      const root = rootOf(tree);
      for (let index = 0; index < size; index += 1) {
        const claim = { leaf: tree[index]!, index, size, root, proof: inclusionProof(index, tree) };
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: leafHash(Uint8Array.of(99)) })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: [...claim.proof, root] })).toBe(false);
        expect(verifyInclusion({ ...claim, index: index + 1 })).toBe(false);
        if (claim.proof.length > 0)
          expect(verifyInclusion({ ...claim, proof: claim.proof.slice(1) })).toBe(false);
      }
      for (let oldSize = 0; oldSize <= size; oldSize += 1) {
        const oldRoot = rootOf(tree.slice(0, oldSize));
        const claim = {
          oldSize,
          oldRoot,
          newSize: size,
          newRoot: root,
          proof: consistencyProof(oldSize, tree),
        };
        expect(verifyConsistency(claim)).toBe(true);
        expect(verifyConsistency({ ...claim, oldRoot: leafHash(Uint8Array.of(99)) })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [...claim.proof, root] })).toBe(false);
        if (oldSize > 0)
          expect(verifyConsistency({ ...claim, newRoot: leafHash(Uint8Array.of(99)) })).toBe(false);
      }
    }
  });

  it('grows by its frontier alone', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 70 }), fc.nat(70), (entries, at) => {
        const leaves = entries.map(leafHash);
        const split = Math.min(at, leaves.length);
        const first = new LogFrontier();
        for (const leaf of leaves.slice(0, split)) first.append(leaf);
        const second = new LogFrontier(first.size, first.peaks);
        for (const leaf of leaves.slice(split)) second.append(leaf);
        expect(second.size).toBe(leaves.length);
        expect(hex(second.root())).toBe(hex(rootOf(leaves)));
      }),
    );
  });

  it('copies a frontier so that the copy stays behind', () => {
    const frontier = new LogFrontier();
    frontier.append(LEAVES[0]!);
    const copy = frontier.copy();
    frontier.append(LEAVES[1]!);
    expect([hex(copy.root()), hex(frontier.root())]).toEqual([ROOTS[0], ROOTS[1]]);
  });

  it('refuses proofs for what it does not have', () => {
    expect(inclusionProof(7, LEAVES)).toHaveLength(3);
    for (const index of [-1, 8, 0.5])
      expect(failure(() => inclusionProof(index, LEAVES)).code).toBe('LOG_PROOF');
    expect(consistencyProof(8, LEAVES)).toEqual([]);
    for (const size of [-1, 9, 0.5])
      expect(failure(() => consistencyProof(size, LEAVES)).code).toBe('LOG_PROOF');
    expect(failure(() => new LogFrontier(3, [LEAVES[0]!])).code).toBe('LOG_PROOF');
  });
});
