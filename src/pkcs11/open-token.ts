import { type Unlock, unlockWithToken } from './envelope.ts';
import { parseEnvelope, type TokenStanza } from './envelope-header.ts';
import { CustodyError } from './error.ts';
import { parsePinSource, readPin } from './pin.ts';
import type { PinGate } from './pin-gate.ts';
import { Token } from './pkcs11js.ts';
import { keyTagOf } from './recipient.ts';
import { decryptGcm, decryptOaep, findTokenKeys, type TokenKey } from './token-keys.ts';
import type { TokenAccess } from './token-messages.ts';
import { formatPkcs11Uri, parsePkcs11Uri, type Pkcs11Uri, resolveModulePath } from './uri.ts';

/** A token after login, and one key of it. */
export interface OpenedToken {
  readonly token: Token;
  readonly key: TokenKey;
}

/** A token after login, and every key of it that the URI selects: at least one. */
export interface TokenKeys {
  readonly token: Token;
  readonly keys: readonly TokenKey[];
}

/**
 * Finds the token, reads the PIN, logs in with one attempt when `pins` has nothing against it, and finds the keys. The PIN
 * source is judged before the token is touched. Throws URI_SYNTAX, MODULE_…, TOKEN_…, PIN_…, KEY_NOT_FOUND, KEY_UNSUITABLE.
 */
export async function openTokenKeys(access: TokenAccess, pins: PinGate): Promise<TokenKeys> {
  const { token, uri } = await logIn(access, pins);
  return { token, keys: findTokenKeys(token, uri) };
}

/** The same without its keys. Throws URI_SYNTAX, MODULE_…, TOKEN_…, PIN_…. */
export async function logIn(access: TokenAccess, pins: PinGate): Promise<{ token: Token; uri: Pkcs11Uri }> {
  const uri = parsePkcs11Uri(access.uri);
  const pinSource = parsePinSource(uri.pinSource ?? access.pinSource);
  const token = Token.find(resolveModulePath(uri, access.modulePath), uri);
  if (token.needsPin()) await pins.login(token, await readPin(pinSource, token.label), pinSource);
  return { token, uri };
}

/** For sealing: the key must be the only one. Throws as openTokenKeys, and KEY_AMBIGUOUS. */
export async function openToken(access: TokenAccess, pins: PinGate): Promise<OpenedToken> {
  const { token, keys } = await openTokenKeys(access, pins);
  const [key, ...others] = keys;
  if (key === undefined) throw new CustodyError('KEY_NOT_FOUND');
  if (others.length > 0) throw new CustodyError('KEY_AMBIGUOUS');
  return { token, key: checked(key) };
}

/**
 * For opening: the key that the envelope was sealed to, whatever else is on the token by now. Throws
 * ENVELOPE_SYNTAX, ENVELOPE_NO_RECIPIENT, KEY_UNSUITABLE.
 */
export function keyOfEnvelope({ token, keys }: TokenKeys, envelope: Uint8Array): OpenedToken {
  const tags = new Set(parseEnvelope(envelope).tokens.map(({ keyTag }) => keyTag));
  const key = keys.find(each => tags.has(keyTagOf(each)));
  if (key === undefined) throw new CustodyError('ENVELOPE_NO_RECIPIENT');
  return { token, key: checked(key) };
}

/** A key that can leave its token is a file with extra steps. */
function checked(key: TokenKey): TokenKey {
  if (key.extractable === true) throw new CustodyError('KEY_UNSUITABLE');
  return key;
}

/** How an envelope is opened with this token. */
export function unlockWith({ token, key }: OpenedToken): Unlock {
  return unlockWithToken(keyTagOf(key), (stanza: TokenStanza, out: Buffer) => {
    if (stanza.kind === 'rsa-oaep' && key.kind === 'rsa')
      return decryptOaep(token, key, stanza.hash, stanza.wrapped, out);
    if (stanza.kind === 'aes-gcm' && key.kind === 'aes')
      return decryptGcm(token, key, stanza.wrapped, stanza.aad, out);
    throw new CustodyError('ENVELOPE_UNWRAP');
  });
}

/** The token by label and serial number, as recipients are shown. */
export const tokenUri = ({ label, serial }: Token): string =>
  formatPkcs11Uri({
    match: { ...(label === '' ? {} : { token: label }), ...(serial === '' ? {} : { serial }) },
  });
