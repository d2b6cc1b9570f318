import { createHash, createPublicKey, verify } from 'node:crypto';
import { LOG_HASH_BYTES, type LogHash } from './log-proof.ts';
import { SignerError } from './problems.ts';

/** C2SP signed-note and tlog-checkpoint: reading and verifying. The keyholder signs. */

const ED25519 = 0x01;
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const MAX_NOTE_LENGTH = 16_384;
const MAX_SIGNATURES = 16;

/** One signature line: `keyHash` is 4 bytes, `signature` what follows it (64 bytes for Ed25519). */
export interface NoteSignature {
  readonly name: string;
  readonly keyHash: Uint8Array;
  readonly signature: Uint8Array;
}

/** `text` ends with a line feed and is what the signatures cover. */
export interface SignedNote {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A key that may sign notes: its name and the 32 bytes of the Ed25519 public key. */
export interface NoteVerifier {
  readonly name: string;
  readonly publicKey: Uint8Array;
}

/** The head of a log: its name, the number of entries and the root hash. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly rootHash: LogHash;
}

/** The key's id in signature lines, 4 bytes: SHA-256(name ‖ LF ‖ 0x01 ‖ public key)[:4]. */
export function noteKeyHash({ name, publicKey }: NoteVerifier): Uint8Array {
  checkName(name);
  if (publicKey.length !== 32) throw noteError('give a public key of 32 bytes');
  const hash = createHash('sha256').update(`${name}\n`).update(Uint8Array.of(ED25519)).update(publicKey);
  return new Uint8Array(hash.digest().subarray(0, 4));
}

/** The verifier key as people pass it on: `name+hash+base64`. */
export function formatNoteVerifier(verifier: NoteVerifier): string {
  const key = Buffer.concat([Uint8Array.of(ED25519), verifier.publicKey]).toString('base64');
  return `${verifier.name}+${Buffer.from(noteKeyHash(verifier)).toString('hex')}+${key}`;
}

/** Reads `name+hash+base64`, Ed25519 only. SignerError NOTE_FORMAT. */
export function parseNoteVerifier(text: string): NoteVerifier {
  const [, name, hash, encoded] = /^([^+\s]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,64})$/.exec(text) ?? [];
  if (name === undefined || hash === undefined || encoded === undefined) {
    throw noteError('write a verifier key as name+hash+base64');
  }
  const key = decodeBase64(encoded);
  if (key.length !== 33 || key[0] !== ED25519) throw noteError('use an Ed25519 verifier key');
  const verifier = { name, publicKey: key.subarray(1) };
  if (Buffer.from(noteKeyHash(verifier)).toString('hex') !== hash) {
    throw noteError('the verifier key was copied with an error');
  }
  return verifier;
}

/** Puts text and signatures together. `text` must end with a line feed. */
export function formatSignedNote(note: SignedNote): string {
  const lines = note.signatures.map(({ name, keyHash, signature }) => {
    checkName(name);
    return `— ${name} ${Buffer.concat([keyHash, signature]).toString('base64')}\n`;
  });
  if (!note.text.endsWith('\n') || lines.length === 0)
    throw noteError('end the text with a line feed and sign it');
  return `${note.text}\n${lines.join('')}`;
}

/** Splits a note, at most 16,384 characters and 16 signatures; verifies nothing. SignerError NOTE_FORMAT. */
export function parseSignedNote(note: string): SignedNote {
  // Control characters other than the line feed are forbidden by C2SP signed-note.
  // oxlint-disable-next-line no-control-regex
  if (note.length > MAX_NOTE_LENGTH || !note.isWellFormed() || /[\u0000-\u0009\u000b-\u001f]/.test(note)) {
    throw noteError('pass the note as it was received');
  }
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw noteError('a note has a blank line before its signatures');
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw noteError(`a note has at most ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, encoded] = /^— ([^+\s]{1,255}) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
  if (name === undefined || encoded === undefined) throw noteError('a signature line is damaged');
  const bytes = decodeBase64(encoded);
  if (bytes.length < 5) throw noteError('a signature line is too short');
  return { name, keyHash: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/**
 * Whether `verifier` signed the note. Lines of other keys are ignored; a line of this key that does not verify
 * makes the note false.
 */
export function verifySignedNote(note: SignedNote, verifier: NoteVerifier): boolean {
  const hash = Buffer.from(noteKeyHash(verifier));
  const own = note.signatures.filter(s => s.name === verifier.name && hash.equals(s.keyHash));
  const key = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, verifier.publicKey]),
    format: 'der',
    type: 'spki',
  });
  const message = Buffer.from(note.text);
  return (
    own.length > 0 && own.every(s => s.signature.length === 64 && verify(null, message, key, s.signature))
  );
}

/** The text of a checkpoint, without extension lines: origin, size, root in base64, each with a line feed. */
export function formatCheckpoint({ origin, size, rootHash }: Checkpoint): string {
  checkName(origin);
  if (!Number.isSafeInteger(size) || size < 0) throw noteError('the size is a whole number of entries');
  if (rootHash.length !== LOG_HASH_BYTES) throw noteError('the root hash has 32 bytes');
  return `${origin}\n${size}\n${Buffer.from(rootHash).toString('base64')}\n`;
}

/** Reads a checkpoint's text strictly; extension lines are refused. SignerError NOTE_FORMAT. */
export function parseCheckpoint(text: string): Checkpoint {
  const [, origin, size, root] =
    /^([^+\s]{1,255})\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(text) ?? [];
  if (origin === undefined || size === undefined || root === undefined) {
    throw noteError('a checkpoint has the lines origin, size and root');
  }
  if (!Number.isSafeInteger(Number(size))) throw noteError('the size is beyond 2^53');
  return { origin, size: Number(size), rootHash: decodeBase64(root) };
}

/**
 * The way in for a checkpoint from outside: parses the note, verifies `verifier`'s signature, then reads it.
 * SignerError NOTE_FORMAT or NOTE_UNVERIFIED.
 */
export function openCheckpoint(note: string, verifier: NoteVerifier): Checkpoint {
  const parsed = parseSignedNote(note);
  if (!verifySignedNote(parsed, verifier)) {
    throw new SignerError('NOTE_UNVERIFIED', 'pass a checkpoint that this log signed');
  }
  return parseCheckpoint(parsed.text);
}

const noteError = (message: string): SignerError => new SignerError('NOTE_FORMAT', message);

function checkName(name: string): void {
  if (!/^[^+\s]{1,255}$/u.test(name)) throw noteError('a name has no space and no plus sign');
}

/** Canonical padded base64 only: what decodes must encode to the same text. */
function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw noteError('the base64 is not canonical');
  return new Uint8Array(bytes);
}
