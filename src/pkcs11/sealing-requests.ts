// The token process at the work of an operator: sealing, sealing again, copies and the check of backups.

import type { KpHsId } from '../descriptor/index.ts';
import { sealCopy, verifyCopy, withReadyKey } from './backup.ts';
import { openEnvelope, unlockWithPaper } from './envelope.ts';
import { CustodyError } from './error.ts';
import { x25519PublicInto } from './locked-memory.ts';
import { formatAgeRecipient } from './bech32.ts';
import { keyOfEnvelope, type OpenedToken, openToken, openTokenKeys, unlockWith } from './open-token.ts';
import { withPaperKey } from './paper-key.ts';
import { readPassphrase } from './passphrase.ts';
import type { PinGate } from './pin-gate.ts';
import { parsePinSource } from './pin.ts';
import { keyTagOf } from './recipient.ts';
import { resealIdentity, sealIdentity } from './seal-identity.ts';
import {
  type CopyRequest,
  encodeSealAnswer,
  parseCopyRequest,
  parseResealRequest,
  parseSealRequest,
  parseVerifyRequest,
  type SealedIdentity,
  type SealRequest,
  type VerifyRequest,
} from './seal-messages.ts';
import { TOKEN_FRAME, type TokenAccess } from './token-messages.ts';
import { WireWriter } from './wire.ts';

/** Throws TOKEN_PROTOCOL for a request that is none of these, and what each throws. */
export async function handleSealing(type: number, payload: Uint8Array, pins: PinGate): Promise<Uint8Array> {
  switch (type) {
    case TOKEN_FRAME.seal:
      return encodeSealAnswer(await seal(parseSealRequest(payload), pins));
    case TOKEN_FRAME.reseal: {
      const request = parseResealRequest(payload);
      const present = await openTokens(request.tokens, pins, request.envelope);
      return encodeSealAnswer(resealIdentity(request, present, await openTokens(request.added, pins)));
    }
    case TOKEN_FRAME.verify:
      return new WireWriter().str8(await verify(parseVerifyRequest(payload), pins)).finish();
    case TOKEN_FRAME.copy:
      return new WireWriter().blob32(await copy(parseCopyRequest(payload), pins)).finish();
    default:
      throw new CustodyError('TOKEN_PROTOCOL');
  }
}

async function seal(
  { tokens: accesses, ageRecipients, source }: SealRequest,
  pins: PinGate,
): Promise<SealedIdentity> {
  const tokens = await openTokens(accesses, pins);
  if (source.kind !== 'backup') return sealIdentity(source, tokens, ageRecipients);
  return await withReadyKey(source.key, key => sealIdentity({ ...source, key }, tokens, ageRecipients));
}

/** One after the other: at a terminal each asks for its own PIN. With an envelope, by the keys that it is sealed to. */
async function openTokens(
  accesses: readonly TokenAccess[],
  pins: PinGate,
  envelope?: Uint8Array,
): Promise<OpenedToken[]> {
  const tokens: OpenedToken[] = [];
  for (const access of accesses) {
    tokens.push(
      envelope === undefined
        ? await openToken(access, pins)
        : keyOfEnvelope(await openTokenKeys(access, pins), envelope),
    );
  }
  return tokens;
}

/** The name of the recipient that opened it: a key tag, `age1…`, or `passphrase`. */
async function verify({ envelope, kpHsId, by }: VerifyRequest, pins: PinGate): Promise<string> {
  switch (by.kind) {
    case 'token': {
      const opened = keyOfEnvelope(await openTokenKeys(by.access, pins), envelope);
      openEnvelope(envelope, { kpHsId, unlock: unlockWith(opened) }, () => undefined);
      return keyTagOf(opened.key);
    }
    case 'paper':
      return verifyPaper(envelope, kpHsId, by.path);
    case 'passphrase':
      await withReadyKey(by, key => verifyCopy(envelope, kpHsId, key));
      return by.kind;
  }
}

function verifyPaper(envelope: Uint8Array, kpHsId: KpHsId, path: string): string {
  return withPaperKey(path, privateKey => {
    openEnvelope(envelope, { kpHsId, unlock: unlockWithPaper(privateKey) }, () => undefined);
    const publicKey = new Uint8Array(32);
    x25519PublicInto(publicKey, privateKey);
    return formatAgeRecipient(publicKey);
  });
}

async function copy(
  { envelope, kpHsId, access, passphraseSource }: CopyRequest,
  pins: PinGate,
): Promise<Uint8Array> {
  const opened = keyOfEnvelope(await openTokenKeys(access, pins), envelope);
  const passphrase = await readPassphrase(parsePinSource(passphraseSource), true);
  try {
    return openEnvelope(envelope, { kpHsId, unlock: unlockWith(opened) }, ({ payload }) =>
      sealCopy(payload, kpHsId, passphrase),
    );
  } finally {
    passphrase.wipe();
  }
}
