// Backups that open without a token: an envelope with a paper key, a copy with a passphrase, any age file with a key in it.

import { formatOnionAddress, type KpHsId, parseKpHsId, SECRET_KEY_FILE_LENGTH } from '../descriptor/index.ts';
import {
  type AgeFile,
  encodeAgeFile,
  FILE_KEY_BYTES,
  openAgePayload,
  parseAgeFile,
  TAG_BYTES,
} from './age-file.ts';
import { unlockWithPassphrase, wrapForPassphrase } from './age-scrypt.ts';
import { unwrapFromX25519 } from './age-x25519.ts';
import { PAYLOAD_BYTES, publicKeyOfPayload } from './envelope.ts';
import { type Origin, parseEnvelope } from './envelope-header.ts';
import { CustodyError } from './error.ts';
import { importedToday, takeIdentity } from './identity-file.ts';
import { equalSecrets, fillRandom, type Secret, withScratch } from './locked-memory.ts';
import { withPaperKey } from './paper-key.ts';
import { readPassphrase } from './passphrase.ts';
import { parsePinSource } from './pin.ts';

/** What opens a backup: never the key itself. */
export type BackupKey =
  /** Absolute path of an identity file of age. */
  | { readonly kind: 'paper'; readonly path: string }
  /** `tty` or `file:/…`. */
  | { readonly kind: 'passphrase'; readonly source: string };

/** The same, ready for use without waiting for anybody. */
export type ReadyKey =
  | Extract<BackupKey, { kind: 'paper' }>
  | { readonly kind: 'passphrase'; readonly passphrase: Secret };

/** Has a passphrase read, hands the key to `use` and wipes it. Throws PASSPHRASE, PIN_LITERAL, PIN_SOURCE. */
export async function withReadyKey<T>(key: BackupKey, use: (ready: ReadyKey) => T): Promise<T> {
  if (key.kind === 'paper') return use(key);
  const passphrase = await readPassphrase(parsePinSource(key.source), false);
  try {
    return use({ kind: 'passphrase', passphrase });
  } finally {
    passphrase.wipe();
  }
}

/** Puts the payload into `out`, which must have its length. Throws ENVELOPE_…, PAPER_KEY, PASSPHRASE_WRONG. */
function openBackup(file: AgeFile, key: ReadyKey, out: Uint8Array): void {
  withScratch(FILE_KEY_BYTES, fileKey => {
    if (key.kind === 'passphrase') {
      key.passphrase.use(passphrase => unlockWithPassphrase(file, passphrase, fileKey));
    } else {
      withPaperKey(key.path, privateKey => {
        if (!file.stanzas.some(stanza => unwrapFromX25519(stanza, privateKey, fileKey)))
          throw new CustodyError('ENVELOPE_NO_RECIPIENT');
      });
    }
    openAgePayload(file, fileKey, out);
  });
}

/**
 * Fills `payload` (128 bytes, locked) from a backup: the payload of an envelope or copy as it is, or a key file (of tor,
 * or PEM) with a new secret of the service. The origin is the envelope's own when the file is one. Throws ENVELOPE_…,
 * IDENTITY_…, PAPER_KEY, PASSPHRASE_WRONG.
 */
export function fillFromBackup(payload: Buffer, bytes: Uint8Array, key: ReadyKey): Origin {
  const file = parseAgeFile(bytes);
  withScratch(file.chunk.length - TAG_BYTES, content => {
    openBackup(file, key, content);
    if (content.length === PAYLOAD_BYTES && !isPem(content)) {
      payload.set(content);
    } else {
      takeIdentity(payload.subarray(0, SECRET_KEY_FILE_LENGTH), content);
      fillRandom(payload.subarray(SECRET_KEY_FILE_LENGTH));
    }
  });
  if (!isEnvelope(file)) return importedToday();
  const { address, origin } = parseEnvelope(bytes);
  const kpHsId = parseKpHsId(publicKeyOfPayload(payload));
  if (`${address}.onion` !== formatOnionAddress(kpHsId)) throw new CustodyError('IDENTITY_MISMATCH');
  return origin;
}

const isPem = (content: Uint8Array): boolean => content[0] === 0x2d;

const isEnvelope = ({ stanzas }: AgeFile): boolean =>
  stanzas.some(({ type }) => type.startsWith('onion-signer-'));

/** Opens a copy and compares a·B with the service. Throws ENVELOPE_…, PASSPHRASE_WRONG, IDENTITY_MISMATCH. */
export function verifyCopy(bytes: Uint8Array, kpHsId: KpHsId, key: ReadyKey): void {
  withScratch(PAYLOAD_BYTES, payload => {
    openBackup(parseAgeFile(bytes), key, payload);
    if (!equalSecrets(publicKeyOfPayload(payload), kpHsId)) throw new CustodyError('IDENTITY_MISMATCH');
  });
}

/** A file of its own for a passphrase, with the payload of an envelope: `age -d` opens it. It is read back once. */
export function sealCopy(payload: Uint8Array, kpHsId: KpHsId, passphrase: Secret): Uint8Array {
  const copy = withScratch(FILE_KEY_BYTES, fileKey => {
    fillRandom(fileKey);
    const stanza = passphrase.use(words => wrapForPassphrase(fileKey, words));
    return encodeAgeFile([stanza], fileKey, payload);
  });
  verifyCopy(copy, kpHsId, { kind: 'passphrase', passphrase });
  return copy;
}
