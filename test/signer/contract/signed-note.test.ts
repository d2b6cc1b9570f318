import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { leafHash } from '../../../src/signer/contract/log-proof.ts';
import {
  formatCheckpoint,
  formatNoteVerifier,
  formatSignedNote,
  noteKeyHash,
  openCheckpoint,
  parseCheckpoint,
  parseNoteVerifier,
  parseSignedNote,
  verifySignedNote,
  type NoteVerifier,
} from '../../../src/signer/contract/signed-note.ts';
import { failure } from '../failure.ts';

// The example note of Go's golang.org/x/mod/sumdb/note, which C2SP signed-note takes over.
const GO_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const GO_NOTE =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n" +
  '\n' +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';

function newKey(name: string): { verifier: NoteVerifier; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(12);
  return { verifier: { name, publicKey: new Uint8Array(raw) }, privateKey };
}

function note(text: string, ...keys: ReturnType<typeof newKey>[]): string {
  const signatures = keys.map(({ verifier, privateKey }) => ({
    name: verifier.name,
    keyHash: noteKeyHash(verifier),
    signature: new Uint8Array(sign(null, Buffer.from(text), privateKey)),
  }));
  return formatSignedNote({ text, signatures });
}

const ours = newKey('signer.example/log');
const other = newKey('witness.example');
const checkpoint = { origin: 'signer.example/log', size: 7, rootHash: leafHash(Uint8Array.of(1)) };

describe('a signed note', () => {
  it('of the Go implementation verifies, and is written as it was read', () => {
    const verifier = parseNoteVerifier(GO_KEY);
    expect(formatNoteVerifier(verifier)).toBe(GO_KEY);
    const parsed = parseSignedNote(GO_NOTE);
    expect(verifySignedNote(parsed, verifier)).toBe(true);
    expect(formatSignedNote(parsed)).toBe(GO_NOTE);
    expect(verifySignedNote(parseSignedNote(GO_NOTE.replace('problem', 'Problem')), verifier)).toBe(false);
  });

  it('needs the signature of the asked key, and tolerates others', () => {
    const both = parseSignedNote(note('text\n', other, ours));
    expect(verifySignedNote(both, ours.verifier)).toBe(true);
    expect(verifySignedNote(parseSignedNote(note('text\n', other)), ours.verifier)).toBe(false);
    const renamed = { ...ours.verifier, name: 'else' };
    expect(verifySignedNote(both, renamed)).toBe(false);
  });

  it('is false when one of two lines of the key does not verify', () => {
    const good = parseSignedNote(note('text\n', ours));
    const bad = parseSignedNote(note('other\n', ours));
    const mixed = { text: good.text, signatures: [...good.signatures, ...bad.signatures] };
    expect(verifySignedNote(good, ours.verifier)).toBe(true);
    expect(verifySignedNote(mixed, ours.verifier)).toBe(false);
  });

  it.each([
    ['no blank line', 'text\n— a AAAAAAAA\n'],
    ['no final line feed', note('text\n', ours).slice(0, -1)],
    ['a control character', note('te\txt\n', ours)],
    ['a carriage return', note('text\n', ours).replaceAll('\n', '\r\n')],
    ['base64 that is not canonical', note('text\n', ours).replace(/.=\n$/, 'B=\n')],
    ['a short signature', 'text\n\n— name AAAA\n'],
    ['a plain hyphen', note('text\n', ours).replace('—', '-')],
    ['too many signatures', note('text\n', ...Array.from({ length: 17 }, () => ours))],
    ['too much text', note(`${'x'.repeat(16_384)}\n`, ours)],
  ])('must not have %s', (_, text) => {
    expect(
      parseSignedNote(note('text\n', ...Array.from({ length: 16 }, () => ours))).signatures,
    ).toHaveLength(16);
    expect(failure(() => parseSignedNote(text)).code).toBe('NOTE_FORMAT');
  });

  it('has verifier keys whose hash and algorithm are checked', () => {
    expect(parseNoteVerifier(formatNoteVerifier(ours.verifier))).toEqual(ours.verifier);
    for (const text of [GO_KEY.replace('c74f', 'c74e'), GO_KEY.replace('+AR', '+BR'), 'x', `${GO_KEY}=`]) {
      expect(failure(() => parseNoteVerifier(text)).code).toBe('NOTE_FORMAT');
    }
  });
});

describe('a checkpoint', () => {
  it('is read back as it was written', () => {
    const text = formatCheckpoint(checkpoint);
    expect(text.split('\n').slice(0, 2)).toEqual(['signer.example/log', '7']);
    expect(parseCheckpoint(text)).toEqual(checkpoint);
    expect(openCheckpoint(note(text, ours), ours.verifier)).toEqual(checkpoint);
  });

  it('opens only with the key of its log', () => {
    const text = formatCheckpoint(checkpoint);
    expect(failure(() => openCheckpoint(note(text, other), ours.verifier)).code).toBe('NOTE_UNVERIFIED');
    const forged = note(text, ours).replace('\n7\n', '\n8\n');
    expect(failure(() => openCheckpoint(forged, ours.verifier)).code).toBe('NOTE_UNVERIFIED');
  });

  it.each([
    ['a leading zero', (t: string) => t.replace('\n7\n', '\n07\n')],
    ['a size beyond 2^53', (t: string) => t.replace('\n7\n', '\n9007199254740992\n')],
    ['a missing line', (t: string) => t.replace('7\n', '')],
    ['an extension line', (t: string) => `${t}more\n`],
    ['a short root', (t: string) => t.replace(/.{4}\n$/, '\n')],
    ['an origin with a space', (t: string) => t.replace('signer.', 'signer ')],
  ])('must not have %s', (_, change) => {
    const text = formatCheckpoint(checkpoint);
    expect(change(text)).not.toBe(text);
    expect(failure(() => parseCheckpoint(change(text))).code).toBe('NOTE_FORMAT');
  });
});
