// What modules and tokens say of themselves, without a login.

/** What a module says of itself. */
export interface ModuleFacts {
  readonly description: string;
  readonly manufacturer: string;
  /** As `2.6`. */
  readonly version: string;
  readonly cryptoki: string;
}

/** What a token says of itself without a login. */
export interface TokenFacts {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly hardware: string;
  readonly firmware: string;
  /** CK_TOKEN_INFO.flags. */
  readonly flags: number;
  /** 0 for as many as wanted; 2^32 − 1 when it does not say. */
  readonly maxSessions: number;
}

/** A mechanism as the token lists it. */
export interface ListedMechanism {
  readonly type: number;
  readonly minKeySize: number;
  readonly maxKeySize: number;
}
