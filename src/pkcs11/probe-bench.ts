// What the tries of a probe work with: sessions of one login, and throw-away keys that are made when the first try asks.

import { randomBytes } from 'node:crypto';
import { type KpHsDescSign, parseKpHsDescSign } from '../descriptor/index.ts';
import { CKM_EC_EDWARDS_KEY_PAIR_GEN, ED25519_SPELLINGS, SPELLING_REFUSED } from './eddsa-constants.ts';
import { ed25519Templates, readEd25519Point } from './ed25519-templates.ts';
import { CustodyError } from './error.ts';
import type { AdministeredToken, AdministrationSession } from './graphene.ts';
import { PROBE_LABEL } from './own-labels.ts';
import { CKA_ALWAYS_AUTHENTICATE, CKA_LABEL, CKA_MODULUS, CKA_PUBLIC_EXPONENT } from './pkcs11-constants.ts';
import { type KeyPlace, makeAesKey, makeRsaKey } from './sealing-keys.ts';
import type { AesTokenKey, RsaTokenKey } from './token-keys.ts';

const KEY_ID_BYTES = 16;
const RSA_BITS = 2048;

/** A key, and how it came about. */
interface Made<Key> {
  readonly key: Key;
  /** For people. */
  readonly how: string;
  readonly seconds: number;
  readonly asksEachTime: boolean;
}

/** The public half and the handle of the other one. */
export interface Ed25519Key {
  readonly handle: Buffer;
  readonly kpHsDescSign: KpHsDescSign;
}

/** One login at one token. */
export class ProbeBench {
  readonly token: AdministeredToken;
  /** Stays open: keys of a session go with the one that made them. */
  readonly #home: AdministrationSession;
  #rsa: Made<RsaTokenKey> | undefined;
  #aes: Made<AesTokenKey> | undefined;
  #ed25519: Made<Ed25519Key> | undefined;

  /** After login. */
  constructor(token: AdministeredToken) {
    this.token = token;
    this.#home = token.open();
  }

  /** Runs `use` in a session of its own: one that failed may be in any state. */
  within<T>(use: (session: AdministrationSession) => T): T {
    const session = this.token.open();
    try {
      return use(session);
    } finally {
      session.close();
    }
  }

  /**
   * Destroys what carries the label, and says how much it was. Each object is asked for it: what a search gives is no reason
   * to destroy it. Throws TOKEN_PROTOCOL, when that is done, for a token that gave another one.
   */
  clean(): number {
    const label = Buffer.from(PROBE_LABEL);
    const found = this.#home.find([[CKA_LABEL, label]]);
    const left = found.filter(handle => this.#home.attribute(handle, CKA_LABEL)?.equals(label) === true);
    for (const handle of left) this.#home.destroy(handle);
    [this.#rsa, this.#aes, this.#ed25519] = [undefined, undefined, undefined];
    if (left.length < found.length) throw new CustodyError('TOKEN_PROTOCOL');
    return left.length;
  }

  get rsa(): Made<RsaTokenKey> {
    this.#rsa ??= this.#make(place => {
      const { privateKey: handle, publicKey } = makeRsaKey(this.#home, RSA_BITS, place);
      const modulus = this.#home.attribute(publicKey, CKA_MODULUS);
      const publicExponent = this.#home.attribute(publicKey, CKA_PUBLIC_EXPONENT);
      if (modulus === undefined || publicExponent === undefined) throw new CustodyError('KEY_UNSUITABLE');
      return { kind: 'rsa', handle, modulus, publicExponent, extractable: undefined };
    });
    return this.#rsa;
  }

  get aes(): Made<AesTokenKey> {
    const { serial } = this.token.facts;
    this.#aes ??= this.#make(place => {
      const handle = makeAesKey(this.#home, place);
      return { kind: 'aes', handle, id: place.id, serial, extractable: undefined };
    });
    return this.#aes;
  }

  /** Kept on the token, as those of periods are. Throws TOKEN_UNSUITED when its public half cannot be read. */
  get ed25519(): Made<Ed25519Key> {
    this.#ed25519 ??= this.#makeEd25519();
    return this.#ed25519;
  }

  /** Of the session, where the token has such objects; else on the token, until the next `clean`. */
  #make<Key extends { readonly handle: Buffer }>(make: (place: KeyPlace) => Key): Made<Key> {
    const place = { label: PROBE_LABEL, id: randomBytes(KEY_ID_BYTES) };
    try {
      return this.#timed(() => make({ ...place, kept: false }), 'for the session');
    } catch (thrown) {
      if (!(thrown instanceof CustodyError) || thrown.ckr === undefined) throw thrown;
      return this.#timed(() => make({ ...place, kept: true }), 'kept on the token');
    }
  }

  #makeEd25519(): Made<Ed25519Key> {
    const place = { label: Buffer.from(PROBE_LABEL), id: randomBytes(KEY_ID_BYTES) };
    for (const [i, spelling] of ED25519_SPELLINGS.entries()) {
      try {
        let how = '';
        const made = this.#timed(() => {
          const templates = ed25519Templates(place, spelling);
          const mechanism = { mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN };
          const { publicKey, privateKey } = this.#home.generateKeyPair(mechanism, ...templates);
          const point = readEd25519Point(this.#home, publicKey);
          if (point === undefined) throw new CustodyError('TOKEN_UNSUITED');
          how = `curve by ${SPELLINGS[i] ?? ''}, point as ${point.form}`;
          return { handle: privateKey, kpHsDescSign: parseKpHsDescSign(Uint8Array.from(point.bytes)) };
        }, how);
        return { ...made, how };
      } catch (thrown) {
        const isLast = i === ED25519_SPELLINGS.length - 1;
        const isSpelling = thrown instanceof CustodyError && SPELLING_REFUSED.has(thrown.ckr ?? -1);
        if (isLast || !isSpelling) throw thrown;
      }
    }
    throw new CustodyError('TOKEN_UNSUITED');
  }

  #timed<Key extends { readonly handle: Buffer }>(make: () => Key, how: string): Made<Key> {
    const began = performance.now();
    const key = make();
    const seconds = (performance.now() - began) / 1000;
    const asksEachTime = this.#home.attribute(key.handle, CKA_ALWAYS_AUTHENTICATE)?.[0] === 1;
    return { key, how, seconds, asksEachTime };
  }
}

/** In the order of ED25519_SPELLINGS. */
const SPELLINGS = ['name', 'OID of RFC 8410', 'OID of GnuPG'];
