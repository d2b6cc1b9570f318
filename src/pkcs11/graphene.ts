/**
 * The door to graphene-pk11, for an operator's commands: tokens of a module, and a session in which keys are made and
 * tried. As in pkcs11js.ts every value is checked before it reaches native code (which frees wild pointers otherwise),
 * errors become CustodyError by number, and the form with callbacks is never used (it borrows buffers without holding them).
 */

import * as graphene from 'graphene-pk11';
import { CustodyError, type CustodyErrorCode } from './error.ts';
import { algorithmOf, byName } from './graphene-terms.ts';
import type { PinToken } from './pin-gate.ts';
import {
  CKF_OS_LOCKING_OK,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_COUNT_LOW,
  CKR_MEANING,
  ckrOf,
  isTokenLost,
} from './pkcs11-constants.ts';
import { guard, type Mechanism, type ObjectTemplate } from './pkcs11js.ts';
import {
  type FailingSlot,
  failingSlot,
  type ListedMechanism,
  type ModuleFacts,
  type SlotPlace,
  type TokenFacts,
} from './token-facts.ts';
import type { PairHandles } from './writing-session.ts';

const MAX_U32 = 0xffff_ffff;

// Held for the life of the process: a collected module object unloads its library with sessions open.
let loaded: graphene.Module | undefined;

/** Loads and initialises a module, once per process; `resolveModulePath` has judged the file. Throws MODULE_LOAD. */
export function loadModule(path: string): ModuleFacts {
  return atStart(() => {
    loaded = graphene.Module.load(path);
    loaded.initialize({ flags: CKF_OS_LOCKING_OK });
    const { libraryDescription, manufacturerID, libraryVersion, cryptokiVersion } = loaded;
    return {
      description: trimmed(libraryDescription),
      manufacturer: trimmed(manufacturerID),
      version: versionText(libraryVersion),
      cryptoki: versionText(cryptokiVersion),
    };
  });
}

/** What the slots of the loaded module hold. */
export interface Slots {
  readonly tokens: readonly AdministeredToken[];
  readonly failing: readonly FailingSlot[];
}

/** The initialised tokens of the loaded module: one slot that fails hides no other. Throws MODULE_LOAD, TOKEN_NOT_FOUND. */
export function listedTokens(): Slots {
  const slots = must(atStart(() => loaded?.getSlots(true)));
  const [tokens, failing]: [AdministeredToken[], FailingSlot[]] = [[], []];
  for (let i = 0; i < slots.length; i += 1) {
    const place = { position: i + 1, description: '' };
    try {
      const slot = inSlot(() => slots.items(i));
      place.description = trimmed(slot.slotDescription);
      const facts = inSlot(() => factsOf(slot));
      if ((facts.flags & CKF_TOKEN_INITIALIZED) !== 0) tokens.push(new AdministeredToken(slot, facts, place));
    } catch (thrown) {
      failing.push(failingSlot(place, thrown));
    }
  }
  return { tokens, failing };
}

/** Ends sessions and logins. Errors are ignored: the process ends now. */
export function unloadModule(): void {
  try {
    loaded?.finalize();
  } catch {
    // Nothing can be done.
  }
}

/** A token before and after login; all its sessions share the login. */
export class AdministeredToken implements PinToken {
  readonly facts: TokenFacts;
  readonly place: SlotPlace;
  readonly identity: string;
  readonly #slot: graphene.Slot;
  /** Every session of a process may use what another one made or found. */
  readonly #keys = new Map<string, graphene.Key>();
  #anchor: graphene.Session | undefined;

  constructor(slot: graphene.Slot, facts: TokenFacts, place: SlotPlace) {
    this.#slot = slot;
    this.facts = facts;
    this.place = place;
    const { label: token, manufacturer, serial, model } = facts;
    this.identity = JSON.stringify({ token, manufacturer, serial, model });
  }

  /** Without those about which the token says nothing more than their number. Throws TOKEN_DEAD, TOKEN_NOT_FOUND. */
  mechanisms(): ListedMechanism[] {
    return inSlot(() => {
      const list = this.#slot.getMechanisms();
      // Each costs a call: graphene asks for more about a mechanism as soon as it is looked at.
      return Array.from({ length: list.length }, (_, i) => {
        const { type, minKeySize, maxKeySize } = list.items(i);
        return { type, minKeySize: toU32(minKeySize), maxKeySize: toU32(maxKeySize) };
      });
    });
  }

  isPinCountLow(): boolean {
    return (inSlot(() => factsOf(this.#slot)).flags & CKF_USER_PIN_COUNT_LOW) !== 0;
  }

  /** One attempt, in a session that stays open and keeps the login. Throws PIN_…, TOKEN_DEAD. */
  login(pin: string): void {
    if (this.#anchor !== undefined) throw new CustodyError('PIN_INCORRECT');
    this.#anchor = this.#openRaw();
    try {
      this.#anchor.login(pin);
    } catch (cause) {
      throw refusal(CKR_MEANING.get(ckrOf(cause) ?? 0) ?? 'TOKEN_DEAD', cause);
    }
  }

  /** A session that may write. Throws TOKEN_DEAD with the CKR of a refusal. */
  open(): AdministrationSession {
    return new AdministrationSession(this.#openRaw(), this.#keys);
  }

  #openRaw(): graphene.Session {
    return must(
      guard(() => this.#slot.open(graphene.SessionFlag.RW_SESSION | graphene.SessionFlag.SERIAL_SESSION)),
    );
  }
}

/** One session = one operation at a time. After an error in one it may be in any state: close it. */
export class AdministrationSession {
  readonly #session: graphene.Session;
  readonly #keys: Map<string, graphene.Key>;

  constructor(session: graphene.Session, keys: Map<string, graphene.Key>) {
    this.#session = session;
    this.#keys = keys;
  }

  generateKey(mechanism: Mechanism, template: ObjectTemplate): Buffer {
    const named = byName(template);
    return this.#keep(must(guard(() => this.#session.generateKey(algorithmOf(mechanism), named))));
  }

  generateKeyPair(
    mechanism: Mechanism,
    publicTemplate: ObjectTemplate,
    privateTemplate: ObjectTemplate,
  ): PairHandles {
    const templates = [byName(publicTemplate), byName(privateTemplate)] as const;
    const pair = must(guard(() => this.#session.generateKeyPair(algorithmOf(mechanism), ...templates)));
    return { publicKey: this.#keep(pair.publicKey), privateKey: this.#keep(pair.privateKey) };
  }

  /** Every object with these attributes. */
  find(attributes: ObjectTemplate): Buffer[] {
    const template = byName(attributes);
    const found = must(guard(() => this.#session.find(template)));
    return Array.from({ length: found.length }, (_, i) => {
      const object = found.items(i);
      return this.#keep(new graphene.Key(object));
    });
  }

  /** One attribute per call: one that the token does not know spoils the answer for all. Undefined when it says nothing. */
  attribute(handle: Buffer, type: number): Buffer | undefined {
    try {
      return this.read(handle, type);
    } catch (thrown) {
      if (thrown instanceof CustodyError && isTokenLost(thrown.cause)) throw thrown;
      return undefined;
    }
  }

  /** The same, with its refusal. Undefined for an empty value. */
  read(handle: Buffer, type: number): Buffer | undefined {
    const value: unknown = guard((): unknown => this.#key(handle).getAttribute(type));
    return Buffer.isBuffer(value) && value.length > 0 ? value : undefined;
  }

  change(handle: Buffer, template: ObjectTemplate): void {
    const named = byName(template);
    guard(() => this.#key(handle).setAttribute(named));
  }

  copy(handle: Buffer, template: ObjectTemplate): Buffer {
    const named = byName(template);
    return this.#keep(new graphene.Key(must(guard(() => this.#session.copy(this.#key(handle), named)))));
  }

  sign(mechanism: Mechanism, privateKey: Buffer, message: Uint8Array): Uint8Array {
    const signature = guard(() =>
      this.#session.createSign(algorithmOf(mechanism), this.#key(privateKey)).once(Buffer.from(message)),
    );
    return Uint8Array.from(signature ?? []);
  }

  /** Throws MECHANISM when the token does not take mechanism or parameter. */
  encrypt(mechanism: Mechanism, key: Buffer, plaintext: Buffer, out: Buffer): number {
    const cipher = begin(() => this.#session.createCipher(algorithmOf(mechanism), this.#key(key)));
    return guard(() => cipher.once(plaintext, out))?.length ?? 0;
  }

  /** Throws MECHANISM, and ENVELOPE_UNWRAP when the token refuses the ciphertext. */
  decrypt(mechanism: Mechanism, key: Buffer, ciphertext: Uint8Array, out: Buffer): number {
    const decipher = begin(() => this.#session.createDecipher(algorithmOf(mechanism), this.#key(key)));
    try {
      return decipher.once(Buffer.from(ciphertext), out).length;
    } catch (cause) {
      guard(() => {
        if (isTokenLost(cause)) throw cause;
      });
      throw refusal('ENVELOPE_UNWRAP', cause);
    }
  }

  destroy(handle: Buffer): void {
    guard(() => this.#key(handle).destroy());
    this.#keys.delete(handle.toString('hex'));
  }

  close(): void {
    guard(() => this.#session.close());
  }

  #keep(key: graphene.Key): Buffer {
    this.#keys.set(key.handle.toString('hex'), key);
    return key.handle;
  }

  #key(handle: Buffer): graphene.Key {
    return must(this.#keys.get(handle.toString('hex')));
  }
}

function factsOf(slot: graphene.Slot): TokenFacts {
  const token = slot.getToken();
  return {
    label: trimmed(token.label),
    manufacturer: trimmed(token.manufacturerID),
    model: trimmed(token.model),
    serial: trimmed(token.serialNumber),
    hardware: versionText(token.hardwareVersion),
    firmware: versionText(token.firmwareVersion),
    flags: token.flags,
    maxSessions: toU32(token.maxSessionCount),
  };
}

const trimmed = (text: string): string => text.replace(/[ \0]+$/u, '');
const versionText = ({ major, minor }: { major: number; minor: number }): string => `${major}.${minor}`;
/** "Not available" is all ones in 64 bits. */
const toU32 = (value: number): number => (value >= 0 && value <= MAX_U32 ? Math.trunc(value) : MAX_U32);

/** Before a slot was looked at an error is the module's; that a token is gone is told as that. */
const atStart = <T>(call: () => T): T => orElse('MODULE_LOAD', call);
const inSlot = <T>(call: () => T): T => orElse('TOKEN_DEAD', call);

function orElse<T>(code: CustodyErrorCode, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    if (cause instanceof CustodyError) throw cause;
    throw refusal(CKR_MEANING.get(ckrOf(cause) ?? 0) ?? code, cause);
  }
}

/** SoftHSM says "bad arguments" (7) for a parameter that it does not take. */
function begin<T>(init: () => T): T {
  try {
    return init();
  } catch (cause) {
    if (ckrOf(cause) === 0x7) throw refusal('MECHANISM', cause);
    return must(
      guard((): T => {
        throw cause;
      }),
    );
  }
}

function refusal(code: CustodyErrorCode, cause: unknown): CustodyError {
  const ckr = ckrOf(cause);
  return new CustodyError(code, undefined, { cause, ...(ckr === undefined ? {} : { ckr }) });
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new CustodyError('TOKEN_DEAD');
  return value;
}
