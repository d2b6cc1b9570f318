import pkcs11 from 'pkcs11js';
import { CustodyError, type CustodyErrorCode, toCustodyError } from './error.ts';
import {
  CKF_OS_LOCKING_OK,
  CKF_SERIAL_SESSION,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_COUNT_LOW,
  CKR_CRYPTOKI_ALREADY_INITIALIZED,
  CKR_MEANING,
  CKR_USER_ALREADY_LOGGED_IN,
  ckrOf,
  CKU_USER,
  isTokenLost,
} from './pkcs11-constants.ts';
import { checkPinFlags } from './pin.ts';
import type { Pkcs11Uri } from './uri.ts';

/**
 * The door to vendor modules: synchronous calls only (the asynchronous form borrows buffers without holding them),
 * every value checked before it reaches native code (which frees wild pointers otherwise), errors by number.
 */

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
export function guard<T>(call: () => T, allowed: readonly number[] = []): T | undefined {
  try {
    return call();
  } catch (cause) {
    const ckr = ckrOf(cause);
    if (ckr !== undefined && allowed.includes(ckr)) return undefined;
    throw failureOf(cause);
  }
}

/** What a native call threw → CustodyError: TOKEN_DEAD, or what its number means. A PIN is judged by `login` alone. */
function failureOf(cause: unknown, code?: CustodyErrorCode): CustodyError {
  const ckr = ckrOf(cause);
  const meaning = ckr === undefined ? undefined : CKR_MEANING.get(ckr);
  const said = code ?? (meaning?.startsWith('PIN_') === true ? undefined : meaning) ?? 'TOKEN_DEAD';
  return new CustodyError(said, undefined, { cause, ...(ckr === undefined ? {} : { ckr }) });
}

type AttributeValue = number | boolean | Buffer;
/** Attributes (CKA_…) and the values that an object must have. */
export type ObjectTemplate = readonly (readonly [number, AttributeValue])[];
export type Mechanism = pkcs11.Mechanism;

/** @throws CustodyError TEMPLATE */
export function checkedTemplate(attributes: ObjectTemplate): pkcs11.Template {
  return attributes.map(([type, value]) => {
    const isFit = typeof value !== 'number' || (Number.isSafeInteger(value) && value >= 0);
    if (!Number.isSafeInteger(type) || !isFit) throw new CustodyError('TEMPLATE');
    return { type, value };
  });
}

/** What `findToken` compares, with the padding of the module taken off. */
type TokenNames = Record<'token' | 'manufacturer' | 'serial' | 'model', string>;

function namesOf(info: pkcs11.TokenInfo): TokenNames {
  const trim = (text: string): string => text.replace(/[ \0]+$/u, '');
  return {
    token: trim(info.label),
    manufacturer: trim(info.manufacturerID),
    serial: trim(info.serialNumber),
    model: trim(info.model),
  };
}

/** Undefined without an initialised token. A slot that fails is no reason to miss the token in another: see `failures`. */
function namesOfToken(module: pkcs11.PKCS11, slot: Buffer, failures: unknown[]): TokenNames | undefined {
  try {
    const info = guard(() => module.C_GetTokenInfo(slot));
    return info === undefined || (info.flags & CKF_TOKEN_INITIALIZED) === 0 ? undefined : namesOf(info);
  } catch (thrown) {
    failures.push(toCustodyError(thrown, 'TOKEN_DEAD'));
    return undefined;
  }
}

/** A token with one read-only session. Not for use after `close`. */
export class Token {
  readonly #module: pkcs11.PKCS11;
  readonly #slot: Buffer;
  #session: Buffer;
  #pinWasTried = false;
  /** For people, at a terminal. */
  readonly label: string;
  readonly serial: string;
  /** Label, manufacturer, serial number and model in one text. */
  readonly identity: string;

  private constructor(module: pkcs11.PKCS11, slot: Buffer, names: TokenNames) {
    this.#module = module;
    this.#slot = slot;
    this.label = names.token;
    this.serial = names.serial;
    this.identity = JSON.stringify(names);
    this.#session = this.#openSession();
  }

  /** The one initialised token that the URI selects. Throws TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS, MODULE_…, TOKEN_DEAD. */
  static find(modulePath: string, uri: Pkcs11Uri): Token {
    const module = loadModule(modulePath);
    const wanted = Object.entries(uri.match).filter(([name]) => name !== 'object');
    const failures: CustodyError[] = [];
    const found = (guard(() => module.C_GetSlotList(true)) ?? []).flatMap(slot => {
      const names = namesOfToken(module, slot, failures);
      return names !== undefined && wanted.every(([name, value]) => names[name as keyof TokenNames] === value)
        ? [{ slot, names }]
        : [];
    });
    const [only, ...others] = found;
    if (only === undefined) throw failures[0] ?? new CustodyError('TOKEN_NOT_FOUND');
    if (others.length > 0) throw new CustodyError('TOKEN_AMBIGUOUS');
    return new Token(module, only.slot, only.names);
  }

  /** For sessions of another kind; calls are the caller's to guard. */
  lend<T>(use: (module: pkcs11.PKCS11, slot: Buffer) => T): T {
    return use(this.#module, this.#slot);
  }

  #openSession(): Buffer {
    const session = guard(() => this.#module.C_OpenSession(this.#slot, CKF_SERIAL_SESSION));
    if (session === undefined) throw new CustodyError('TOKEN_DEAD');
    return session;
  }

  /** Whether a PIN is needed and may be tried: see `checkPinFlags`. Throws PIN_…, TOKEN_DEAD. */
  needsPin(): boolean {
    return checkPinFlags(this.#flags());
  }

  /** Whether somebody tried a wrong PIN since the last right one. Throws TOKEN_DEAD. */
  isPinCountLow(): boolean {
    return (this.#flags() & CKF_USER_PIN_COUNT_LOW) !== 0;
  }

  #flags(): number {
    return guard(() => this.#module.C_GetTokenInfo(this.#slot))?.flags ?? 0;
  }

  /** Logs in with one attempt; a second call is refused whatever the first one gave. Throws PIN_…, TOKEN_DEAD. */
  login(pin: string): void {
    if (this.#pinWasTried) throw new CustodyError('PIN_INCORRECT');
    this.#pinWasTried = true;
    try {
      this.#module.C_Login(this.#session, CKU_USER, pin);
    } catch (cause) {
      const ckr = ckrOf(cause);
      if (ckr === CKR_USER_ALREADY_LOGGED_IN) return;
      throw failureOf(cause, ckr === undefined ? undefined : CKR_MEANING.get(ckr));
    }
  }

  /** Handles of up to 16 objects with these attributes. Throws TEMPLATE, TOKEN_DEAD. Log in first. */
  findObjects(attributes: ObjectTemplate): Buffer[] {
    const template = checkedTemplate(attributes);
    guard(() => this.#module.C_FindObjectsInit(this.#session, template));
    try {
      return guard(() => this.#module.C_FindObjects(this.#session, 16)) ?? [];
    } finally {
      guard(() => this.#module.C_FindObjectsFinal(this.#session));
    }
  }

  /** One attribute per call: one that the token does not know spoils the answer for all. Undefined when it says nothing. */
  attribute(handle: Buffer, type: number): Buffer | undefined {
    try {
      const value = this.#module.C_GetAttributeValue(this.#session, handle, [{ type }])[0]?.value;
      return value !== undefined && value.length > 0 ? value : undefined;
    } catch (cause) {
      if (isTokenLost(cause)) throw failureOf(cause);
      return undefined;
    }
  }

  /**
   * Decrypts straight into `out` (as long as the ciphertext, locked memory) and returns the plaintext's length. Throws
   * MECHANISM when the token does not take mechanism or parameter, ENVELOPE_UNWRAP when it refuses the ciphertext.
   */
  decrypt(mechanism: Mechanism, key: Buffer, ciphertext: Uint8Array, out: Buffer): number {
    this.#begin(() => this.#module.C_DecryptInit(this.#session, mechanism, key));
    try {
      return this.#module.C_Decrypt(this.#session, Buffer.from(ciphertext), out).length;
    } catch (cause) {
      throw failureOf(cause, isTokenLost(cause) ? undefined : 'ENVELOPE_UNWRAP');
    }
  }

  /** Encrypts `plaintext` (a window of locked memory) into `out` and returns the length. Throws MECHANISM, TOKEN_DEAD. */
  encrypt(mechanism: Mechanism, key: Buffer, plaintext: Buffer, out: Buffer): number {
    this.#begin(() => this.#module.C_EncryptInit(this.#session, mechanism, key));
    return guard(() => this.#module.C_Encrypt(this.#session, plaintext, out))?.length ?? 0;
  }

  // SoftHSM says "bad arguments" (7) for a parameter that it does not take.
  #begin(init: () => void): void {
    try {
      init();
    } catch (cause) {
      const ckr = ckrOf(cause);
      if (ckr === 0x7) throw new CustodyError('MECHANISM', undefined, { cause, ckr });
      guard(() => {
        throw cause;
      });
    }
  }
}
