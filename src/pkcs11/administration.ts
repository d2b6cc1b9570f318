/**
 * Main of the administration process: lists tokens and makes the key pair of a token, for an operator's command.
 * The only importer of graphene-pk11; never part of the service path. One request on fd 3, one answer, then it ends.
 */

import { randomBytes } from 'node:crypto';
import * as graphene from 'graphene-pk11';
import {
  encodeTokenList,
  parsePrepareRequest,
  type PrepareRequest,
  type TokenSummary,
} from './administration-messages.ts';
import { serveOneRequest } from './child-entry.ts';
import { CustodyError, type CustodyErrorCode } from './error.ts';
import { checkPinFlags, parsePinSource, readPin } from './pin.ts';
import {
  CKF_OS_LOCKING_OK,
  CKF_TOKEN_INITIALIZED,
  CKM_RSA_PKCS_OAEP,
  CKR_MEANING,
  ckrOf,
} from './pkcs11-constants.ts';
import { TOKEN_FRAME } from './token-messages.ts';
import { formatPkcs11Uri, parsePkcs11Uri, type Pkcs11Uri, resolveModulePath } from './uri.ts';
import { WireReader, WireWriter } from './wire.ts';

const KEY_ID_BYTES = 16;
const PUBLIC_EXPONENT = Buffer.of(1, 0, 1);

let loaded: graphene.Module | undefined;

async function handle(type: number, payload: Uint8Array): Promise<Uint8Array> {
  switch (type) {
    case TOKEN_FRAME.list: {
      const reader = new WireReader(payload);
      const path = reader.str16();
      reader.end();
      return encodeTokenList(listTokens(path).map(({ summary }) => summary));
    }
    case TOKEN_FRAME.prepare:
      return new WireWriter().str16(await prepare(parsePrepareRequest(payload))).finish();
    default:
      throw new CustodyError('TOKEN_PROTOCOL');
  }
}

interface ListedToken {
  readonly summary: TokenSummary;
  readonly slot: graphene.Slot;
}

function listTokens(modulePath: string): ListedToken[] {
  return normalise(() => {
    loaded = graphene.Module.load(modulePath);
    loaded.initialize({ flags: CKF_OS_LOCKING_OK });
    const slots = loaded.getSlots(true);
    const tokens: ListedToken[] = [];
    for (let i = 0; i < slots.length; i += 1) {
      const slot = slots.items(i);
      const token = slot.getToken();
      if ((token.flags & CKF_TOKEN_INITIALIZED) !== 0)
        tokens.push({ slot, summary: summaryOf(slot, token, modulePath) });
    }
    return tokens;
  }, 'MODULE_LOAD');
}

function summaryOf(slot: graphene.Slot, token: graphene.Token, modulePath: string): TokenSummary {
  const [label, manufacturer, model, serial] = [
    token.label,
    token.manufacturerID,
    token.model,
    token.serialNumber,
  ].map(text => text.replace(/[ \0]+$/u, '')) as [string, string, string, string];
  const mechanisms = slot.getMechanisms();
  const types = Array.from({ length: mechanisms.length }, (_, i) => mechanisms.items(i).type);
  return {
    uri: formatPkcs11Uri({ match: { token: label, serial }, modulePath }),
    label,
    manufacturer,
    model,
    serial,
    flags: token.flags,
    hasRsaOaep: types.includes(CKM_RSA_PKCS_OAEP),
  };
}

/** Makes the pair and returns the URI of the private key. */
async function prepare({ access, bits, label }: PrepareRequest): Promise<string> {
  const uri = parsePkcs11Uri(access.uri);
  const pinSource = parsePinSource(uri.pinSource ?? access.pinSource);
  const modulePath = resolveModulePath(uri, access.modulePath);
  const { slot, summary } = onlyToken(listTokens(modulePath), uri);
  const pin = checkPinFlags(summary.flags) ? await readPin(pinSource, summary.label) : undefined;
  const id = randomBytes(KEY_ID_BYTES);
  return normalise(() => {
    const session = slot.open(graphene.SessionFlag.RW_SESSION | graphene.SessionFlag.SERIAL_SESSION);
    if (pin !== undefined) session.login(pin);
    // A second key of one name is a trap for whoever selects by name.
    const same = { class: graphene.ObjectClass.PRIVATE_KEY, keyType: graphene.KeyType.RSA, label };
    if (session.find(same).length > 0) throw new CustodyError('KEY_EXISTS');
    checkPrivateKey(generate(session, bits, label, id));
    return formatPkcs11Uri({
      match: { token: summary.label, serial: summary.serial, object: label },
      id,
      modulePath,
    });
  }, 'TOKEN_DEAD');
}

function onlyToken(tokens: readonly ListedToken[], { match }: Pkcs11Uri): ListedToken {
  const found = tokens.filter(({ summary }) => {
    const names = {
      token: summary.label,
      manufacturer: summary.manufacturer,
      serial: summary.serial,
      model: summary.model,
    };
    return Object.entries(names).every(([name, value]) => {
      const wanted = match[name as keyof typeof names];
      return wanted === undefined || wanted === value;
    });
  });
  const [only, ...others] = found;
  if (only === undefined) throw new CustodyError('TOKEN_NOT_FOUND');
  if (others.length > 0) throw new CustodyError('TOKEN_AMBIGUOUS');
  return only;
}

function generate(session: graphene.Session, bits: number, label: string, id: Buffer): graphene.Key {
  const common = { keyType: graphene.KeyType.RSA, token: true, label, id };
  const pair = session.generateKeyPair(
    graphene.KeyGenMechanism.RSA,
    {
      ...common,
      class: graphene.ObjectClass.PUBLIC_KEY,
      encrypt: true,
      modulusBits: bits,
      publicExponent: PUBLIC_EXPONENT,
    },
    {
      ...common,
      class: graphene.ObjectClass.PRIVATE_KEY,
      private: true,
      sensitive: true,
      extractable: false,
      decrypt: true,
      sign: false,
      unwrap: false,
    },
  );
  return pair.privateKey;
}

/** Reads back what was asked for, one attribute per call; a token that made something else is not used. */
function checkPrivateKey(key: graphene.Key): void {
  const says = (name: string): boolean => key.getAttribute(name) === true;
  const isFit = says('sensitive') && says('neverExtractable') && says('local') && !says('extractable');
  if (!isFit) throw new CustodyError('KEY_UNSUITABLE');
}

/** Errors of the binding become ours by number; others get `code`. */
function normalise<T>(call: () => T, code: CustodyErrorCode): T {
  try {
    return call();
  } catch (cause) {
    if (cause instanceof CustodyError) throw cause;
    const ckr = ckrOf(cause);
    const meaning = ckr === undefined ? undefined : CKR_MEANING.get(ckr);
    throw new CustodyError(meaning ?? code, undefined, { cause, ...(ckr === undefined ? {} : { ckr }) });
  }
}

await serveOneRequest(handle, () => {
  try {
    loaded?.finalize();
  } catch {
    // The process ends now; nothing can be done.
  }
});
