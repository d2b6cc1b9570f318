import { randomBytes } from 'node:crypto';
import {
  CKA_ALWAYS_SENSITIVE,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_LOCAL,
  CKA_PUBLIC_KEY_INFO,
  CKA_SENSITIVE,
  ED25519_SPELLINGS,
} from '../../src/pkcs11/eddsa-constants.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { CKA_EXTRACTABLE, CKA_NEVER_EXTRACTABLE } from '../../src/pkcs11/pkcs11-constants.ts';
import type { Mechanism, ObjectTemplate } from '../../src/pkcs11/pkcs11js.ts';
import type { PairHandles, TokenCalls } from '../../src/pkcs11/writing-session.ts';
import { ed25519Pair } from '../descriptor/forge.ts';

/** How a token of some maker differs from the next one. */
export interface Habits {
  /** Index into ED25519_SPELLINGS. */
  readonly spelling: number;
  /** CKA_EC_POINT from 32 bytes; undefined: the token has none. */
  readonly point: (raw: Buffer) => Buffer | undefined;
  /** CKA_PUBLIC_KEY_INFO likewise. */
  readonly info: (raw: Buffer) => Buffer;
  readonly wantsParameter: boolean;
  /** Longer messages are refused. */
  readonly longest: number;
  /** Attributes of private keys that it makes. */
  readonly private: ReadonlyMap<number, boolean>;
  readonly spoil: (signature: Uint8Array) => Uint8Array;
  /** Its searches find every object. */
  readonly findsAll: boolean;
  /** Of no object it says these attributes. */
  readonly mute: readonly number[];
}

export const HELD = new Map([
  [CKA_SENSITIVE, true],
  [CKA_ALWAYS_SENSITIVE, true],
  [CKA_NEVER_EXTRACTABLE, true],
  [CKA_LOCAL, true],
  [CKA_EXTRACTABLE, false],
]);
const SOFTHSM: Habits = {
  spelling: 0,
  point: raw => Buffer.concat([Buffer.of(4, 32), raw]),
  info: raw => Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]),
  wantsParameter: false,
  longest: 100_000,
  private: HELD,
  spoil: signature => signature,
  findsAll: false,
  mute: [],
};

interface StoredObject {
  readonly handle: Buffer;
  readonly attributes: ReadonlyMap<number, Buffer>;
  readonly pair: ReturnType<typeof ed25519Pair>;
}

const refusal = (ckr: number) => new CustodyError('TOKEN_DEAD', undefined, { ckr });

/** The calls of a token whose habits are written down here: what makers document and no token at hand shows. */
export class ScriptedToken implements TokenCalls {
  readonly objects: StoredObject[];
  readonly mechanisms: Mechanism[] = [];
  readonly spellings: string[] = [];
  readonly #habits: Habits;

  /** `objects` are there already: those of the same token in another mood. */
  constructor(habits: Partial<Habits> = {}, objects: StoredObject[] = []) {
    this.#habits = { ...SOFTHSM, ...habits };
    this.objects = objects;
  }

  generateKeyPair(
    _: Mechanism,
    publicTemplate: ObjectTemplate,
    privateTemplate: ObjectTemplate,
  ): PairHandles {
    const spelling = new Map(publicTemplate).get(CKA_EC_PARAMS);
    if (!Buffer.isBuffer(spelling)) throw refusal(0xd0);
    this.spellings.push(spelling.toString('hex'));
    if (!spelling.equals(ED25519_SPELLINGS[this.#habits.spelling] ?? Buffer.alloc(0))) throw refusal(0x130);
    const pair = ed25519Pair(randomBytes(8).toString('hex'));
    const point = this.#habits.point(Buffer.from(pair.publicKey));
    const info = this.#habits.info(Buffer.from(pair.publicKey));
    const publicKey = this.#store(publicTemplate, pair, [
      [CKA_PUBLIC_KEY_INFO, info],
      ...(point === undefined ? [] : [[CKA_EC_POINT, point] as const]),
    ]);
    const said = [...this.#habits.private].map(([type, is]) => [type, Buffer.of(is ? 1 : 0)] as const);
    return { publicKey, privateKey: this.#store(privateTemplate, pair, said) };
  }

  #store(
    template: ObjectTemplate,
    pair: StoredObject['pair'],
    more: readonly (readonly [number, Buffer])[],
  ): Buffer {
    const handle = randomBytes(8);
    const asBuffer = (value: number | boolean | Buffer): Buffer =>
      Buffer.isBuffer(value) ? value : Buffer.of(Number(value));
    const own = template.filter(([type]) => !HELD.has(type));
    const given = own.map(([type, value]) => [type, asBuffer(value)] as const);
    this.objects.push({ handle, pair, attributes: new Map([...given, ...more]) });
    return handle;
  }

  find(wanted: ObjectTemplate): Buffer[] {
    const fits = ({ attributes }: StoredObject): boolean =>
      this.#habits.findsAll ||
      wanted.every(([type, value]) => {
        const found = attributes.get(type);
        return found?.equals(Buffer.isBuffer(value) ? value : Buffer.of(Number(value))) === true;
      });
    return this.objects.filter(fits).map(({ handle }) => handle);
  }

  attribute(handle: Buffer, type: number): Buffer | undefined {
    if (this.#habits.mute.includes(type)) return undefined;
    return this.objects.find(each => each.handle.equals(handle))?.attributes.get(type);
  }

  sign(mechanism: Mechanism, privateKey: Buffer, message: Uint8Array): Uint8Array {
    this.mechanisms.push(mechanism);
    if (this.#habits.wantsParameter !== (mechanism.parameter !== undefined)) throw refusal(0x71);
    if (message.length > this.#habits.longest) throw refusal(0x21);
    const { pair } = this.objects.find(each => each.handle.equals(privateKey)) ?? {};
    if (pair === undefined) throw refusal(0x82);
    return this.#habits.spoil(pair.sign(message));
  }

  destroy(handle: Buffer): void {
    const at = this.objects.findIndex(each => each.handle.equals(handle));
    if (at < 0) throw refusal(0x82);
    this.objects.splice(at, 1);
  }
}
