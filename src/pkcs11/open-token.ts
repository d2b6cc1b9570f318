import { CustodyError } from './error.ts';
import { parsePinSource, readPin } from './pin.ts';
import { type RsaTokenKey, Token } from './pkcs11js.ts';
import type { TokenAccess } from './token-messages.ts';
import { parsePkcs11Uri, resolveModulePath } from './uri.ts';

/** A token after login, and its key. */
export interface OpenedToken {
  readonly token: Token;
  readonly key: RsaTokenKey;
}

/**
 * Finds the token, reads the PIN, logs in with one attempt and finds the key. The PIN source is judged before the
 * token is touched. Throws URI_SYNTAX, MODULE_…, TOKEN_…, PIN_…, KEY_….
 */
export async function openToken(access: TokenAccess): Promise<OpenedToken> {
  const uri = parsePkcs11Uri(access.uri);
  const pinSource = parsePinSource(uri.pinSource ?? access.pinSource);
  const token = Token.find(resolveModulePath(uri, access.modulePath), uri);
  if (token.needsPin()) token.login(await readPin(pinSource, token.label));
  const key = token.findRsaKey(uri);
  // A key that can leave its token is a file with extra steps.
  if (key.extractable === true) throw new CustodyError('KEY_UNSUITABLE');
  return { token, key };
}
