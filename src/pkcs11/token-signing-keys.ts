// Descriptor signing keys on a token. Every object is named by label and id: what does not carry our label is another's.

import { randomBytes } from 'node:crypto';
import { type KpHsDescSign, ed25519Verify, parseKpHsDescSign } from '../descriptor/index.ts';
import {
  CKA_ALWAYS_SENSITIVE,
  CKA_LOCAL,
  CKA_SENSITIVE,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EDDSA,
  ED25519_SPELLINGS,
  PARAMETER_WANTED,
  PURE_ED25519,
  SPELLING_REFUSED,
} from './eddsa-constants.ts';
import { ed25519Templates, readEd25519Point } from './ed25519-templates.ts';
import { CustodyError } from './error.ts';
import {
  CKA_CLASS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_NEVER_EXTRACTABLE,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
} from './pkcs11-constants.ts';
import type { Mechanism, ObjectTemplate } from './pkcs11js.ts';
import { SIGNING_KEY_ID_BYTES, type TokenKeyRecord, recordName } from './signing-key-record.ts';
import type { PairHandles, TokenCalls } from './writing-session.ts';

const SIGNATURE_BYTES = 64;
/** A descriptor has 14 kB at least and 50 kB at most: a token that cannot take them in one call is of no use. */
const TRIAL_BYTES = [32, 16_000, 50_000];

interface LoadedKey {
  readonly privateKey: Buffer;
  readonly kpHsDescSign: KpHsDescSign;
}

/** Attributes by which an object is known, and what they must say. */
type Names = readonly (readonly [number, Buffer])[];

/** What a search gave. */
interface Found {
  /** Only what says of itself that it is ours. */
  readonly ours: readonly Buffer[];
  /** Whether there was something that may be ours and does not say enough. */
  readonly hasMute: boolean;
}

/** The keys of one signer on one token, after login. */
export class TokenSigningKeys {
  readonly #session: TokenCalls;
  readonly #label: Buffer;
  readonly #loaded = new Map<string, LoadedKey>();
  #spelling = 0;
  #mechanism: Mechanism = { mechanism: CKM_EDDSA };

  /** `label` names the signer: objects of another label are never touched. */
  constructor(session: TokenCalls, label: string) {
    this.#session = session;
    this.#label = Buffer.from(label);
  }

  /**
   * Loads the keys that the state knows and destroys those of our label that it does not: a crash left them. Says for
   * each known key, in order, whether it is there. @throws CustodyError KEY_UNSUITABLE when one is not what it was,
   * KEY_AMBIGUOUS, TOKEN_…; TOKEN_DEAD also when one may be there, and does not say its label or id
   */
  open(known: readonly TokenKeyRecord[]): boolean[] {
    const names = new Set(known.map(({ id }) => nameOf(id)));
    for (const handle of this.#search([], []).ours) {
      const id = this.#session.attribute(handle, CKA_ID);
      if (id !== undefined && !names.has(nameOf(id))) this.#session.destroy(handle);
    }
    return known.map(record => this.#load(record));
  }

  #load({ id, kpHsDescSign }: TokenKeyRecord): boolean {
    const { ours, hasMute } = this.#objects(CKO_PRIVATE_KEY, id);
    const [privateKey, ...others] = ours;
    if (others.length > 0) throw new CustodyError('KEY_AMBIGUOUS');
    // That a key is gone is written down, and its next open destroys what is left of it.
    if (privateKey === undefined && hasMute) throw new CustodyError('TOKEN_DEAD');
    if (privateKey === undefined) return false;
    this.#admit(id, { privateKey, kpHsDescSign }, TRIAL_BYTES.slice(0, 1));
    return true;
  }

  /**
   * Makes a key that cannot leave the token, and tries it. @throws CustodyError TOKEN_UNSUITED, KEY_UNSUITABLE,
   * KEY_NOT_FOUND when the token says that it made one and has none, TOKEN_…
   */
  make(): TokenKeyRecord {
    const id = Uint8Array.from(randomBytes(SIGNING_KEY_ID_BYTES));
    const { publicKey, privateKey } = this.#generate(Buffer.from(id));
    try {
      const kpHsDescSign = this.#readPublicKey(publicKey);
      this.#admit(id, { privateKey, kpHsDescSign }, TRIAL_BYTES);
      return { id, kpHsDescSign };
    } catch (thrown) {
      this.#tryToDestroy(id);
      throw thrown;
    }
  }

  /** @throws CustodyError KEY_NOT_FOUND */
  publicKeyOf(id: Uint8Array): KpHsDescSign {
    return this.#find(id).kpHsDescSign;
  }

  /**
   * What the token says is the signature: 64 bytes, which the keyholder verifies. The caller knows what `message` is; no
   * message of the protocol carries one. @throws CustodyError KEY_NOT_FOUND, TOKEN_PROTOCOL, TOKEN_…
   */
  sign(id: Uint8Array, message: Uint8Array): Uint8Array {
    return this.#signWith(this.#find(id).privateKey, message);
  }

  /** Both halves. @throws CustodyError TOKEN_… */
  destroy(id: Uint8Array): void {
    this.#loaded.delete(nameOf(id));
    for (const objectClass of [CKO_PRIVATE_KEY, CKO_PUBLIC_KEY])
      for (const handle of this.#objects(objectClass, id).ours) this.#session.destroy(handle);
  }

  /** What cannot be destroyed now has no record, and is destroyed by the next `open`. */
  #tryToDestroy(id: Uint8Array): void {
    try {
      this.destroy(id);
    } catch {
      // Why it was to go says more.
    }
  }

  #find(id: Uint8Array): LoadedKey {
    const key = this.#loaded.get(nameOf(id));
    if (key === undefined) throw new CustodyError('KEY_NOT_FOUND');
    return key;
  }

  #objects(objectClass: number, id: Uint8Array): Found {
    return this.#search([[CKA_CLASS, objectClass]], [[CKA_ID, Buffer.from(id)]]);
  }

  /** Of our label, and as `more` says: a token that gives other objects than were searched for loses none of them. */
  #search(more: ObjectTemplate, moreNames: Names): Found {
    const names: Names = [[CKA_LABEL, this.#label], ...moreNames];
    const found = this.#session.find([...names, ...more]);
    const said = found.map(handle => ({ handle, isOurs: this.#saysOf(handle, names) }));
    return {
      ours: said.filter(({ isOurs }) => isOurs === true).map(({ handle }) => handle),
      hasMute: said.some(({ isOurs }) => isOurs === undefined),
    };
  }

  /** Whether an object has these names by its own words; undefined when it has no other one, and does not say each. */
  #saysOf(handle: Buffer, names: Names): boolean | undefined {
    let all: true | undefined = true;
    for (const [type, wanted] of names) {
      const value = this.#session.attribute(handle, type);
      if (value === undefined) all = undefined;
      else if (!value.equals(wanted)) return false;
    }
    return all;
  }

  /** Lets a key pass that cannot leave, never could, and signs these lengths as the public key says. */
  #admit(id: Uint8Array, key: LoadedKey, trials: readonly number[]): void {
    const says = (type: number): number | undefined => this.#session.attribute(key.privateKey, type)?.[0];
    const held = [CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL];
    if (says(CKA_EXTRACTABLE) !== 0 || !held.every(type => says(type) === 1))
      throw new CustodyError('KEY_UNSUITABLE');
    for (const length of trials) {
      // Nothing that anybody could use: no certificate and no descriptor begins so.
      const message = Buffer.concat([Buffer.from('onion-signer trial\0'), randomBytes(length)]);
      const signature = this.#try(key.privateKey, message);
      if (!ed25519Verify(message, signature, key.kpHsDescSign)) throw new CustodyError('KEY_UNSUITABLE');
    }
    this.#loaded.set(nameOf(id), key);
  }

  #try(privateKey: Buffer, message: Uint8Array): Uint8Array {
    try {
      return this.#signWith(privateKey, message);
    } catch (cause) {
      throw unsuited(cause);
    }
  }

  #signWith(privateKey: Buffer, message: Uint8Array): Uint8Array {
    const signature = this.#signOrAdapt(privateKey, message);
    if (signature.length !== SIGNATURE_BYTES) throw new CustodyError('TOKEN_PROTOCOL');
    return signature;
  }

  /** Without a parameter; with an empty one when the token insists on one, and from then on. */
  #signOrAdapt(privateKey: Buffer, message: Uint8Array): Uint8Array {
    try {
      return this.#session.sign(this.#mechanism, privateKey, message);
    } catch (thrown) {
      const adapted = this.#mechanism.parameter !== undefined;
      if (adapted || !PARAMETER_WANTED.has(ckrIn(thrown))) throw thrown;
      const mechanism = { mechanism: CKM_EDDSA, parameter: PURE_ED25519 };
      const signature = this.#session.sign(mechanism, privateKey, message);
      this.#mechanism = mechanism;
      return signature;
    }
  }

  /** With the spelling that went well last, and the next ones when it is refused. */
  #generate(id: Buffer): PairHandles {
    for (; ; this.#spelling += 1) {
      const spelling = ED25519_SPELLINGS[this.#spelling];
      try {
        if (spelling === undefined) throw new CustodyError('TOKEN_UNSUITED');
        return this.#session.generateKeyPair(
          { mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN },
          ...ed25519Templates({ id, label: this.#label }, spelling),
        );
      } catch (thrown) {
        const isLast = this.#spelling >= ED25519_SPELLINGS.length - 1;
        if (!isLast && SPELLING_REFUSED.has(ckrIn(thrown))) continue;
        this.#spelling = 0;
        throw unsuited(thrown);
      }
    }
  }

  #readPublicKey(handle: Buffer): KpHsDescSign {
    const bytes = readEd25519Point(this.#session, handle)?.bytes;
    if (bytes === undefined) throw new CustodyError('TOKEN_UNSUITED');
    try {
      return parseKpHsDescSign(Uint8Array.from(bytes));
    } catch (cause) {
      throw new CustodyError('KEY_UNSUITABLE', undefined, { cause });
    }
  }
}

const nameOf = (id: Uint8Array): string => recordName({ id });

function ckrIn(thrown: unknown): number {
  return thrown instanceof CustodyError ? (thrown.ckr ?? -1) : -1;
}

/** A token that is there and refuses cannot do it; anything else happened to it. */
function unsuited(thrown: unknown): unknown {
  if (!(thrown instanceof CustodyError) || thrown.ckr === undefined) return thrown;
  const gone = [0x30, 0x31, 0x32, 0x3, 0xb0, 0xb3, 0xe0, 0xe1, 0x101].includes(thrown.ckr);
  return gone ? thrown : new CustodyError('TOKEN_UNSUITED', undefined, { cause: thrown, ckr: thrown.ckr });
}
