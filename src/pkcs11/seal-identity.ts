import { type KpHsId, parseKpHsId, SECRET_KEY_FILE_LENGTH } from '../descriptor/index.ts';
import { fillFromBackup, type ReadyKey } from './backup.ts';
import {
  encryptOaep,
  openEnvelope,
  type OpenedIdentity,
  PAYLOAD_BYTES,
  publicKeyOfPayload,
  sealEnvelope,
  type TokenRecipient,
} from './envelope.ts';
import { type Origin, parseEnvelope } from './envelope-header.ts';
import { CustodyError } from './error.ts';
import { importedToday, makeIdentity, readIdentityFile } from './identity-file.ts';
import { equalSecrets, fillRandom, withScratch } from './locked-memory.ts';
import { type OpenedToken, tokenUri, unlockWith } from './open-token.ts';
import { keyTagOf, type Recipient, recipientName, type RsaRecipient } from './recipient.ts';
import { decryptOaep, encryptGcm, type RsaTokenKey } from './token-keys.ts';
import type { ResealRequest, SealedIdentity, SealSource } from './seal-messages.ts';

/** An identity to be sealed; a backup's passphrase is here by now. */
export type ReadySource =
  | Exclude<SealSource, { kind: 'backup' }>
  | { readonly kind: 'backup'; readonly file: Uint8Array; readonly key: ReadyKey };

/**
 * Seals a new or an imported identity, or one from a backup, to the tokens and age recipients. The envelope is opened
 * again with every token before it is returned. Throws ENVELOPE_…, IDENTITY_…, KEY_UNSUITABLE, MECHANISM, PAPER_KEY,
 * PASSPHRASE_WRONG.
 */
export function sealIdentity(
  source: ReadySource,
  tokens: readonly OpenedToken[],
  ageRecipients: readonly string[],
): SealedIdentity {
  const recipients = tokens.map(toRecipient);
  return withScratch(PAYLOAD_BYTES, payload => {
    const origin = fillPayload(payload, source);
    return sealPayload(payload, origin, { recipients, ageRecipients }, tokens);
  });
}

/**
 * Seals the identity of an envelope again, under a fresh file key, to its recipients without those removed and with
 * those added. The first of `present`, the tokens of recipients that are here, opens it. Throws as sealIdentity, and
 * RECIPIENT_….
 */
export function resealIdentity(
  { envelope, kpHsId, remove, ageRecipients }: ResealRequest,
  present: readonly OpenedToken[],
  added: readonly OpenedToken[],
): SealedIdentity {
  const [first] = present;
  if (first === undefined) throw new CustodyError('ENVELOPE_RECIPIENT');
  return openEnvelope(envelope, { kpHsId, unlock: unlockWith(first) }, identity => {
    checkNamed(envelope, identity, remove);
    const here = present.map(toRecipient);
    const kept = identity.recipients.filter(recipient => !remove.includes(recipientName(recipient)));
    const tokens = kept.flatMap(each => (each.kind === 'X25519' ? [] : [withToken(each, here)]));
    const papers = kept.flatMap(each => (each.kind === 'X25519' ? [each.recipient] : []));
    const to = {
      recipients: [...tokens, ...added.map(toRecipient)],
      ageRecipients: [...papers, ...ageRecipients],
    };
    const readers = present.filter(({ key }) => !remove.includes(keyTagOf(key)));
    return sealPayload(identity.payload, identity.origin, to, [...readers, ...added]);
  });
}

/** Nobody is left out, or taken out, without a word. */
function checkNamed(envelope: Uint8Array, { recipients }: OpenedIdentity, remove: readonly string[]): void {
  const { tokens, papers } = parseEnvelope(envelope);
  const names = recipients.map(recipientName);
  const isWhole = names.length === tokens.length + papers.length;
  if (!isWhole || !remove.every(name => names.includes(name))) throw new CustodyError('RECIPIENT_UNKNOWN');
}

function withToken(
  recipient: Exclude<Recipient, { kind: 'X25519' }>,
  present: readonly TokenRecipient[],
): TokenRecipient {
  const here = present.find(each => recipientName(each) === recipientName(recipient));
  if (here !== undefined) return here;
  if (recipient.kind === 'aes-gcm') throw new CustodyError('RECIPIENT_ABSENT');
  return recipient;
}

function sealPayload(
  payload: Uint8Array,
  origin: Origin,
  to: { readonly recipients: readonly TokenRecipient[]; readonly ageRecipients: readonly string[] },
  readers: readonly OpenedToken[],
): SealedIdentity {
  const kpHsId = identityOf(payload);
  const { recipients: tokens, ageRecipients } = to;
  const envelope = sealEnvelope({ payload, kpHsId, origin, tokens, ageRecipients });
  for (const opened of readers) checkReadBack(envelope, kpHsId, opened, payload);
  return { envelope, kpHsId, origin };
}

function toRecipient(opened: OpenedToken): TokenRecipient {
  const { token, key } = opened;
  const uri = tokenUri(token);
  if (key.kind === 'rsa') return rsaRecipient(opened, key, uri);
  const wrap = (fileKey: Buffer, aad: Uint8Array): Uint8Array => encryptGcm(token, key, fileKey, aad);
  return { kind: 'aes-gcm', keyTag: keyTagOf(key), uri, wrap };
}

/** Asks the key itself which hash it takes, with a random challenge: tokens advertise what they do not do. */
function rsaRecipient({ token }: OpenedToken, key: RsaTokenKey, uri: string): RsaRecipient {
  const { modulus, publicExponent } = key;
  for (const hash of ['sha256', 'sha1'] as const) {
    const recipient = { kind: 'rsa-oaep', modulus, publicExponent, hash, uri } as const;
    if (answersChallenge(token, key, recipient)) return recipient;
  }
  throw new CustodyError('MECHANISM');
}

function answersChallenge(token: OpenedToken['token'], key: RsaTokenKey, recipient: RsaRecipient): boolean {
  return withScratch(16 + 512, scratch => {
    const challenge = scratch.subarray(0, 16);
    const out = scratch.subarray(16);
    fillRandom(challenge);
    const wrapped = encryptOaep(recipient, challenge);
    try {
      const length = decryptOaep(token, key, recipient.hash, wrapped, out);
      return equalSecrets(out.subarray(0, length), challenge);
    } catch (thrown) {
      if (thrown instanceof CustodyError && thrown.code === 'MECHANISM') return false;
      throw thrown;
    }
  });
}

function fillPayload(payload: Buffer, source: ReadySource): Origin {
  const file = payload.subarray(0, SECRET_KEY_FILE_LENGTH);
  const serviceSecret = payload.subarray(SECRET_KEY_FILE_LENGTH);
  switch (source.kind) {
    case 'new':
      fillRandom(serviceSecret);
      makeIdentity(file);
      return 'born';
    case 'import':
      fillRandom(serviceSecret);
      readIdentityFile(file, source.path);
      return importedToday();
    case 'backup':
      return fillFromBackup(payload, source.file, source.key);
  }
}

function identityOf(payload: Uint8Array): KpHsId {
  const publicKey = publicKeyOfPayload(payload);
  try {
    return parseKpHsId(publicKey);
  } catch (cause) {
    throw new CustodyError('IDENTITY_FILE', undefined, { cause });
  }
}

function checkReadBack(envelope: Uint8Array, kpHsId: KpHsId, opened: OpenedToken, payload: Uint8Array): void {
  openEnvelope(envelope, { kpHsId, unlock: unlockWith(opened) }, identity => {
    if (!equalSecrets(identity.payload, payload)) throw new CustodyError('ENVELOPE_UNWRAP');
  });
}
