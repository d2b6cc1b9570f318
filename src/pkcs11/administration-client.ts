import {
  encodePrepareRequest,
  parseTokenList,
  type PrepareRequest,
  type TokenList,
} from './administration-messages.ts';
import { askChild, type TokenClientOptions } from './ask-child.ts';
import { parsePinSource } from './pin.ts';
import { TOKEN_FRAME } from './token-messages.ts';
import { parsePkcs11Uri, resolveModulePath } from './uri.ts';
import { WireReader, WireWriter } from './wire.ts';

/** Making a key takes tens of seconds on a card. */
const PREPARE_DEADLINE_MS = 120_000;

/**
 * The initialised tokens of a module: an absolute path, or a URI with module-name or module-path; and slots that do not say
 * what is in them. No login.
 */
export async function listTokens(module: string, options: TokenClientOptions = {}): Promise<TokenList> {
  const uri = module.startsWith('pkcs11:') ? parsePkcs11Uri(module) : { match: {} };
  const path = resolveModulePath(uri, module.startsWith('pkcs11:') ? '' : module);
  const payload = new WireWriter().str16(path).finish();
  return parseTokenList(
    await askChild('administration', TOKEN_FRAME.list, payload, { ...options, ownSession: true }),
  );
}

/**
 * Makes a non-extractable key for envelopes on the one token that the URI selects, with one attempt at the PIN, and
 * returns the URI of that key. Throws URI_…, MODULE_…, TOKEN_…, PIN_…, KEY_EXISTS, KEY_LABEL, KEY_UNSUITABLE,
 * MECHANISM.
 */
export async function prepareToken(
  request: PrepareRequest,
  options: TokenClientOptions = {},
): Promise<string> {
  const source = parsePinSource(parsePkcs11Uri(request.access.uri).pinSource ?? request.access.pinSource);
  const timed = {
    ...options,
    deadlineMs: options.deadlineMs ?? PREPARE_DEADLINE_MS,
    ownSession: source.kind !== 'tty',
    access: request.access,
  };
  const answer = await askChild('administration', TOKEN_FRAME.prepare, encodePrepareRequest(request), timed);
  const reader = new WireReader(answer);
  const uri = reader.str16();
  reader.end();
  return uri;
}
