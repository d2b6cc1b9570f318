import pkcs11 from 'pkcs11js';
import { CustodyError } from './error.ts';
import {
  CK_PARAMS_RSA_OAEP,
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS,
  CKA_PUBLIC_EXPONENT,
  CKF_OS_LOCKING_OK,
  CKF_SERIAL_SESSION,
  CKF_TOKEN_INITIALIZED,
  CKG_MGF1_SHA1,
  CKG_MGF1_SHA256,
  CKK_RSA,
  CKM_RSA_PKCS_OAEP,
  CKM_SHA256,
  CKM_SHA_1,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKR_CRYPTOKI_ALREADY_INITIALIZED,
  CKR_MEANING,
  CKR_USER_ALREADY_LOGGED_IN,
  ckrOf,
  CKU_USER,
  CKZ_DATA_SPECIFIED,
} from './pkcs11-constants.ts';
import { checkPinFlags } from './pin.ts';
import type { Pkcs11Uri } from './uri.ts';

/**
 * The door to vendor modules: synchronous calls only (the asynchronous form borrows buffers without holding them),
 * every value checked before it reaches native code (which frees wild pointers otherwise), errors by number.
 */

export type OaepHash = 'sha1' | 'sha256';

/** An RSA private key on a token, with what the token says about it. */
export interface RsaTokenKey {
  readonly handle: Buffer;
  /** Big endian, no leading zeros. */
  readonly modulus: Uint8Array;
  readonly publicExponent: Uint8Array;
  /** Undefined when the token does not say. */
  readonly extractable: boolean | undefined;
}

// Held for the life of the process: a collected module object unloads its library with sessions open.
const modules = new Map<string, pkcs11.PKCS11>();

/** Loads a module once per process; `resolveModulePath` has judged the file. Throws MODULE_LOAD, TOKEN_DEAD. */
function loadModule(path: string): pkcs11.PKCS11 {
  const known = modules.get(path);
  if (known !== undefined) return known;
  const module = new pkcs11.PKCS11();
  modules.set(path, module);
  try {
    module.load(path);
  } catch (cause) {
    modules.delete(path);
    throw new CustodyError('MODULE_LOAD', undefined, { cause });
  }
  guard(() => module.C_Initialize({ flags: CKF_OS_LOCKING_OK }), [CKR_CRYPTOKI_ALREADY_INITIALIZED]);
  return module;
}

/** Finalises every module, which also ends sessions and logins. Errors are ignored: the process ends now. */
export function unloadModules(): void {
  for (const module of modules.values()) {
    try {
      module.C_Finalize();
    } catch {
      // Nothing can be done, and the answer is already on its way.
    }
  }
  modules.clear();
}

/** Runs one native call; its error becomes a CustodyError by number. `allowed` return values pass as success. */
function guard<T>(call: () => T, allowed: readonly number[] = []): T | undefined {
  try {
    return call();
  } catch (cause) {
    const ckr = ckrOf(cause);
    if (ckr !== undefined && allowed.includes(ckr)) return undefined;
    throw new CustodyError(
      (ckr === undefined ? undefined : CKR_MEANING.get(ckr)) ?? 'TOKEN_DEAD',
      undefined,
      {
        cause,
        ...(ckr === undefined ? {} : { ckr }),
      },
    );
  }
}

type AttributeValue = number | boolean | Buffer;

function checkedTemplate(attributes: readonly (readonly [number, AttributeValue])[]): pkcs11.Template {
  return attributes.map(([type, value]) => {
    const isFit = typeof value !== 'number' || (Number.isSafeInteger(value) && value >= 0);
    if (!Number.isSafeInteger(type) || !isFit) throw new CustodyError('TEMPLATE');
    return { type, value };
  });
}

/** What `findToken` compares, with the padding of the module taken off. */
function namesOf(info: pkcs11.TokenInfo): Record<'token' | 'manufacturer' | 'serial' | 'model', string> {
  const trim = (text: string): string => text.replace(/[ \0]+$/u, '');
  return {
    token: trim(info.label),
    manufacturer: trim(info.manufacturerID),
    serial: trim(info.serialNumber),
    model: trim(info.model),
  };
}

/** A token with one read-only session. Not for use after `close`. */
export class Token {
  readonly #module: pkcs11.PKCS11;
  readonly #slot: Buffer;
  #session: Buffer;
  #pinWasTried = false;
  /** For people, at a terminal. */
  readonly label: string;

  private constructor(module: pkcs11.PKCS11, slot: Buffer, label: string) {
    this.#module = module;
    this.#slot = slot;
    this.label = label;
    this.#session = this.#openSession();
  }

  /** The one initialised token that the URI selects. Throws TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS, MODULE_…, TOKEN_DEAD. */
  static find(modulePath: string, uri: Pkcs11Uri): Token {
    const module = loadModule(modulePath);
    const wanted = Object.entries(uri.match).filter(([name]) => name !== 'object');
    const found = (guard(() => module.C_GetSlotList(true)) ?? []).flatMap(slot => {
      const info = guard(() => module.C_GetTokenInfo(slot));
      if (info === undefined || (info.flags & CKF_TOKEN_INITIALIZED) === 0) return [];
      const names: Record<string, string> = namesOf(info);
      return wanted.every(([name, value]) => names[name] === value)
        ? [{ slot, label: names['token'] ?? '' }]
        : [];
    });
    const [only, ...others] = found;
    if (only === undefined) throw new CustodyError('TOKEN_NOT_FOUND');
    if (others.length > 0) throw new CustodyError('TOKEN_AMBIGUOUS');
    return new Token(module, only.slot, only.label);
  }

  #openSession(): Buffer {
    const session = guard(() => this.#module.C_OpenSession(this.#slot, CKF_SERIAL_SESSION));
    if (session === undefined) throw new CustodyError('TOKEN_DEAD');
    return session;
  }

  /** Whether a PIN is needed and may be tried: see `checkPinFlags`. Throws PIN_…, TOKEN_DEAD. */
  needsPin(): boolean {
    return checkPinFlags(guard(() => this.#module.C_GetTokenInfo(this.#slot))?.flags ?? 0);
  }

  /** Logs in with one attempt; a second call is refused whatever the first one gave. Throws PIN_…, TOKEN_DEAD. */
  login(pin: string): void {
    if (this.#pinWasTried) throw new CustodyError('PIN_INCORRECT');
    this.#pinWasTried = true;
    guard(() => this.#module.C_Login(this.#session, CKU_USER, pin), [CKR_USER_ALREADY_LOGGED_IN]);
  }

  /** The RSA keys for decryption that `object` and `id` of the URI select, at least one. Throws KEY_NOT_FOUND,
   * KEY_UNSUITABLE, TOKEN_DEAD. Log in first. */
  findRsaKeys(uri: Pkcs11Uri): RsaTokenKey[] {
    const handles = this.#findObjects([
      [CKA_CLASS, CKO_PRIVATE_KEY],
      [CKA_KEY_TYPE, CKK_RSA],
      ...objectSelector(uri),
    ]).filter(handle => this.#attribute(handle, CKA_DECRYPT)?.[0] === 1);
    if (handles.length === 0) throw new CustodyError('KEY_NOT_FOUND');
    return handles.map(handle => this.#readRsaKey(handle));
  }

  #readRsaKey(handle: Buffer): RsaTokenKey {
    const modulus = this.#attribute(handle, CKA_MODULUS) ?? this.#publicAttribute(handle, CKA_MODULUS);
    const exponent =
      this.#attribute(handle, CKA_PUBLIC_EXPONENT) ?? this.#publicAttribute(handle, CKA_PUBLIC_EXPONENT);
    if (modulus === undefined || exponent === undefined) throw new CustodyError('KEY_UNSUITABLE');
    const extractable = this.#attribute(handle, CKA_EXTRACTABLE)?.[0];
    return {
      handle,
      modulus: withoutLeadingZeros(modulus),
      publicExponent: withoutLeadingZeros(exponent),
      extractable: extractable === undefined ? undefined : extractable === 1,
    };
  }

  #publicAttribute(privateKey: Buffer, type: number): Buffer | undefined {
    const id = this.#attribute(privateKey, CKA_ID);
    if (id === undefined) return undefined;
    const [twin] = this.#findObjects([
      [CKA_CLASS, CKO_PUBLIC_KEY],
      [CKA_KEY_TYPE, CKK_RSA],
      [CKA_ID, id],
    ]);
    return twin === undefined ? undefined : this.#attribute(twin, type);
  }

  #findObjects(attributes: readonly (readonly [number, AttributeValue])[]): Buffer[] {
    const template = checkedTemplate(attributes);
    guard(() => this.#module.C_FindObjectsInit(this.#session, template));
    try {
      return guard(() => this.#module.C_FindObjects(this.#session, 16)) ?? [];
    } finally {
      guard(() => this.#module.C_FindObjectsFinal(this.#session));
    }
  }

  // One attribute per call: one that the token does not know spoils the answer for all.
  #attribute(handle: Buffer, type: number): Buffer | undefined {
    try {
      const value = this.#module.C_GetAttributeValue(this.#session, handle, [{ type }])[0]?.value;
      return value !== undefined && value.length > 0 ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * RSA-OAEP without label, straight into `out` (modulus-sized, locked memory); returns the plaintext's length.
   * Throws MECHANISM when the token does not take the hash, ENVELOPE_UNWRAP when it refuses the ciphertext.
   */
  decryptOaep(key: RsaTokenKey, hash: OaepHash, ciphertext: Uint8Array, out: Buffer): number {
    if (ciphertext.length !== key.modulus.length || out.length < key.modulus.length)
      throw new CustodyError('ENVELOPE_UNWRAP');
    const parameter = {
      type: CK_PARAMS_RSA_OAEP,
      hashAlg: hash === 'sha1' ? CKM_SHA_1 : CKM_SHA256,
      mgf: hash === 'sha1' ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256,
      source: CKZ_DATA_SPECIFIED,
    };
    try {
      this.#module.C_DecryptInit(this.#session, { mechanism: CKM_RSA_PKCS_OAEP, parameter }, key.handle);
    } catch (cause) {
      const ckr = ckrOf(cause);
      // SoftHSM says "bad arguments" (7) for a hash that it lacks.
      if (ckr === 0x7) throw new CustodyError('MECHANISM', undefined, { cause, ckr });
      guard(() => {
        throw cause;
      });
    }
    try {
      return this.#module.C_Decrypt(this.#session, Buffer.from(ciphertext), out).length;
    } catch (cause) {
      const ckr = ckrOf(cause);
      throw new CustodyError('ENVELOPE_UNWRAP', undefined, { cause, ...(ckr === undefined ? {} : { ckr }) });
    }
  }
}

function objectSelector(uri: Pkcs11Uri): (readonly [number, AttributeValue])[] {
  const selector: (readonly [number, AttributeValue])[] = [];
  if (uri.match.object !== undefined) selector.push([CKA_LABEL, Buffer.from(uri.match.object)]);
  if (uri.id !== undefined) selector.push([CKA_ID, Buffer.from(uri.id)]);
  return selector;
}

function withoutLeadingZeros(bytes: Buffer): Uint8Array {
  const first = bytes.findIndex(byte => byte !== 0);
  return Uint8Array.from(bytes.subarray(Math.max(first, 0)));
}
