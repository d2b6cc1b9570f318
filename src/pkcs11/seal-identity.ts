import { type KpHsId, parseKpHsId, SECRET_KEY_FILE_LENGTH } from '../descriptor/index.ts';
import {
  encryptOaep,
  keyTagOf,
  openEnvelope,
  type Origin,
  PAYLOAD_BYTES,
  publicKeyOfPayload,
  type RsaRecipient,
  sealEnvelope,
} from './envelope.ts';
import { CustodyError } from './error.ts';
import { makeIdentity, readIdentityFile } from './identity-file.ts';
import { equalSecrets, fillRandom, withScratch } from './locked-memory.ts';
import type { OpenedToken } from './open-token.ts';
import type { OaepHash } from './pkcs11js.ts';
import type { SealedIdentity, SealRequest, SealSource } from './token-messages.ts';

/**
 * Seals a new, an imported or an already sealed identity to the tokens and age recipients. The envelope is opened
 * again with every token before it is returned. Throws ENVELOPE_…, IDENTITY_…, KEY_UNSUITABLE, MECHANISM.
 */
export function sealIdentity(request: SealRequest, tokens: readonly OpenedToken[]): SealedIdentity {
  const recipients = tokens.map(toRecipient);
  return withScratch(PAYLOAD_BYTES, payload => {
    const origin = fillPayload(payload, request.source, tokens);
    const kpHsId = identityOf(payload);
    const envelope = sealEnvelope({
      payload,
      kpHsId,
      origin,
      tokens: recipients,
      ageRecipients: request.ageRecipients,
    });
    for (const opened of tokens) checkReadBack(envelope, kpHsId, opened, payload);
    return { envelope, kpHsId, origin };
  });
}

/** Asks the key itself which hash it takes, with a random challenge: tokens advertise what they do not do. */
function toRecipient(opened: OpenedToken): RsaRecipient {
  const { modulus, publicExponent } = opened.key;
  for (const hash of ['sha256', 'sha1'] as const) {
    const recipient = { modulus, publicExponent, hash };
    if (answersChallenge(opened, recipient)) return recipient;
  }
  throw new CustodyError('MECHANISM');
}

function answersChallenge({ token, key }: OpenedToken, recipient: RsaRecipient): boolean {
  return withScratch(16 + 512, scratch => {
    const challenge = scratch.subarray(0, 16);
    const out = scratch.subarray(16);
    fillRandom(challenge);
    const wrapped = encryptOaep(recipient, challenge);
    try {
      const length = token.decryptOaep(key, recipient.hash, wrapped, out);
      return equalSecrets(out.subarray(0, length), challenge);
    } catch (thrown) {
      if (thrown instanceof CustodyError && thrown.code === 'MECHANISM') return false;
      throw thrown;
    }
  });
}

function fillPayload(payload: Buffer, source: SealSource, tokens: readonly OpenedToken[]): Origin {
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
      return `imported-${new Date().toISOString().slice(0, 10)}`;
    case 'envelope': {
      const [first] = tokens;
      if (first === undefined) throw new CustodyError('ENVELOPE_RECIPIENT');
      return openEnvelope(source.envelope, openingOptions(source.kpHsId, first), identity => {
        payload.set(identity.payload);
        return identity.origin;
      });
    }
  }
}

function identityOf(payload: Buffer): KpHsId {
  const publicKey = publicKeyOfPayload(payload);
  try {
    return parseKpHsId(publicKey);
  } catch (cause) {
    throw new CustodyError('IDENTITY_FILE', undefined, { cause });
  }
}

/** How an envelope of this service is opened with this token. */
export function openingOptions(
  kpHsId: KpHsId,
  { token, key }: OpenedToken,
): Parameters<typeof openEnvelope>[1] {
  return {
    kpHsId,
    keyTag: keyTagOf(key),
    unwrap: (wrapped: Uint8Array, hash: OaepHash, out: Buffer) => token.decryptOaep(key, hash, wrapped, out),
  };
}

function checkReadBack(envelope: Uint8Array, kpHsId: KpHsId, opened: OpenedToken, payload: Uint8Array): void {
  openEnvelope(envelope, openingOptions(kpHsId, opened), identity => {
    if (!equalSecrets(identity.payload, payload)) throw new CustodyError('ENVELOPE_UNWRAP');
  });
}
