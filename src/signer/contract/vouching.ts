import { formatOnionAddress, type KpHsId, parseOnionAddress } from '../../descriptor/index.ts';
import { SignerError } from './problems.ts';
import { type NoteVerifier, parseNoteVerifier, parseSignedNote, verifySignedNote } from './signed-note.ts';

/** An identity's word for a checkpoint key: reading and verifying. The token process signs (docs/formats/journal.md). */

const TITLE = 'onion-signer checkpoint key 1';
const MAX_LENGTH = 1024;

/** What a vouching says: this identity's signer signs its checkpoints with this key. */
export interface Vouching {
  /** 62 characters. */
  readonly address: string;
  readonly kpHsId: KpHsId;
  /** The checkpoint key; its name is the origin of the checkpoints. */
  readonly key: NoteVerifier;
}

/**
 * Opens a vouching, a signed note of at most 1024 characters, with nothing but the address that stands in it: that is
 * the key. SignerError NOTE_FORMAT, NOTE_UNVERIFIED.
 */
export function openVouching(note: string): Vouching {
  if (note.length > MAX_LENGTH) throw noteError();
  const parsed = parseSignedNote(note);
  const [title, address, key, end, ...more] = parsed.text.split('\n');
  if (title !== TITLE || address === undefined || key === undefined || end !== '' || more.length > 0)
    throw noteError();
  const kpHsId = readAddress(address);
  if (!verifySignedNote(parsed, addressVerifier(kpHsId))) {
    throw new SignerError('NOTE_UNVERIFIED', 'the identity did not sign this; ask the signer for its own');
  }
  return { address, kpHsId, key: parseNoteVerifier(key) };
}

/** An address as the key of a signed note: its own name, and KP_hs_id. */
export const addressVerifier = (kpHsId: KpHsId): NoteVerifier => ({
  name: formatOnionAddress(kpHsId),
  publicKey: kpHsId,
});

function readAddress(text: string): KpHsId {
  try {
    const kpHsId = parseOnionAddress(text);
    if (formatOnionAddress(kpHsId) === text) return kpHsId;
  } catch (cause) {
    throw noteError(cause);
  }
  throw noteError();
}

const noteError = (cause?: unknown): SignerError =>
  new SignerError('NOTE_FORMAT', 'a vouching has the lines title, address and key', { cause });
