// Keys that identities are sealed to, as an operator's commands make them.

import { CKA_LOCAL, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN, CKA_TOKEN } from './eddsa-constants.ts';
import type { AdministrationSession } from './graphene.ts';
import {
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS_BITS,
  CKA_NEVER_EXTRACTABLE,
  CKA_PUBLIC_EXPONENT,
  CKA_UNWRAP,
  CKA_VALUE_LEN,
  CKK_AES,
  CKK_RSA,
  CKM_AES_KEY_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
} from './pkcs11-constants.ts';
import type { ObjectTemplate } from './pkcs11js.ts';
import type { PairHandles } from './writing-session.ts';

const PUBLIC_EXPONENT = Buffer.of(1, 0, 1);
const AES_BYTES = 32;

/** Where a key goes and what it is called. */
export interface KeyPlace {
  readonly label: string;
  readonly id: Buffer;
  /** Kept on the token, else gone with the session. */
  readonly kept: boolean;
}

/** Throws CustodyError with the CKR of the refusal. */
export function makeRsaKey(
  session: Pick<AdministrationSession, 'generateKeyPair'>,
  bits: number,
  place: KeyPlace,
): PairHandles {
  return session.generateKeyPair(
    { mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN },
    [
      [CKA_CLASS, CKO_PUBLIC_KEY],
      [CKA_KEY_TYPE, CKK_RSA],
      ...named(place),
      [CKA_ENCRYPT, true],
      [CKA_MODULUS_BITS, bits],
      [CKA_PUBLIC_EXPONENT, PUBLIC_EXPONENT],
    ],
    [
      [CKA_CLASS, CKO_PRIVATE_KEY],
      [CKA_KEY_TYPE, CKK_RSA],
      ...named(place),
      ...HELD,
      [CKA_DECRYPT, true],
      [CKA_SIGN, false],
      [CKA_UNWRAP, false],
    ],
  );
}

/** 256 bits. Throws CustodyError with the CKR of the refusal. */
export function makeAesKey(session: Pick<AdministrationSession, 'generateKey'>, place: KeyPlace): Buffer {
  return session.generateKey({ mechanism: CKM_AES_KEY_GEN }, [
    [CKA_CLASS, CKO_SECRET_KEY],
    [CKA_KEY_TYPE, CKK_AES],
    ...named(place),
    ...HELD,
    [CKA_VALUE_LEN, AES_BYTES],
    [CKA_ENCRYPT, true],
    [CKA_DECRYPT, true],
  ]);
}

/** Whether the token says of a key that it was made there and can never leave; asked one attribute per call. */
export function isHeld(session: Pick<AdministrationSession, 'attribute'>, key: Buffer): boolean {
  const says = (type: number): number | undefined => session.attribute(key, type)?.[0];
  const isFit = [CKA_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL].every(type => says(type) === 1);
  return isFit && says(CKA_EXTRACTABLE) === 0;
}

const HELD: ObjectTemplate = [
  [CKA_PRIVATE, true],
  [CKA_SENSITIVE, true],
  [CKA_EXTRACTABLE, false],
];

const named = ({ label, id, kept }: KeyPlace): ObjectTemplate => [
  [CKA_TOKEN, kept],
  [CKA_LABEL, Buffer.from(label)],
  [CKA_ID, id],
];
