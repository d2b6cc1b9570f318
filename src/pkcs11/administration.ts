/**
 * Main of the administration process: lists tokens and makes the key that identities are sealed to, for an operator's
 * command; never part of the service path. One request on fd 3, one answer, then it ends.
 */

import { randomBytes } from 'node:crypto';
import { findToken, logInOnce } from './administration-login.ts';
import {
  encodeTokenList,
  parsePrepareRequest,
  type PrepareRequest,
  type TokenList,
  type TokenSummary,
} from './administration-messages.ts';
import { type Caller, serveOneRequest } from './child-entry.ts';
import { CustodyError } from './error.ts';
import {
  type AdministeredToken,
  type AdministrationSession,
  listedTokens,
  loadModule,
  unloadModule,
} from './graphene.ts';
import {
  CKA_CLASS,
  CKA_LABEL,
  CKM_AES_GCM,
  CKM_RSA_PKCS_OAEP,
  CKO_PRIVATE_KEY,
  CKO_SECRET_KEY,
} from './pkcs11-constants.ts';
import { isHeld, type KeyPlace, makeAesKey, makeRsaKey } from './sealing-keys.ts';
import { failingSlot } from './token-facts.ts';
import { TOKEN_FRAME } from './token-messages.ts';
import { formatPkcs11Uri } from './uri.ts';
import { WireReader, WireWriter } from './wire.ts';

const KEY_ID_BYTES = 16;

async function handle(type: number, payload: Uint8Array, { pins }: Caller): Promise<Uint8Array> {
  switch (type) {
    case TOKEN_FRAME.list: {
      const reader = new WireReader(payload);
      const path = reader.str16();
      reader.end();
      loadModule(path);
      return encodeTokenList(list(path));
    }
    case TOKEN_FRAME.prepare:
      return new WireWriter().str16(await prepare(parsePrepareRequest(payload), pins)).finish();
    default:
      throw new CustodyError('TOKEN_PROTOCOL');
  }
}

function list(modulePath: string): TokenList {
  const { tokens, failing } = listedTokens();
  const summaries: TokenSummary[] = [];
  const faults = [...failing];
  for (const token of tokens) {
    try {
      summaries.push(summaryOf(token, modulePath));
    } catch (thrown) {
      faults.push(failingSlot(token.place, thrown));
    }
  }
  return { tokens: summaries, failing: faults };
}

function summaryOf(token: AdministeredToken, modulePath: string): TokenSummary {
  const { label, manufacturer, model, serial, flags } = token.facts;
  const types = new Set(token.mechanisms().map(({ type }) => type));
  return {
    uri: formatPkcs11Uri({ match: { token: label, serial }, modulePath }),
    label,
    manufacturer,
    model,
    serial,
    flags,
    hasRsaOaep: types.has(CKM_RSA_PKCS_OAEP),
    hasAesGcm: types.has(CKM_AES_GCM),
  };
}

/** Makes the key and returns the URI of what opens envelopes. */
async function prepare({ access, key, label }: PrepareRequest, pins: Caller['pins']): Promise<string> {
  const found = findToken(access);
  const { facts } = found.token;
  await logInOnce(found, pins);
  const session = found.token.open();
  // A second key of one name is a trap for whoever selects by name.
  for (const objectClass of [CKO_PRIVATE_KEY, CKO_SECRET_KEY]) {
    const same = session.find([
      [CKA_CLASS, objectClass],
      [CKA_LABEL, Buffer.from(label)],
    ]);
    if (same.length > 0) throw new CustodyError('KEY_EXISTS');
  }
  const id = randomBytes(KEY_ID_BYTES);
  make(session, key, { label, id, kept: true });
  return formatPkcs11Uri({
    match: { token: facts.label, serial: facts.serial, object: label },
    id,
    modulePath: found.modulePath,
    ...(key.kind === 'aes' ? { type: 'secret-key' as const } : {}),
  });
}

/** A token that made something else than it was asked for is not used, and keeps nothing of it. */
function make(session: AdministrationSession, key: PrepareRequest['key'], place: KeyPlace): void {
  const made = key.kind === 'rsa' ? halves(session, key.bits, place) : [makeAesKey(session, place)];
  if (made.slice(0, 1).every(secret => isHeld(session, secret))) return;
  for (const handle of made) session.destroy(handle);
  throw new CustodyError('KEY_UNSUITABLE');
}

function halves(session: AdministrationSession, bits: number, place: KeyPlace): Buffer[] {
  const { privateKey, publicKey } = makeRsaKey(session, bits, place);
  return [privateKey, publicKey];
}

await serveOneRequest(handle, unloadModule);
