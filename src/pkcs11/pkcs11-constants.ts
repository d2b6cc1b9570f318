/** Numbers of PKCS#11 2.40 and 3.x that we use, from the OASIS header; decided by number, never by name. */

export const CKF_OS_LOCKING_OK = 0x2;
export const CKF_SERIAL_SESSION = 0x4;
export const CKU_USER = 1;

/** Flags of CK_TOKEN_INFO. */
export const CKF_WRITE_PROTECTED = 0x2;
export const CKF_LOGIN_REQUIRED = 0x4;
export const CKF_USER_PIN_INITIALIZED = 0x8;
export const CKF_PROTECTED_AUTHENTICATION_PATH = 0x100;
export const CKF_TOKEN_INITIALIZED = 0x400;
export const CKF_USER_PIN_COUNT_LOW = 0x1_0000;
export const CKF_USER_PIN_FINAL_TRY = 0x2_0000;
export const CKF_USER_PIN_LOCKED = 0x4_0000;
export const CKF_USER_PIN_TO_BE_CHANGED = 0x8_0000;

export const CKO_PUBLIC_KEY = 2;
export const CKO_PRIVATE_KEY = 3;
export const CKO_SECRET_KEY = 4;
export const CKK_RSA = 0;
export const CKK_AES = 0x1f;

export const CKA_CLASS = 0x0;
export const CKA_VALUE = 0x11;
export const CKA_LABEL = 0x3;
export const CKA_KEY_TYPE = 0x100;
export const CKA_ID = 0x102;
export const CKA_ENCRYPT = 0x104;
export const CKA_DECRYPT = 0x105;
export const CKA_UNWRAP = 0x107;
export const CKA_MODULUS = 0x120;
export const CKA_MODULUS_BITS = 0x121;
export const CKA_PUBLIC_EXPONENT = 0x122;
export const CKA_PRIVATE_EXPONENT = 0x123;
export const CKA_VALUE_LEN = 0x161;
export const CKA_EXTRACTABLE = 0x162;
export const CKA_NEVER_EXTRACTABLE = 0x164;
export const CKA_ALWAYS_AUTHENTICATE = 0x202;

export const CKM_RSA_PKCS_KEY_PAIR_GEN = 0x0;
export const CKM_RSA_PKCS_OAEP = 0x9;
export const CKM_AES_KEY_GEN = 0x1080;
export const CKM_AES_GCM = 0x1087;
export const CKM_SHA_1 = 0x220;
export const CKM_SHA256 = 0x250;
export const CKG_MGF1_SHA1 = 1;
export const CKG_MGF1_SHA256 = 2;
export const CKZ_DATA_SPECIFIED = 1;
/** The tag by which the binding knows the parameter structure of OAEP. */
export const CK_PARAMS_RSA_OAEP = 4;
/** The same for GCM, in the form of the header of 2.40 and 3.x (with the length of the IV in bits). */
export const CK_PARAMS_AES_GCM = 7;

export const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;
/** Login is one per process and token; another key of the same token finds it done. */
export const CKR_USER_ALREADY_LOGGED_IN = 0x100;

/** Sensitive, and no attribute of this object: what a token says of one that it does not give. */
export const CKR_NOT_SAID: readonly number[] = [0x11, 0x12];

/** Return values with a meaning of their own; all others mean that the token or its module failed. */
export const CKR_MEANING = new Map<
  number,
  'TOKEN_NOT_FOUND' | 'KEY_NOT_FOUND' | 'MECHANISM' | `PIN_${'INCORRECT' | 'CHANGE' | 'LOCKED'}`
>([
  [0x03, 'TOKEN_NOT_FOUND'], // slot id invalid
  [0x32, 'TOKEN_NOT_FOUND'], // device removed
  [0xe0, 'TOKEN_NOT_FOUND'], // token not present
  [0xe1, 'TOKEN_NOT_FOUND'], // token not recognised
  [0x60, 'KEY_NOT_FOUND'], // key handle invalid
  [0x82, 'KEY_NOT_FOUND'], // object handle invalid
  [0x63, 'MECHANISM'], // key type inconsistent
  [0x68, 'MECHANISM'], // key function not permitted
  [0x70, 'MECHANISM'], // mechanism invalid
  [0x71, 'MECHANISM'], // mechanism parameter invalid
  [0xa0, 'PIN_INCORRECT'],
  [0xa1, 'PIN_INCORRECT'], // characters that the token does not take
  [0xa2, 'PIN_INCORRECT'], // length that the token does not take
  [0xa3, 'PIN_CHANGE'], // expired
  [0xa4, 'PIN_LOCKED'],
  [0x102, 'PIN_CHANGE'], // never set
]);

/** Device error, memory, removed; session closed, handle invalid; token absent, unknown; not logged in; not initialised. */
const LOST = new Set([0x30, 0x31, 0x32, 0xb0, 0xb3, 0xe0, 0xe1, 0x101, 0x190]);

/** Whether an error says that token or session are gone, and nothing of what was asked. */
export function isTokenLost(thrown: unknown): boolean {
  return LOST.has(ckrOf(thrown) ?? 0);
}

/** The CKR number of an error of the binding, in any of its three shapes. */
export function ckrOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if ('code' in thrown && typeof thrown.code === 'number' && thrown.code !== 0) return thrown.code;
  const number = /CKR_\w+:(\d+)/u.exec(thrown.message)?.[1];
  return number === undefined ? undefined : Number(number);
}
