// Templates and mechanisms as graphene-pk11 wants them. It names attributes; a name stands for a number and nothing else.

import {
  CKA_EC_PARAMS,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_TOKEN,
  CKA_VERIFY,
} from './eddsa-constants.ts';
import { CustodyError } from './error.ts';
import {
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS_BITS,
  CKA_PUBLIC_EXPONENT,
  CKA_UNWRAP,
  CKA_VALUE_LEN,
} from './pkcs11-constants.ts';
import type { Mechanism, ObjectTemplate } from './pkcs11js.ts';

const NAMES: ReadonlyMap<number, string> = new Map([
  [CKA_CLASS, 'class'],
  [CKA_TOKEN, 'token'],
  [CKA_PRIVATE, 'private'],
  [CKA_LABEL, 'label'],
  [CKA_KEY_TYPE, 'keyType'],
  [CKA_ID, 'id'],
  [CKA_SENSITIVE, 'sensitive'],
  [CKA_ENCRYPT, 'encrypt'],
  [CKA_DECRYPT, 'decrypt'],
  [CKA_UNWRAP, 'unwrap'],
  [CKA_SIGN, 'sign'],
  [CKA_VERIFY, 'verify'],
  [CKA_MODULUS_BITS, 'modulusBits'],
  [CKA_PUBLIC_EXPONENT, 'publicExponent'],
  [CKA_VALUE_LEN, 'valueLen'],
  [CKA_EXTRACTABLE, 'extractable'],
  [CKA_EC_PARAMS, 'paramsEC'],
]);

type Value = number | boolean | Buffer;

/** Each value is looked at: one of another type makes the binding free a wild pointer. Throws TEMPLATE. */
export function byName(attributes: ObjectTemplate): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(([type, value]) => {
      const name = NAMES.get(type);
      if (name === undefined || !isValue(value)) throw new CustodyError('TEMPLATE');
      return [name, value];
    }),
  );
}

function isValue(value: unknown): value is Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0;
  return typeof value === 'boolean' || Buffer.isBuffer(value);
}

/** The parameter goes to the binding as it is: a structure by its number, or bytes. */
export function algorithmOf({ mechanism, parameter }: Mechanism) {
  if (parameter === undefined || parameter === null) return { name: mechanism, params: null };
  return { name: mechanism, params: { type: 0, toCKI: (): unknown => parameter } };
}
