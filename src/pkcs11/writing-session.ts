// A session that may make, use and destroy keys on a token: raw calls by number, errors as CustodyError.

import { CustodyError } from './error.ts';
import { CKF_SERIAL_SESSION, CKR_NOT_SAID } from './pkcs11-constants.ts';
import { type Mechanism, type ObjectTemplate, type Token, checkedTemplate, guard } from './pkcs11js.ts';

const CKF_RW_SESSION = 0x2;
const FIND_AT_ONCE = 64;
/** A token with more objects of one name than this is not one that we filled. */
const MAX_FOUND = 4096;
const SIGNATURE_ROOM = 512;

/** Handles of the two halves of a key pair. */
export interface PairHandles {
  readonly publicKey: Buffer;
  readonly privateKey: Buffer;
}

/** What keys on a token need of it. */
export type TokenCalls = Pick<WritingSession, 'generateKeyPair' | 'find' | 'attribute' | 'sign' | 'destroy'>;

/** Works while its token is logged in. After an error the session may be in any state: end the process. */
export class WritingSession {
  readonly #token: Token;
  readonly #session: Buffer;
  readonly #onCall: () => void;

  /** `onCall` is told of each call that came back and may have taken its time. @throws CustodyError TOKEN_DEAD */
  constructor(token: Token, onCall: () => void = () => undefined) {
    this.#token = token;
    this.#onCall = onCall;
    const flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    const session = guard(() => token.lend((module, slot) => module.C_OpenSession(slot, flags)));
    if (session === undefined) throw new CustodyError('TOKEN_DEAD');
    this.#session = session;
    this.#onCall();
  }

  /** @throws CustodyError with `ckr` of the refusal */
  generateKeyPair(
    mechanism: Mechanism,
    publicTemplate: ObjectTemplate,
    privateTemplate: ObjectTemplate,
  ): PairHandles {
    const templates = [checkedTemplate(publicTemplate), checkedTemplate(privateTemplate)] as const;
    const pair = guard(() =>
      this.#token.lend(module => module.C_GenerateKeyPair(this.#session, mechanism, ...templates)),
    );
    if (pair === undefined) throw new CustodyError('TOKEN_DEAD');
    this.#onCall();
    return pair;
  }

  /** Every object with these attributes. @throws CustodyError TOKEN_DEAD */
  find(attributes: ObjectTemplate): Buffer[] {
    const template = checkedTemplate(attributes);
    const found: Buffer[] = [];
    guard(() => this.#token.lend(module => module.C_FindObjectsInit(this.#session, template)));
    try {
      for (let more = true; more; ) {
        const next = guard(() =>
          this.#token.lend(module => module.C_FindObjects(this.#session, FIND_AT_ONCE)),
        );
        found.push(...(next ?? []));
        more = next !== undefined && next.length > 0 && found.length < MAX_FOUND;
      }
      return found;
    } finally {
      guard(() => this.#token.lend(module => module.C_FindObjectsFinal(this.#session)));
      this.#onCall();
    }
  }

  /**
   * One attribute (one that the token does not know spoils the answer for all); undefined when it says that it has none or
   * does not give it. That it could not be read is another thing: keys are lost by what is read here. @throws CustodyError
   */
  attribute(handle: Buffer, type: number): Buffer | undefined {
    try {
      const read = guard(
        () => this.#token.lend(module => module.C_GetAttributeValue(this.#session, handle, [{ type }])),
        CKR_NOT_SAID,
      );
      const value = read?.[0]?.value;
      return value !== undefined && value.length > 0 ? value : undefined;
    } finally {
      this.#onCall();
    }
  }

  /** One-part signature, as long as the token makes it. @throws CustodyError with `ckr` of the refusal */
  sign(mechanism: Mechanism, privateKey: Buffer, message: Uint8Array): Uint8Array {
    const room = Buffer.alloc(SIGNATURE_ROOM);
    const signature = guard(() =>
      this.#token.lend(module => {
        module.C_SignInit(this.#session, mechanism, privateKey);
        return module.C_Sign(this.#session, Buffer.from(message), room);
      }),
    );
    this.#onCall();
    return Uint8Array.from(signature ?? []);
  }

  /** @throws CustodyError */
  destroy(handle: Buffer): void {
    guard(() => this.#token.lend(module => module.C_DestroyObject(this.#session, handle)));
    this.#onCall();
  }

  /** Asks the token whether it is still there. @throws CustodyError TOKEN_… */
  touch(): void {
    guard(() => this.#token.lend((module, slot) => module.C_GetTokenInfo(slot)));
    guard(() => this.#token.lend(module => module.C_GetSessionInfo(this.#session)));
  }
}
