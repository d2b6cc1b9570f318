import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ed25519Verify } from '../../src/descriptor/index.ts';
import { CheckpointSigner } from '../../src/pkcs11/checkpoint.ts';
import { Secret } from '../../src/pkcs11/locked-memory.ts';
import { MarkLog } from '../../src/pkcs11/mark-log.ts';
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

describe('a checkpoint', () => {
  test('is a signed note with origin, size and root', () => {
    const signer = new CheckpointSigner(seed, marks);
    const note = signer.sign({ size: 3n, rootHash: root('three') });
    const text = verifyNote(note, signer.vkey);
    expect(text).toBe(`${signer.origin}\n3\n${root('three').toString('base64')}\n`);
    expect(signer.origin).toMatch(/^onion-signer\/[0-9a-f]{8}$/u);
  });

  test('never goes back, and never forks at one size, also after a restart', () => {
    const signer = new CheckpointSigner(seed, marks);
    signer.sign({ size: 5n, rootHash: root('five') });
    const again = (with_: CheckpointSigner) => {
      expect(denialOf(() => with_.sign({ size: 4n, rootHash: root('four') })).rule).toBe('CHECKPOINT-FORK');
      expect(denialOf(() => with_.sign({ size: 5n, rootHash: root('V') })).rule).toBe('CHECKPOINT-FORK');
      expect(with_.sign({ size: 5n, rootHash: root('five') })).toContain('\n5\n');
    };
    again(signer);
    marks.close();
    marks = MarkLog.open(join(folder, 'marks'), stateId);
    const restarted = new CheckpointSigner(seed, marks);
    again(restarted);
    expect(restarted.sign({ size: 6n, rootHash: root('six') })).toContain('\n6\n');
  });

  test('has a size that other programs can count', () => {
    const signer = new CheckpointSigner(seed, marks);
    const largest = 2n ** 53n - 1n;
    marks.recordCheckpoint({ size: largest - 1n, root: root('before') });
    expect(denialOf(() => signer.sign({ size: largest + 1n, rootHash: root('') })).rule).toBe(
      'CHECKPOINT-FORK',
    );
    expect(signer.sign({ size: largest, rootHash: root('') })).toContain('\n9007199254740991\n');
  });

  test('grows by a bound, so that one absurd size does not end the log', () => {
    const signer = new CheckpointSigner(seed, marks);
    const bound = 2n ** 32n;
    for (const last of [0n, bound, bound + 5n]) {
      if (last > 0n) signer.sign({ size: last, rootHash: root(`${last}`) });
      const beyond = { size: last + bound + 1n, rootHash: root('') };
      expect(denialOf(() => signer.sign(beyond)).limit).toBe(`at most ${last + bound}`);
    }
    expect(signer.sign({ size: 2n * bound + 5n, rootHash: root('') })).toContain('\n8589934597\n');
  });
});
