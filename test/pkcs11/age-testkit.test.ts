import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { FILE_KEY_BYTES, openAgePayload, parseAgeFile, TAG_BYTES } from '../../src/pkcs11/age-file.ts';
import { unlockWithPassphrase } from '../../src/pkcs11/age-scrypt.ts';
import { unwrapFromX25519 } from '../../src/pkcs11/age-x25519.ts';
import { parseAgeSecretKey } from '../../src/pkcs11/bech32.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import testkit from '../vectors/age-testkit.json' with { type: 'json' };

interface Vector {
  readonly name: string;
  readonly expect: string;
  readonly file: string;
  readonly payloadSha256?: string;
  readonly identities?: readonly string[];
  readonly passphrase?: string;
}

const VECTORS: readonly Vector[] = testkit.vectors;

/** SHA-256 of the payload as our reader finds it. Throws CustodyError, and for a file that is for nobody of these. */
function digestOf({ file: text, identities = [], passphrase }: Vector): string {
  const file = parseAgeFile(Buffer.from(text, 'base64'));
  const fileKey = Buffer.alloc(FILE_KEY_BYTES);
  if (passphrase !== undefined) unlockWithPassphrase(file, Buffer.from(passphrase), fileKey);
  else if (!identities.some(identity => unlocks(file, identity, fileKey)))
    throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  const out = Buffer.alloc(file.chunk.length - TAG_BYTES);
  openAgePayload(file, fileKey, out);
  return createHash('sha256').update(out).digest('hex');
}

function unlocks(file: ReturnType<typeof parseAgeFile>, identity: string, fileKey: Buffer): boolean {
  const privateKey = Buffer.alloc(32);
  parseAgeSecretKey(Buffer.from(identity), privateKey);
  // A passphrase beside other recipients is no file of age.
  if (file.stanzas.length > 1 && file.stanzas.some(({ type }) => type === 'scrypt'))
    throw new CustodyError('ENVELOPE_SYNTAX');
  return file.stanzas.some(stanza => unwrapFromX25519(stanza, privateKey, fileKey));
}

describe('the vectors of the age format', () => {
  const isOpened = (vector: Vector): boolean => vector.expect === 'success' && vector.name !== EMPTY;
  /** The one difference: a payload of nothing is none of ours. */
  const EMPTY = 'stream_empty_payload';

  test('hold files to be opened and files to be refused (control)', () => {
    expect(VECTORS).toHaveLength(73);
    expect(VECTORS.filter(isOpened)).toHaveLength(7);
  });

  test.each(VECTORS.filter(isOpened))('$name is opened', vector => {
    expect(digestOf(vector)).toBe(vector.payloadSha256);
  });

  test.each(VECTORS.filter(vector => !isOpened(vector)))('$name is refused: $expect', vector => {
    expect(() => digestOf(vector)).toThrow(CustodyError);
  });
});
